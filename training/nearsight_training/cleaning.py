"""Cleaning: rows and users dropped from a log as was declared, before anything is learned, and counted in notes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight_training.columns import Table
from nearsight_training.config import Cleaning

__all__ = ["cleaned", "gaps", "hasty", "only_dates", "whole_rows"]

_MINUTE_SECONDS, _DAY_SECONDS = 60, 86400


def whole_rows(table: Table, roles: Mapping[str, str], clean: Cleaning) -> tuple[Table, tuple[str, ...]]:
    """Drop the rows that lack a role where `clean` says so; `roles` are the columns of user, time and event.

    Returns the rest, whose lines are those of the file, and notes. Raises `InputError` where no row is left.
    """
    if clean.missing == "refuse":
        return table, ()
    lacks = gaps(table, roles)
    whole = ~lacks.select(pl.any_horizontal(pl.all())).to_series()
    if whole.all() and len(whole):
        return table, ()
    if not whole.any():
        raise InputError(
            f"{table.name} has no row with {', '.join(roles)} all filled, received {len(table)} rows: "
            "pass a log, or other columns"
        )
    return table.only(whole), (_lacking(lacks, len(table) - int(whole.sum())),)


def gaps(table: Table, roles: Mapping[str, str]) -> pl.DataFrame:
    """Which rows of a table are empty in the column of each role: a column of R booleans by role."""
    return pl.DataFrame({role: _missing(table.column(column)) for role, column in roles.items()})


def cleaned(frame: pl.DataFrame, clean: Cleaning, name: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Drop rows that repeat another, and then users that are too fast, as `clean` says.

    `frame` has columns user, time (seconds since 1970) and more, sorted by user and time; what is left keeps its order.
    Returns it and notes. Raises `InputError`, with the log's `name`, where nobody is left or times have no clock.
    """
    notes = []
    if clean.duplicates == "drop":
        frame, repeats = _without_repeats(frame)
        if repeats:
            notes.append(f"dropped {_counted(repeats, 'row')} that {'repeats' if repeats == 1 else 'repeat'} another")
    if clean.most_per_minute is not None:
        frame, note = _without_bots(frame, clean.most_per_minute, name)
        notes += [note] if note else []
    return frame, tuple(notes)


def hasty(times: NDArray[np.float64], owners: NDArray[Any], most: int) -> NDArray[Any]:
    """Those among `owners` (E,) that have more than `most` events in any 60 seconds, each once.

    `times` (E,) are seconds that don't descend within an owner, whose events follow one another.
    """
    first, last = slice(None, -most), slice(most, None)
    fast = (times[last] - times[first] < _MINUTE_SECONDS) & (owners[last] == owners[first])
    return np.unique(owners[last][fast])


def only_dates(times: NDArray[np.float64]) -> bool:
    """Whether times (E,) in seconds are dates without a clock, so that a minute can't be told from its day."""
    return bool((times % _DAY_SECONDS == 0).all())


def _missing(column: pl.Series) -> pl.Series:
    if column.dtype.is_float():
        return column.is_null() | column.is_nan().fill_null(True)
    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        return (column.cast(pl.String) == "").fill_null(True)
    return column.is_null()


def _without_repeats(frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Only rows of one user and one time, which are neighbours, can be the same: the others aren't compared."""
    places = frame.select(pl.struct("user", "time").rle_id()).to_series()
    same = (places == places.shift(1)).fill_null(False)
    tied = same | same.shift(-1, fill_value=False)
    first = frame.filter(tied).select(pl.struct(pl.all()).is_first_distinct()).to_series()
    kept = ~tied
    kept[tied.arg_true()] = first
    return frame.filter(kept), len(frame) - int(kept.sum())


def _without_bots(frame: pl.DataFrame, most: int, name: str) -> tuple[pl.DataFrame, str]:
    times, owners = frame["time"].to_numpy(), frame["user"].rle_id().to_numpy()
    if only_dates(times):
        raise InputError(
            f"{name} must hold times with a clock where most_per_minute is set, received dates alone: "
            "drop it (--most-per-minute)"
        )
    bots = hasty(times, owners, most)
    kept = ~np.isin(owners, bots)
    pace = f"more than {_counted(most, 'event')} within a minute"
    if not kept.any():
        raise InputError(
            f"{name} has no user left, received {_counted(len(bots), 'user')}, all with {pace}: "
            "raise most_per_minute (--most-per-minute)"
        )
    lost = len(frame) - int(kept.sum())
    note = f"dropped {_counted(len(bots), 'user')} with {_counted(lost, 'event')}: {pace}" if lost else ""
    return frame.filter(pl.Series(kept)), note


def _lacking(lacks: pl.DataFrame, dropped: int) -> str:
    counts = {role: int(lack.sum()) for role, lack in zip(lacks.columns, lacks, strict=True) if lack.any()}
    named = {role: f"{'an' if role == 'event' else 'a'} {role}" for role in counts}
    if len(counts) == 1:
        (what,) = named.values()
        why = f"{'it lacks' if dropped == 1 else 'they lack'} {what}"
    else:
        why = ", ".join(
            f"{count:,} {'lacks' if count == 1 else 'lack'} {named[role]}" for role, count in counts.items()
        )
    return f"dropped {dropped:,} of {len(lacks):,} rows: {why}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
