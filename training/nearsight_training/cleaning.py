"""Cleaning: rows and users dropped from a log as was declared, before anything is learned, and counted in notes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight_training.columns import Table
from nearsight_training.config import Cleaning

__all__ = ["Dropped", "cleaned", "gaps", "hasty", "only_dates", "whole_rows"]

_MINUTE_SECONDS, _DAY_SECONDS = 60, 86400


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """How much was dropped of `rows`: incomplete ones, with how many lack what; those that repeat another; bots, which
    are users with more than `most_per_minute` events, and their events. What is dropped of two logs adds up.
    """

    rows: int = 0
    incomplete: int = 0
    lacking: Mapping[str, int] = field(default_factory=dict)
    repeats: int = 0
    bots: int = 0
    bot_events: int = 0
    most_per_minute: int = 0

    def __add__(self, other: "Dropped") -> "Dropped":
        return Dropped(
            rows=self.rows + other.rows,
            incomplete=self.incomplete + other.incomplete,
            lacking=dict(Counter(self.lacking) + Counter(other.lacking)),
            repeats=self.repeats + other.repeats,
            bots=self.bots + other.bots,
            bot_events=self.bot_events + other.bot_events,
            most_per_minute=max(self.most_per_minute, other.most_per_minute),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """The same in sentences, none for what didn't happen."""
        return tuple(self._sentences())

    def _sentences(self) -> Iterator[str]:
        if self.incomplete:
            yield f"dropped {self.incomplete:,} of {self.rows:,} rows: {self._why}"
        if self.repeats:
            yield f"dropped {_counted(self.repeats, 'row')} that {'repeats' if self.repeats == 1 else 'repeat'} another"
        if self.bots:
            lost = f"{_counted(self.bots, 'user')} with {_counted(self.bot_events, 'event')}"
            yield f"dropped {lost}: {_pace(self.most_per_minute)}"

    @property
    def _why(self) -> str:
        named = {role: f"{'an' if role == 'event' else 'a'} {role}" for role in self.lacking}
        if len(named) == 1:
            return f"{'it lacks' if self.incomplete == 1 else 'they lack'} {''.join(named.values())}"
        return ", ".join(
            f"{count:,} {'lacks' if count == 1 else 'lack'} {named[role]}" for role, count in self.lacking.items()
        )


def whole_rows(table: Table, roles: Mapping[str, str], clean: Cleaning) -> tuple[Table, Dropped]:
    """Drop the rows that lack a role where `clean` says so; `roles` are the columns of user, time and event.

    Returns the rest, whose lines are those of the file, and how much that was. Raises `InputError` where no row is
    left.
    """
    nothing = Dropped(rows=len(table))
    if clean.missing == "refuse":
        return table, nothing
    lacks = gaps(table, roles)
    whole = ~lacks.select(pl.any_horizontal(pl.all())).to_series()
    if whole.all() and len(whole):
        return table, nothing
    if not whole.any():
        raise InputError(
            f"{table.name} has no row with {', '.join(roles)} all filled, received {len(table)} rows: "
            "pass a log, or other columns"
        )
    counts = {role: int(lack.sum()) for role, lack in zip(lacks.columns, lacks, strict=True) if lack.any()}
    return table.only(whole), replace(nothing, incomplete=len(table) - int(whole.sum()), lacking=counts)


def gaps(table: Table, roles: Mapping[str, str]) -> pl.DataFrame:
    """Which rows of a table are empty in the column of each role: a column of R booleans by role."""
    return pl.DataFrame({role: _missing(table.column(column)) for role, column in roles.items()})


def cleaned(frame: pl.DataFrame, clean: Cleaning, name: str) -> tuple[pl.DataFrame, Dropped]:
    """Drop rows that repeat another, and then users that are too fast, as `clean` says.

    `frame` has columns user, time (seconds since 1970) and more, sorted by user and time; what is left keeps its order.
    Returns it and how much that was. Raises `InputError`, with the log's `name`, where nobody is left or times have no
    clock.
    """
    dropped = Dropped()
    if clean.duplicates == "drop":
        frame, repeats = _without_repeats(frame)
        dropped += Dropped(repeats=repeats)
    if clean.most_per_minute is not None:
        frame, bots = _without_bots(frame, clean.most_per_minute, name)
        dropped += bots
    return frame, dropped


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


def _without_bots(frame: pl.DataFrame, most: int, name: str) -> tuple[pl.DataFrame, Dropped]:
    times, owners = frame["time"].to_numpy(), frame["user"].rle_id().to_numpy()
    if only_dates(times):
        raise InputError(
            f"{name} must hold times with a clock where most_per_minute is set, received dates alone: "
            "drop it (--most-per-minute)"
        )
    bots = hasty(times, owners, most)
    kept = ~np.isin(owners, bots)
    if not kept.any():
        raise InputError(
            f"{name} has no user left, received {_counted(len(bots), 'user')}, all with {_pace(most)}: "
            "raise most_per_minute (--most-per-minute)"
        )
    lost = len(frame) - int(kept.sum())
    return frame.filter(pl.Series(kept)), Dropped(bots=len(bots), bot_events=lost, most_per_minute=most if lost else 0)


def _pace(most: int) -> str:
    return f"more than {_counted(most, 'event')} within a minute"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
