"""From the parts of an event to the numbers of its row, written once for one float and for columns of them.

Every formula is a chain of operations that IEEE 754 rounds the same way for a single number and for an array, except
the logarithm: where NumPy doesn't call the C library's but has one of its own, as for AVX-512, the two differ in the
last bit of some values, and columns map the C library's over their elements, at half the speed. A test proves that both
speeds agree bit for bit.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.spec import Clock, Number, Spec

__all__ = ["COLUMNS", "SINGLE", "Formulas", "Step"]

_Circle = list[tuple[float, float]]

_FIRST_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0
_HOUR_SECONDS, _DAY_SECONDS = 3600, 86400
_PARTS = 10_000  # of a day, in which a year of 365.2425 days is a whole number
_YEAR_PARTS = 3_652_425


def _circle(turn: float) -> _Circle:
    """Sine and cosine of every whole part of a turn of `turn` parts."""
    turns = (2 * math.pi * point / turn for point in range(math.ceil(turn)))
    return [(math.sin(point), math.cos(point)) for point in turns]


_HOURS, _WEEKDAYS, _DAYS = _circle(24), _circle(7), _circle(_YEAR_PARTS / _PARTS)


class Ops(Protocol):
    """The few operations that differ between one number and a column of them."""

    def clip(self, x: Any, low: Any, high: Any) -> Any: ...
    def log1p(self, x: Any) -> Any: ...
    def integer(self, x: Any) -> Any: ...
    def where(self, condition: Any, x: Any, otherwise: Any) -> Any: ...
    def points(self, circle: _Circle) -> Callable[[Any], Sequence[Any]]: ...
    def parts(self, shaped: Callable[[Any], Any], edges: Sequence[float]) -> Callable[[Any], Sequence[Any]]: ...


class Single:
    """One float at a time; a missing value is NaN."""

    log1p = staticmethod(math.log1p)
    integer = staticmethod(int)

    @staticmethod
    def clip(x: float, low: float, high: float) -> float:
        return low if x < low else high if x > high else x

    @staticmethod
    def where(condition: bool, x: float, otherwise: float) -> float:
        return x if condition else otherwise

    @staticmethod
    def points(circle: _Circle) -> Callable[[int], Sequence[float]]:
        """The sine and cosine of a whole part."""
        return circle.__getitem__

    @staticmethod
    def parts(shaped: Callable[[float], float], edges: Sequence[float]) -> Callable[[float], Sequence[float]]:
        """How far `shaped(x)` has come between each two edges: all the way below where it lies, no way above.

        No way at all where `x` is missing.
        """
        inner, ways = tuple(edges[1:-1]), _ways(edges)
        ladder = [((1.0,) * place, low, per, (0.0,) * (len(ways) - place - 1)) for place, (low, per) in enumerate(ways)]

        nothing = (0.0,) * len(ways)

        def found(x: float) -> Sequence[float]:
            if x != x:
                return nothing
            z = shaped(x)
            below, low, per, above = ladder[bisect_right(inner, z)]
            way = (z - low) * per
            return [*below, 0.0 if way <= 0.0 else 1.0 if way > 1.0 else way, *above]

        return found


class Columns:
    """Float64 arrays `(E,)`; a missing value is NaN."""

    @staticmethod
    def clip(x: NDArray[np.float64], low: Any, high: Any) -> NDArray[np.float64]:
        clipped: NDArray[np.float64] = np.where(x < low, low, np.where(x > high, high, x))
        return clipped

    @staticmethod
    def log1p(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log1p(x) if _is_shared() else _mapped_log1p(x)

    @staticmethod
    def integer(x: NDArray[np.float64]) -> NDArray[np.int64]:
        return x.astype(np.int64)

    @staticmethod
    def where(condition: NDArray[np.bool_], x: Any, otherwise: Any) -> NDArray[np.float64]:
        chosen: NDArray[np.float64] = np.where(condition, x, otherwise)
        return chosen

    @staticmethod
    def points(circle: _Circle) -> Callable[[NDArray[np.int64]], Sequence[NDArray[np.float64]]]:
        """The sines and cosines of whole parts."""
        sines, cosines = np.array(circle).T.copy()
        return lambda parts: (sines[parts], cosines[parts])

    @staticmethod
    def parts(
        shaped: Callable[[NDArray[np.float64]], NDArray[np.float64]], edges: Sequence[float]
    ) -> Callable[[NDArray[np.float64]], Sequence[NDArray[np.float64]]]:
        """The same; a way that is gone but for the last bit of a float64 is gone as a float32."""
        ways = _ways(edges)

        def found(x: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
            z, present = shaped(x), x == x
            gone = (np.clip((z - low) * per, 0.0, 1.0) for low, per in ways)
            return [np.where(present, way, 0.0) + 0.0 for way in gone]  # + 0.0: no negative zero

        return found


def _ways(edges: Sequence[float]) -> list[tuple[float, float]]:
    """Where each way begins, and one over its length."""
    return [(low, 1.0 / (high - low)) for low, high in pairwise(edges)]


@cache
def _is_shared() -> bool:
    """Whether NumPy's logarithm is the C library's: another one differs in some of so many values."""
    probe = np.linspace(0.0, 40.0, 4096) ** 4
    return np.array_equal(np.log1p(probe), _mapped_log1p(probe))


def _mapped_log1p(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.fromiter(map(math.log1p, x.tolist()), np.float64, len(x))


class Formulas:
    """The numbers of a row as `spec` defines them. What doesn't vary from row to row is looked up once, here."""

    def __init__(self, ops: Ops, spec: Spec) -> None:
        clock = spec.clock
        self._ops, self._clocked = ops, clock is not None
        self._turns = list(_turns(ops, clock)) if clock else []
        if clock:
            self._gap, self._age = _numbers(ops, clock.gap), _numbers(ops, clock.age)
        left_out = len(spec.clock_names) - len(spec.moment_names)  # of the clock, by a *now* row
        self._unasked = [0.0] * left_out
        self._counts = [_standardised(ops, number) for number in spec.counts]
        self._numbers = [_flagged(ops, number) if number.flag else _numbers(ops, number) for number in spec.numbers]

    def times(self, first: Any, gap: Any, age: Any) -> list[Any]:
        """What a clock says of a moment: whether it is a history's first, and seconds since its last and first event.

        Nothing without a clock.
        """
        return [first, *self._gap(gap), *self._age(age)] if self._clocked else []

    def now(self, first: Any, gap: Any, age: Any, counts: Sequence[Any]) -> list[Any]:
        """The numbers of a *now* row up to the counts; those behind them are 0."""
        return [*self.times(first, gap, age), *self._unasked, *self._counted(counts)]

    def row(
        self,
        first: Any,
        gap: Any,
        age: Any,
        time: Any,
        counts: Sequence[Any],
        values: Sequence[Any],
        step: "Step | None",
    ) -> list[Any]:
        """The N numbers in the order of `Spec.number_names`, as floats or as columns; a missing value is NaN."""
        row = self.times(first, gap, age)
        for turn in self._turns:
            row += turn(time)
        if counts:
            row += self._counted(counts)
        for numbers, x in zip(self._numbers, values):  # noqa: B905  # in the hot path
            row += numbers(x)
        if step is not None:
            row.append(self._ops.where(step.value == step.value, _by_position(self._ops, step), 0.0))
        return row

    def _counted(self, counts: Sequence[Any]) -> list[Any]:
        return [standardised(count) for standardised, count in zip(self._counts, counts)]  # noqa: B905


def _turns(ops: Ops, clock: Clock) -> Iterator[Callable[[Any], Sequence[Any]]]:
    """Where a time in seconds stands in each of the turns that `clock` shows, as sine and cosine."""
    integer, hour, weekday, season = ops.integer, ops.points(_HOURS), ops.points(_WEEKDAYS), ops.points(_DAYS)
    if clock.hour:
        yield lambda time: hour(integer(time) // _HOUR_SECONDS % 24)
    if clock.weekday:
        yield lambda time: weekday((integer(time) // _DAY_SECONDS + _FIRST_WEEKDAY) % 7)
    if clock.season:
        yield lambda time: season(integer(time) // _DAY_SECONDS * _PARTS % _YEAR_PARTS // _PARTS)


def _flagged(ops: Ops, number: Number) -> Callable[[Any], Sequence[Any]]:
    """`_numbers` and whether the value is missing."""
    numbers, where = _numbers(ops, number), ops.where
    return lambda x: [*numbers(x), where(x == x, 0.0, 1.0)]


def _numbers(ops: Ops, number: Number) -> Callable[[Any], Sequence[Any]]:
    """What becomes of a value: the standardised number, or its parts where there are edges; 0 where it is missing."""
    standardised = _standardised(ops, number)
    if number.edges:
        return ops.parts(standardised, number.edges)
    return lambda x: (ops.where(x == x, standardised(x), 0.0),)


def _standardised(ops: Ops, number: Number) -> Callable[[Any], Any]:
    clip, log1p = ops.clip, ops.log1p
    low, high, mean, scale = number.low, number.high, number.mean, number.scale
    if number.log and low < 0:
        return lambda x: (_signed_logarithm(ops, clip(x, low, high)) - mean) * scale
    if number.log:
        return lambda x: (log1p(clip(x, low, high)) - mean) * scale
    return lambda x: (clip(x, low, high) - mean) * scale


def _signed_logarithm(ops: Ops, x: Any) -> Any:
    size = ops.log1p(abs(x))
    return ops.where(x < 0, -size, size)


def _by_position(ops: Ops, step: "Step") -> Any:
    span = step.high - step.low
    scaled = (ops.clip(step.value, step.low, step.high) - step.low) / ops.where(span > 0, span, 1.0)
    return ops.where(span > 0, scaled, 0.0)


class Step(msgspec.Struct):
    """A value with the bounds of its position: floats, or columns of them."""

    value: Any
    low: Any
    high: Any


SINGLE, COLUMNS = Single(), Columns()
