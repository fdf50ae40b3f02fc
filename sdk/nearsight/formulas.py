"""From the parts of an event to the numbers of its row, written once for one float and for columns of them.

Every formula is a chain of operations that IEEE 754 rounds the same way for a single number and for an array, except
the logarithm: NumPy's may differ from the C library's in the last bit, so columns map the C library's over their
elements. A test proves that both speeds agree bit for bit.
"""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.spec import Number, Spec

__all__ = ["COLUMNS", "SINGLE", "Moment", "Step", "row_numbers"]

_FIRST_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0
_HOUR_SECONDS, _DAY_SECONDS = 3600, 86400


def _circle(points: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    turns = [2 * math.pi * point / points for point in range(points)]
    return tuple(map(math.sin, turns)), tuple(map(math.cos, turns))


class Ops(Protocol):
    """The few operations that differ between one number and a column of them, and the circles' sines and cosines."""

    hour: Any
    weekday: Any

    def clip(self, x: Any, low: Any, high: Any) -> Any: ...
    def log1p(self, x: Any) -> Any: ...
    def integer(self, x: Any) -> Any: ...
    def where(self, condition: Any, x: Any, otherwise: Any) -> Any: ...


class Single:
    """One float at a time; a missing value is NaN."""

    hour, weekday = _circle(24), _circle(7)
    log1p = staticmethod(math.log1p)
    integer = staticmethod(int)

    @staticmethod
    def clip(x: float, low: float, high: float) -> float:
        return low if x < low else high if x > high else x

    @staticmethod
    def where(condition: bool, x: float, otherwise: float) -> float:
        return x if condition else otherwise


class Columns:
    """Float64 arrays `(E,)`; a missing value is NaN."""

    hour, weekday = np.array(_circle(24)), np.array(_circle(7))

    @staticmethod
    def clip(x: NDArray[np.float64], low: Any, high: Any) -> NDArray[np.float64]:
        clipped: NDArray[np.float64] = np.where(x < low, low, np.where(x > high, high, x))
        return clipped

    @staticmethod
    def log1p(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.fromiter(map(math.log1p, x.tolist()), np.float64, len(x))

    @staticmethod
    def integer(x: NDArray[np.float64]) -> NDArray[np.int64]:
        return x.astype(np.int64)

    @staticmethod
    def where(condition: NDArray[np.bool_], x: Any, otherwise: Any) -> NDArray[np.float64]:
        chosen: NDArray[np.float64] = np.where(condition, x, otherwise)
        return chosen


def _standardised(ops: Ops, number: Number, x: Any) -> Any:
    clipped = ops.clip(x, number.low, number.high)
    return ((ops.log1p(clipped) if number.log else clipped) - number.mean) * number.scale


def _by_position(ops: Ops, lows: Any, highs: Any, x: Any) -> Any:
    span = highs - lows
    return ops.where(span > 0, (ops.clip(x, lows, highs) - lows) / ops.where(span > 0, span, 1.0), 0.0)


def row_numbers(ops: Ops, spec: Spec, moment: "Moment", fields: Sequence[Any], step: Any) -> list[Any]:
    """The N numbers of a row in the order of `Spec.number_names`, as floats or as columns."""
    row: list[Any] = []
    clock = spec.clock
    if clock:
        row += [moment.first, _standardised(ops, clock.gap, moment.gap), _standardised(ops, clock.age, moment.age)]
        if clock.hour:
            hour = ops.integer(moment.time) // _HOUR_SECONDS % 24
            row += [ops.hour[0][hour], ops.hour[1][hour]]
        if clock.weekday:
            weekday = (ops.integer(moment.time) // _DAY_SECONDS + _FIRST_WEEKDAY) % 7
            row += [ops.weekday[0][weekday], ops.weekday[1][weekday]]
    for number, x in zip(spec.numbers, fields, strict=True):
        present = x == x
        row.append(ops.where(present, _standardised(ops, number, x), 0.0))
        if number.flag:
            row.append(ops.where(present, 0.0, 1.0))
    if spec.steps:
        present = step.value == step.value
        row.append(ops.where(present, _by_position(ops, step.low, step.high, step.value), 0.0))
    return row


class Moment(msgspec.Struct):
    """Where in its history an event stands: floats, or columns of them."""

    first: Any = 0.0
    gap: Any = 0.0
    age: Any = 0.0
    time: Any = 0.0


class Step(msgspec.Struct):
    """A value with the bounds of its position: floats, or columns of them."""

    value: Any
    low: Any
    high: Any


SINGLE, COLUMNS = Single(), Columns()
