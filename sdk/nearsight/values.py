"""The values in an event, checked: what can't be used is named by its field and type, never by itself."""

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.errors import EventError

__all__ = ["codes", "finite", "finite_column", "text"]


def text(field: str, value: object) -> str:
    """A category's value as the vocabulary spells it; the empty string is a missing one. Raises `EventError`."""
    if type(value) is str:
        return value
    if value is None and field != "event":
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    raise EventError(f"{field} must be a string or a whole number, received {type(value).__name__}: pass its name")


def finite(field: str, value: object) -> float:
    """A finite number as a float; NaN stands for a missing one. Raises `EventError`."""
    kind = type(value)
    if kind is float or kind is int or (isinstance(value, Real) and kind is not bool):
        number = float(value)  # type: ignore[arg-type]
        if math.isinf(number):
            raise EventError(f"{field} must be a finite number, received an infinite one: pass None if it isn't known")
        return number
    if value is None:
        return math.nan
    raise EventError(f"{field} must be a number, received {kind.__name__}: convert it, or pass None if it isn't known")


def finite_column(field: str, values: Sequence[object] | NDArray[Any]) -> NDArray[np.float64]:
    """`finite` for a column of numbers, None among them or NaN: float64 `(E,)`."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        column = values.astype(np.float64, copy=False)
    elif {float, int, type(None)}.issuperset(map(type, values)):
        column = np.array(values, np.float64)
    else:
        column = np.array([finite(field, value) for value in values])
    if np.isinf(column).any():
        raise EventError(f"{field} must hold finite numbers, received an infinite one: pass None if it isn't known")
    return column


def codes(field: str, table: Mapping[str, int], values: Sequence[object] | NDArray[Any]) -> NDArray[np.int32]:
    """A column's codes `(E,)`; a name outside `table` has code 0."""
    get = table.get
    found = [get(value if type(value) is str else text(field, value), 0) for value in values]
    return np.array(found, np.int32)
