"""From events to rows, written once for one event on the device and for whole columns in training.

Every formula below is a chain of operations that IEEE 754 rounds the same way for a single number and for an array,
except the logarithm: NumPy's may differ from the C library's in the last bit, so columns map the C library's over
their elements. A test proves that both speeds agree bit for bit.
"""

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.errors import EventError
from nearsight.spec import Clock, Number, Spec, Steps

__all__ = ["Cursor", "Encoder", "Row", "segment_starts"]

Row = tuple[NDArray[np.int32], NDArray[np.float32]]

_FIRST_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0
_HOUR_SECONDS, _DAY_SECONDS = 3600, 86400


def _circle(points: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    turns = [2 * math.pi * point / points for point in range(points)]
    return tuple(map(math.sin, turns)), tuple(map(math.cos, turns))


class _Ops(Protocol):
    """The few operations that differ between one number and a column of them, and the circles' sines and cosines."""

    hour: Any
    weekday: Any

    def clip(self, x: Any, low: Any, high: Any) -> Any: ...
    def log1p(self, x: Any) -> Any: ...
    def integer(self, x: Any) -> Any: ...
    def where(self, condition: Any, x: Any, otherwise: Any) -> Any: ...


class _Single:
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


class _Columns:
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


def _standardised(ops: _Ops, number: Number, x: Any) -> Any:
    clipped = ops.clip(x, number.low, number.high)
    return ((ops.log1p(clipped) if number.log else clipped) - number.mean) * number.scale


def _by_position(ops: _Ops, lows: Any, highs: Any, x: Any) -> Any:
    span = highs - lows
    return ops.where(span > 0, (ops.clip(x, lows, highs) - lows) / ops.where(span > 0, span, 1.0), 0.0)


def _numbers(ops: _Ops, spec: Spec, moment: "_Moment", fields: Sequence[Any], step: Any) -> list[Any]:
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


class _Moment(msgspec.Struct):
    """Where in its history an event stands: floats, or columns of them."""

    first: Any = 0.0
    gap: Any = 0.0
    age: Any = 0.0
    time: Any = 0.0


class _Step(msgspec.Struct):
    """A value with the bounds of its position: floats, or columns of them."""

    value: Any
    low: Any
    high: Any


class Cursor(msgspec.Struct, array_like=True):
    """What a stream remembers of a history besides the state vector: two times in seconds and a count of events.

    A time earlier than the last event's counts as the last event's time: clocks on devices jump back.
    """

    first_time: float = 0.0
    last_time: float = 0.0
    count: int = 0

    def gap(self, time: float) -> float:
        """Seconds since the last event, never negative; 0 for a first event."""
        return max(time - self.last_time, 0.0) if self.count else 0.0

    def advance(self, time: float) -> None:
        """Count an event at `time`."""
        if not self.count:
            self.first_time = self.last_time = time
        elif time > self.last_time:
            self.last_time = time
        self.count += 1


class Encoder:
    """Turns events into rows as a `Spec` says."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._times_only = _times_only(spec)
        self._tables = [
            (category.name, {name: code for code, name in enumerate(category.vocabulary, 1)})
            for category in (spec.event, *spec.categories)
        ]
        self._width = len(spec.number_names)

    def seconds(self, time: float | None) -> float:
        """`time` as a finite float. Raises `EventError` where it is missing; 0 for a specification without a clock."""
        if self.spec.clock is None:
            return 0.0
        seconds = _float("time", time)
        if seconds != seconds:
            raise EventError("this model needs every event's time in seconds since 1970, received none: pass time=")
        return seconds

    def times(self, times: Sequence[object] | NDArray[Any]) -> NDArray[np.float64]:
        """A column of times `(E,)` as finite float64. Raises `EventError` where one is missing or isn't a number."""
        seconds = _floats("time", times)
        if np.isnan(seconds).any():
            raise EventError("this model needs every event's time in seconds since 1970, received none: pass the times")
        return seconds

    def event(self, name: str, seconds: float, fields: Mapping[str, object], cursor: Cursor) -> Row:
        """The row of one event that follows the events that `cursor` counts; `seconds` as the method above gives them.

        Returns codes `(1, K)` int32 and numbers `(1, N)` float32. Raises `EventError` where a part has the wrong type.
        Unknown names get code 0.
        """
        spec = self.spec
        codes = [self._tables[0][1].get(_text("event", name), 0)]
        for field, table in self._tables[1:]:
            codes.append(table.get(_text(field, fields.get(field)), 0))
        values = [_float(number.name, fields.get(number.name)) for number in spec.numbers]
        step = _single_step(spec.steps, fields, cursor.count) if spec.steps else None
        numbers = _numbers(_SINGLE, spec, self._moment(seconds, cursor), values, step)
        row = np.empty((1, len(codes)), np.int32), np.empty((1, self._width), np.float32)
        row[0][0], row[1][0] = codes, numbers
        return row

    def now(self, seconds: float, cursor: Cursor) -> Row:
        """The reserved row that asks without an event: the time that has passed and nothing else."""
        numbers = _numbers(_SINGLE, self._times_only, self._moment(seconds, cursor), (), None)
        codes, row = self._empty_now(1)
        row[0, : len(numbers)] = numbers
        return codes, row

    def columns(
        self,
        events: Sequence[str],
        times: NDArray[np.float64] | None,
        fields: Mapping[str, Sequence[object] | NDArray[Any]],
        starts: NDArray[np.int64],
    ) -> Row:
        """The rows of whole histories laid end to end; history `i` begins at `starts[i]`, which is sorted.

        Returns codes `(E, K)` int32 and numbers `(E, N)` float32, equal bit for bit to what `event` gives one by one.
        `times` are seconds since 1970. A numeric column holds None or NaN where a value is missing. A field that isn't
        given is missing everywhere. Raises `EventError` as `event` does.
        """
        spec, size = self.spec, len(events)
        missing = [None] * size
        names = [events, *(fields.get(category.name, missing) for category in spec.categories)]
        codes = [_codes(*table, column) for table, column in zip(self._tables, names, strict=True)]
        values = [_floats(number.name, fields.get(number.name, missing)) for number in spec.numbers]
        position = np.arange(size) - np.repeat(starts, np.diff(starts, append=size))
        moment = _moments(self.times(missing if times is None else times), starts) if spec.clock else _Moment()
        step = _step_columns(spec.steps, fields.get(spec.steps.name, missing), position) if spec.steps else None
        numbers = _numbers(_COLUMNS, spec, moment, values, step)
        return np.stack(codes, 1), _stacked(numbers, size)

    def now_columns(self, gaps: NDArray[np.float64], ages: NDArray[np.float64]) -> Row:
        """Many *now* rows at once: seconds since each history's last and first event, `(E,)` each, both > 0 events."""
        moment = _Moment(first=np.zeros(len(gaps)), gap=gaps, age=ages)
        times = _stacked(_numbers(_COLUMNS, self._times_only, moment, (), None), len(gaps))
        codes, numbers = self._empty_now(len(gaps))
        numbers[:, : times.shape[1]] = times
        return codes, numbers

    def _empty_now(self, size: int) -> Row:
        codes = np.zeros((size, len(self._tables)), np.int32)
        codes[:, 0] = self.spec.now
        return codes, np.zeros((size, self._width), np.float32)

    def _moment(self, seconds: float, cursor: Cursor) -> _Moment:
        if self.spec.clock is None:
            return _NO_MOMENT
        if not cursor.count:
            return _Moment(first=1.0, time=seconds)
        gap = cursor.gap(seconds)
        return _Moment(gap=gap, age=cursor.last_time + gap - cursor.first_time, time=seconds)


_SINGLE, _COLUMNS, _NO_MOMENT = _Single(), _Columns(), _Moment()


def segment_starts(
    spec: Spec, times: NDArray[np.float64] | None, starts: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    """Where an empty state begins: the starts of the histories and, within them, where `spec.reset` says so.

    `times` `(E,)` are seconds, `starts` `(H,)` the sorted first events of histories that aren't empty, among `size`
    events. Returns `(≥ H,)` int64, sorted.
    """
    fresh = np.zeros(size, bool)
    fresh[starts] = True
    reset = spec.reset
    if reset.gap_seconds is None and reset.max_events is None:
        return starts
    clock = np.zeros(size) if times is None else times
    gaps = np.diff(clock, prepend=clock[:1])
    if (gaps[~fresh] < 0).any():
        return _replayed_starts(spec, clock, fresh)
    if reset.gap_seconds is not None:
        fresh |= gaps > reset.gap_seconds
    if reset.max_events is not None:
        begins = np.flatnonzero(fresh)
        position = np.arange(size) - np.repeat(begins, np.diff(begins, append=size))
        fresh |= position % reset.max_events == 0
    return np.flatnonzero(fresh)


def _replayed_starts(spec: Spec, times: NDArray[np.float64], fresh: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The same event by event, for a log whose clock runs backwards somewhere."""
    cursor = Cursor()
    for event, time in enumerate(times.tolist()):
        if fresh[event] or spec.reset.due(cursor.count, cursor.gap(time)):
            fresh[event] = True
            cursor = Cursor()
        cursor.advance(time)
    return np.flatnonzero(fresh)


def _times_only(spec: Spec) -> Spec:
    clock = Clock(gap=spec.clock.gap, age=spec.clock.age) if spec.clock else None
    return Spec(event=spec.event, clock=clock)


def _moments(times: NDArray[np.float64], starts: NDArray[np.int64]) -> _Moment:
    lengths = np.diff(starts, append=len(times))
    last = _running_maximum(times, starts, lengths)
    first = np.zeros(len(times))
    first[starts] = 1.0
    gap = np.diff(last, prepend=0.0)
    gap[starts] = 0.0
    return _Moment(first=first, gap=gap, age=last - np.repeat(times[starts], lengths), time=times)


def _running_maximum(
    times: NDArray[np.float64], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The latest time so far within each history; a copy only where a clock ran backwards."""
    backwards = np.diff(times, prepend=-np.inf) < 0
    backwards[starts] = False
    if not backwards.any():
        return times
    latest = times.copy()
    owners = np.repeat(np.arange(len(starts)), lengths)
    for history in np.unique(owners[backwards]):
        span = slice(starts[history], starts[history] + lengths[history])
        latest[span] = np.maximum.accumulate(times[span])
    return latest


def _single_step(steps: Steps, fields: Mapping[str, object], position: int) -> _Step:
    column = min(position, len(steps.lows) - 1)
    return _Step(_float(steps.name, fields.get(steps.name)), steps.lows[column], steps.highs[column])


def _step_columns(steps: Steps, values: Sequence[object] | NDArray[Any], position: NDArray[np.int64]) -> _Step:
    column = np.minimum(position, len(steps.lows) - 1)
    return _Step(_floats(steps.name, values), np.array(steps.lows)[column], np.array(steps.highs)[column])


def _stacked(numbers: Sequence[Any], size: int) -> NDArray[np.float32]:
    rows = np.empty((size, len(numbers)), np.float32)
    for column, values in enumerate(numbers):
        rows[:, column] = values
    return rows


def _text(field: str, value: object) -> str:
    """A category's value as the vocabulary spells it; the empty string is a missing one."""
    if type(value) is str:
        return value
    if value is None and field != "event":
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    raise EventError(f"{field} must be a string or a whole number, received {type(value).__name__}: pass its name")


def _float(field: str, value: object) -> float:
    """A finite number as a float; NaN stands for a missing one."""
    kind = type(value)
    if kind is float or kind is int or (isinstance(value, Real) and kind is not bool):
        number = float(value)  # type: ignore[arg-type]
        if math.isinf(number):
            raise EventError(f"{field} must be a finite number, received an infinite one: pass None if it isn't known")
        return number
    if value is None:
        return math.nan
    raise EventError(f"{field} must be a number, received {kind.__name__}: convert it, or pass None if it isn't known")


def _floats(field: str, values: Sequence[object] | NDArray[Any]) -> NDArray[np.float64]:
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        column = values.astype(np.float64, copy=False)
    elif {float, int, type(None)}.issuperset(map(type, values)):
        column = np.array(values, np.float64)
    else:
        column = np.array([_float(field, value) for value in values])
    if np.isinf(column).any():
        raise EventError(f"{field} must hold finite numbers, received an infinite one: pass None if it isn't known")
    return column


def _codes(field: str, table: Mapping[str, int], values: Sequence[object] | NDArray[Any]) -> NDArray[np.int32]:
    get = table.get
    codes = [get(value if type(value) is str else _text(field, value), 0) for value in values]
    return np.array(codes, np.int32).reshape(len(codes))
