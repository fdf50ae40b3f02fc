"""A user's table and the checks that turn its columns into times, names and numbers, line by line."""

import difflib
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import polars as pl

from nearsight.errors import InputError
from nearsight.values import EARLIEST, LATEST
from nearsight_training.formats import BELOW_HEADER, content_of, frame_of
from nearsight_training.timestamps import iso_column, iso_seconds

__all__ = ["Lines", "Table", "moment", "names_of", "numbers_of", "outlined", "required", "spoken", "times_of"]

_MEND = "mend the row, or drop all such rows, as nearsight train does with --drop-missing"
_DATES = (19_000_101, 21_001_231)  # YYYYMMDD; as seconds these are two weeks of August 1970


class Lines(Protocol):
    """Rows of a file, each of which stands somewhere."""

    def line(self, row: int) -> str:
        """Where a row stands, in words."""


@dataclass(frozen=True)
class Table:
    """Columns as they came, and where they came from. `first_line` is the line that holds row 0, below `above` others.

    `origin` is what these rows were picked from, and the row that each was there; None for rows that follow one
    another in a file.
    """

    name: str
    frame: pl.DataFrame
    first_line: int
    above: int = field(default=0, kw_only=True)
    origin: tuple[Lines, pl.Series] | None = field(default=None, kw_only=True)

    @classmethod
    def read(cls, path: Path) -> "Table":
        """Read `.csv`, `.jsonl` or `.ndjson`, either of them also `.gz`, or `.parquet`.

        Raises `InputError` where the file is missing, isn't what its name says, or names a column twice. Every column
        of a CSV arrives as strings.
        """
        kind, content = content_of(Path(path))
        return cls(Path(path).name, *frame_of(Path(path), kind, content))

    def __len__(self) -> int:
        return self.frame.height

    @property
    def columns(self) -> list[str]:
        """The columns' names in the file's order."""
        return self.frame.columns

    def column(self, name: str, option: str = "") -> pl.Series:
        """One column. Raises `InputError` with the nearest name where there is none of this name.

        `option` is what names this column on the command line, where something does.
        """
        if name in self.frame.columns:
            return self.frame[name]
        if len(self.frame.columns) == 1 and (
            found := next((mark for mark in ";\t|" if mark in self.frame.columns[0]), "")
        ):
            raise InputError(
                f"{self.name} has no column {name!r}: its columns are separated by {found!r}, separate them by commas"
            )
        raise InputError(f"{self.name} has no column {name!r}: {self._advice(name, option)}")

    def only(self, kept: pl.Series) -> "Table":
        """The rows where `kept` (R,) is true; `line` still says where in the file they stand."""
        return Table(self.name, self.frame.filter(kept), self.first_line, origin=(self, kept.arg_true()))

    def _advice(self, name: str, option: str) -> str:
        named = f"{option} " if option else ""
        near = difflib.get_close_matches(name, self.frame.columns, 1, 0.5)
        if near:
            return f"did you mean {named}{near[0]!r}?"
        return f"{f'pass {named}with one of' if named else 'it has'} {', '.join(self.frame.columns[:20])}"

    def line(self, row: int) -> str:
        """Where a row stands, in words; a line break inside of a CSV's quotes counts."""
        if self.origin is not None:
            whole, rows = self.origin
            return whole.line(rows[row])
        above = self.frame.head(row).select(pl.col(pl.String).str.count_matches("\n").sum())
        breaks = sum(above.row(0)) if self.first_line == BELOW_HEADER and above.width else 0
        return f"{self.name}, line {row + self.above + self.first_line + breaks}"


def required(table: Table, name: str) -> pl.Series:
    """A column of names without a gap, as strings. Raises `InputError` with the line of the first missing value."""
    column = names_of(table, name)
    if column is None:
        received = table.column(name).dtype
        raise InputError(
            f"{table.name}: column {name!r} must hold names or whole numbers, received {received}: cast it"
        )
    missing = (column == "").arg_true()
    if len(missing):
        raise InputError(f"{table.line(missing[0])}: column {name!r} is empty: {_MEND}")
    return column


_OUTLINE = 30  # characters
_LARGEST_WHOLE = 2.0**53  # beyond it, whole numbers run into each other


def names_of(table: Table, name: str) -> pl.Series | None:
    """A column as strings with "" for a missing value, or None where its type isn't one of names.

    Whole numbers that were written as floats, as they are where some are missing, are names without their ".0".
    """
    column = table.column(name)
    if column.dtype.is_float():
        known = column.fill_nan(None)
        if known.is_between(-_LARGEST_WHOLE, _LARGEST_WHOLE).all() and (known.round() == known).all():
            column = known.cast(pl.Int64)
    if not (column.dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum) or column.dtype.is_integer()):
        return pl.Series([""] * len(column), dtype=pl.String) if column.dtype == pl.Null else None
    return column.cast(pl.String).fill_null("")


def numbers_of(table: Table, name: str) -> pl.Series | None:
    """A column as float64 with NaN for a missing value, or None where it doesn't hold numbers throughout.

    Raises `InputError` with the line of the first value that is NaN or infinite in the file itself.
    """
    column = table.column(name)
    if column.dtype == pl.String:
        column = column.replace("", None)
    if not (column.dtype == pl.String or column.dtype.is_numeric()) or column.null_count() == len(column):
        return None
    numbers = column.cast(pl.Float64, strict=False)
    if numbers.null_count() > column.null_count():
        return None
    wrong = (~numbers.is_finite()).fill_null(False).arg_true()
    if len(wrong):
        raise InputError(
            f"{table.line(wrong[0])}: column {name!r} must hold finite numbers, received {column[wrong[0]]}: "
            "leave the value empty where it isn't known"
        )
    return numbers.fill_null(math.nan)


def times_of(table: Table, name: str) -> pl.Series:
    """A column of times as float64 seconds since 1970.

    Numbers are such seconds. Text is ISO 8601; a time with an offset becomes UTC, one without is taken as written.
    Raises `InputError` with the line of the first missing or unparsable value, and for numbers that are milliseconds
    or dates, which would pass for seconds.
    """
    column = table.column(name)
    if column.dtype.is_temporal() and column.dtype not in (pl.Time, pl.Duration):
        seconds = column.cast(pl.Datetime("us")).dt.timestamp("us").cast(pl.Float64) / 1e6
        return _complete(table, name, column, seconds)
    if column.dtype.is_numeric():
        return _seconds_not_dates(table, name, _complete(table, name, column, column.cast(pl.Float64)))
    if column.dtype != pl.String:
        raise InputError(f"{table.name}: column {name!r} must hold times, received {column.dtype}")
    numbers = column.cast(pl.Float64, strict=False)
    if numbers.null_count() < len(column) and numbers[0] is not None:
        return _seconds_not_dates(table, name, _complete(table, name, column, numbers))
    return _complete(table, name, column, iso_column(column))


def _complete(table: Table, name: str, column: pl.Series, seconds: pl.Series) -> pl.Series:
    wrong = (~seconds.is_finite()).fill_null(True).arg_true()
    if len(wrong):
        value = column[wrong[0]]
        found = f"nothing: {_MEND}" if value in (None, "") or value != value else outlined(value)
        raise InputError(
            f"{table.line(wrong[0])}: column {name!r} must hold a time in ISO 8601 or in seconds since 1970, "
            f"received {found}"
        )
    return seconds


def _seconds_not_dates(table: Table, name: str, seconds: pl.Series) -> pl.Series:
    outside = (~seconds.is_between(EARLIEST, LATEST)).arg_true()
    if len(outside):
        raise InputError(
            f"{table.line(outside[0])}: column {name!r} must hold seconds since 1970, received a number outside of the "
            "years 1 to 9999: divide milliseconds by 1000"
        )
    if seconds.is_between(*_DATES).all() and (seconds % 1 == 0).all():
        raise InputError(
            f"{table.line(0)}: column {name!r} holds dates like YYYYMMDD, which would pass for seconds since "
            "1970: write them as 2024-12-31"
        )
    return seconds


def outlined(value: object) -> str:
    """How a value is spelled, its letters as x and its digits as 9: a value itself is nobody's business.

    >>> outlined("31/12/2026 noon")
    "what is spelled like '99/99/9999 xxxx'"
    """
    spelled = re.sub(r"\d", "9", re.sub(r"[^\W\d_]", "x", str(value)))
    return f"what is spelled like {spelled[:_OUTLINE]!r}"


def moment(value: str | float) -> float:
    """A moment that a user wrote, in seconds since 1970: such seconds, or ISO 8601. Raises `InputError`."""
    try:
        found: float | None = float(value)
    except ValueError:
        found = iso_seconds(str(value))
    if found is None or not EARLIEST <= found <= LATEST:
        raise InputError(f"a time must be ISO 8601 or seconds since 1970 in the years 1 to 9999, received {value!r}")
    return found


def spoken(moment: float) -> str:
    """A moment as a user would write it, in UTC: `1997-09-30`, `1997-09-30 12:00:00`."""
    written = datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)
    return written.isoformat(" ", "seconds").removesuffix(" 00:00:00")
