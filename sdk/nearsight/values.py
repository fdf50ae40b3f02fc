"""The values in an event, checked: what can't be used is named by its field and type, never by itself."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from numbers import Real
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nearsight.errors import EventError
from nearsight.names import Names

__all__ = [
    "EARLIEST",
    "LATEST",
    "code",
    "codes",
    "finite",
    "finite_column",
    "floored",
    "group",
    "groups",
    "strange_time",
]

_Seconds = TypeVar("_Seconds", float, NDArray[np.float64])

EARLIEST, LATEST = -62_135_596_800, 253_402_300_799  # seconds since 1970 in which a date can be said: years 1 to 9999


def strange_time(seconds: float) -> EventError:
    """What is wrong with a time that doesn't lie between `EARLIEST` and `LATEST`; NaN stands for a missing one."""
    if math.isnan(seconds):
        return EventError("this model needs every event's time in seconds since 1970, received none: pass time=")
    return EventError(
        "time must be in seconds since 1970, received a number outside of the years 1 to 9999: "
        "divide milliseconds by 1000"
    )


def floored(seconds: _Seconds, step: float) -> _Seconds:
    """A time, or a column of times, at the last multiple of `step` seconds since 1970; equal bits for both.

    >>> floored(1_700_000_000.0, 3600.0)
    1699999200.0
    """
    return seconds - seconds % step


def code(field: str, table: Mapping[str, int], value: object) -> int:
    """The code of a category's value; 0 for a missing one and for a name outside of `table`. Raises `EventError`."""
    if type(value) is str:
        return table.get(value, 0)
    if value is None and field != "event":
        return 0
    if isinstance(value, bool):
        return _truth(field, table, value)
    if isinstance(value, (str, int)):
        return table.get(_written(value), 0)
    raise EventError(f"{field} must be a string or a whole number, received {type(value).__name__}: pass its name")


def _written(value: str | int) -> str:
    """A name that may be a whole number; one of more digits than Python writes (4,300) is in no vocabulary."""
    try:
        return str(value)
    except ValueError:
        return ""


def _truth(field: str, table: Mapping[str, int], value: bool) -> int:
    """A bool is called true or false, as in a log whose column holds bools; text, such as "True", isn't one."""
    if "true" not in table and "false" not in table:
        raise EventError(f"{field} must be a name as in the training's log, received bool: pass that name as a string")
    return table.get("true" if value else "false", 0)


def finite(field: str, value: object) -> float:
    """A finite number as a float; NaN stands for a missing one. Raises `EventError`."""
    if type(value) is float and not math.isinf(value):
        return value
    kind = type(value)
    if kind is float or kind is int or (isinstance(value, Real) and kind is not bool):
        number = _float(value)
        if math.isinf(number):
            raise EventError(f"{field} must be a finite number, received an infinite one: pass None if it isn't known")
        return number
    if value is None:
        return math.nan
    if hasattr(value, "timestamp"):  # datetime isn't imported for the sake of a message
        raise EventError(f"{field} must be a number, received {kind.__name__}: pass .timestamp() of one in UTC")
    raise EventError(f"{field} must be a number, received {kind.__name__}: convert it, or pass None if it isn't known")


def _float(value: Any) -> float:
    """A number as a float, infinite where it is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def finite_column(field: str, values: Sequence[object] | NDArray[Any] | Names) -> NDArray[np.float64]:
    """`finite` for a column of numbers, None among them or NaN: float64 `(E,)`."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        column = values.astype(np.float64, copy=False)
    else:
        column = _column(field, values)
    if np.isinf(column).any():
        raise EventError(f"{field} must hold finite numbers, received an infinite one: pass None if it isn't known")
    return column


def _column(field: str, values: Sequence[object] | NDArray[Any] | Names) -> NDArray[np.float64]:
    if {float, int, type(None)}.issuperset(map(type, values)):
        with suppress(OverflowError):  # a whole number is too large: which one, is found one by one
            return np.array(values, np.float64)
    return np.array([finite(field, value) for value in values])


def codes(field: str, table: Mapping[str, int], values: Sequence[object] | NDArray[Any] | Names) -> NDArray[np.int32]:
    """`code` for a column: int32 `(E,)`. In a column of `Names` each name is looked up once."""
    if isinstance(values, Names):
        found_once: NDArray[np.int32] = codes(field, table, values.vocabulary.tolist())[values.codes]
        return found_once
    get = table.get
    found = [get(value, 0) if type(value) is str else code(field, table, value) for value in values]
    return np.array(found, np.int32)


def group(field: str, edges: tuple[float, ...], value: object) -> int:
    """The code of a number's group; 0 for a missing one. Raises `EventError` as `finite` does."""
    number = finite(field, value)
    return bisect_right(edges, number) + 1 if number == number else 0


def groups(field: str, edges: tuple[float, ...], values: Sequence[object] | NDArray[Any] | Names) -> NDArray[np.int32]:
    """`group` for a column: int32 `(E,)`."""
    column = finite_column(field, values)
    return np.where(np.isnan(column), 0, np.searchsorted(edges, column, "right") + 1).astype(np.int32)
