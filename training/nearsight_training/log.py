"""An event log, read from CSV, JSON lines or Parquet and laid out as histories: each user's events in order."""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight.names import Names
from nearsight.values import floored
from nearsight_training.cleaning import Dropped, cleaned, whole_rows
from nearsight_training.columns import Table, names_of, numbers_of, required, times_of
from nearsight_training.config import Label, LogConfig
from nearsight_training.histories import coded_fields
from nearsight_training.outcomes import outcomes_of
from nearsight_training.personal import LONGEST_NAME, check_personal

__all__ = ["RESERVED", "EventLog", "log_of", "read_log"]

RESERVED = frozenset(("event", "time", "user", "self"))  # what `observe` and the tables already call something else
_OUTCOME = "outcome:"


@dataclass(frozen=True, kw_only=True)
class EventLog:
    """E events of H users, sorted by user and then by time; events of equal time keep the file's order.

    `fields` holds float64 arrays with NaN for a missing value, or `Names` with "" for one; arrays of strings become
    `Names`. `dropped` counts the rows that were, and `notes` say which columns were left out, and why.
    """

    users: NDArray[np.str_]  # (H,)
    starts: NDArray[np.int64]  # (H,)
    times: NDArray[np.float64]  # (E,) seconds since 1970
    names: Names  # (E,)
    fields: dict[str, Any]  # (E,) each
    outcomes: dict[str, NDArray[np.int8]] = field(default_factory=dict)  # (E,) each, by question: 1, 0 or -1
    dropped: Dropped = field(default_factory=Dropped)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", Names.of(self.names))
        object.__setattr__(self, "fields", coded_fields(self.fields))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many events each user has, (H,)."""
        return np.diff(self.starts, append=len(self.times))

    @property
    def owners(self) -> NDArray[np.int64]:
        """Each event's user, (E,)."""
        return np.repeat(np.arange(len(self.users)), self.lengths)


def read_log(path: Path, config: LogConfig) -> EventLog:
    """Read the columns that `config` names. Times are coarsened as it says, once the rows are in their order.

    Raises `InputError` with the line of the first value that can't be used, whose spelling it outlines and which it
    never shows, and for a field that looks personal and isn't allowed.
    """
    return log_of(Table.read(path), config)


def log_of(table: Table, config: LogConfig, numbers: Collection[str] = ()) -> EventLog:
    """The event log in a table; raises as `read_log` does.

    `numbers` are fields that must hold numbers, as they do in another part of the same file.
    """
    named = {"user": config.user, "time": config.time, "event": config.event}
    roles = {role: column for role, column in named.items() if column is not None}
    for role, column in roles.items():
        table.column(column, f"--{role}")
    for column in (*(config.fields or ()), *config.categories, *config.groups):
        table.column(column)
    if len(set(roles.values())) < len(roles):
        raise InputError(f"user, time and event must be different columns, received {', '.join(roles.values())}")
    if not len(table):
        raise InputError(f"{table.name} holds no events: pass a log with at least one row")
    table, incomplete = whole_rows(table, roles, config.clean)
    fields, notes = _fields(table, config, set(roles.values()), numbers)
    users, names = _coded(required(table, config.user)), _coded(_events(table, config))
    times = times_of(table, config.time).to_numpy()
    told = {name: column.to_numpy() if column.dtype.is_float() else _coded(column) for name, column in fields.items()}
    rest = {f"field:{name}": values.codes if isinstance(values, Names) else values for name, values in told.items()}
    rest |= {f"{_OUTCOME}{label.name}": outcomes_of(table, label).to_numpy() for label in _labels(config)}
    frame = pl.DataFrame({"user": users.codes, "time": times, "event": names.codes, **rest})
    order = pl.Series(np.lexsort((times, users.codes)).astype(np.uint32))
    frame, dropped = cleaned(frame[order], config.clean, table.name)
    if config.coarsen_seconds is not None:
        frame = frame.with_columns(time=floored(frame["time"].to_numpy(), config.coarsen_seconds))
    return _laid_out(frame, users, names, told, incomplete + dropped, notes)


def _labels(config: LogConfig) -> list[Label]:
    return [target for target in config.targets if isinstance(target, Label)]


def _events(table: Table, config: LogConfig) -> pl.Series:
    if config.event is None:
        return pl.Series([config.every] * len(table), dtype=pl.String)
    names = required(table, config.event)
    if fault := _fault(names):
        raise InputError(f"{table.name}: column {config.event!r} {fault}: events need names")
    return names


def _fields(
    table: Table, config: LogConfig, roles: set[str], numbers: Collection[str]
) -> tuple[dict[str, pl.Series], tuple[str, ...]]:
    told = {label.column for label in _labels(config)}
    for name in (*(config.fields or ()), *config.categories):
        if name in told:
            raise InputError(
                f"column {name!r} answers a question, so it can't be a field as well: leave it out of those"
            )
    free = [name for name in table.columns if name not in roles | told]
    wanted = config.fields if config.fields is not None else free
    notes, fields = [], {}
    for name in dict.fromkeys((*wanted, *config.categories, *config.groups)):
        if name in RESERVED:
            raise InputError(
                f"a field can't be called {name!r}, which nearsight uses itself: rename the column or list the fields"
            )
        is_name = name in config.categories
        column = None if is_name else numbers_of(table, name)
        if column is None and name in numbers:
            column = _without_a_number(table, name)
        if name in config.groups and column is None:
            raise InputError(
                f"{table.name}: column {name!r} must hold numbers and not be a category to be read in groups: "
                "leave its groups out"
            )
        column = names_of(table, name) if column is None else column
        fault = _fault(column)
        if column is not None and not fault:
            if name not in config.allowed:
                check_personal(name, table.column(name), table.name)
            fields[name] = column
            notes += [] if is_name else _doubts(table, name, column)
        elif config.fields is not None:
            raise InputError(f"{table.name}: column {name!r} {fault}: leave it out")
        else:
            notes.append(f"{name}: left out, it {fault}")
    return fields, tuple(notes)


def _without_a_number(table: Table, name: str) -> pl.Series:
    """An empty column as numbers. Raises `InputError` with the line of the first value that is none."""
    column = table.column(name)
    filled = (column.cast(pl.String, strict=False).fill_null("") != "").arg_true()
    if len(filled):
        texts = column.cast(pl.String, strict=False)
        stray = (texts.cast(pl.Float64, strict=False).is_null() & (texts != "")).arg_true()[0]
        raise InputError(
            f"{table.line(stray)}: column {name!r} must hold numbers as it does elsewhere, received "
            f"{texts[stray]!r}: mend the row, or pass --category {name}"
        )
    return pl.Series([math.nan] * len(table), dtype=pl.Float64)


def _fault(column: pl.Series | None) -> str:
    """Why a column can't be a field; a long text would also take its whole length in every row of an array."""
    if column is None:
        return "holds neither numbers nor names"
    if column.dtype == pl.String and (column.str.len_chars() > LONGEST_NAME).any():
        return f"holds texts of more than {LONGEST_NAME} characters"
    return ""


def _doubts(table: Table, name: str, column: pl.Series) -> list[str]:
    """A note where a few stray values turn a column of numbers into one of names."""
    if column.dtype != pl.String:
        return []
    stray = (column != "") & column.cast(pl.Float64, strict=False).is_null()
    strays = stray.arg_true().to_list()
    if not strays or len(strays) > (column != "").sum() / 2:
        return []
    return [f"{name}: taken for names, since not all of its values are numbers, as in {table.line(strays[0])}"]


def _coded(column: pl.Series) -> Names:
    """A column of strings; its vocabulary is sorted by code points, as NumPy sorts."""
    vocabulary = column.unique().sort()
    return Names(vocabulary.to_numpy().astype(str), column.cast(pl.Enum(vocabulary)).to_physical().to_numpy())


def _laid_out(
    frame: pl.DataFrame, users: Names, names: Names, fields: dict[str, Any], dropped: Dropped, notes: tuple[str, ...]
) -> EventLog:
    """The histories in a sorted `frame`, which holds the codes of all that is `Names`."""
    owners = frame["user"].to_numpy()
    starts = np.flatnonzero(np.append(True, owners[1:] != owners[:-1]))
    columns = {name: frame[f"field:{name}"].to_numpy() for name in fields}
    return EventLog(
        users=users.vocabulary[owners[starts]],
        starts=starts,
        times=frame["time"].to_numpy(),
        names=Names(names.vocabulary, frame["event"].to_numpy()),
        fields={
            name: Names(values.vocabulary, columns[name]) if isinstance(values, Names) else columns[name]
            for name, values in fields.items()
        },
        outcomes={
            name.removeprefix(_OUTCOME): frame[name].to_numpy() for name in frame.columns if name.startswith(_OUTCOME)
        },
        dropped=dropped,
        notes=notes,
    )
