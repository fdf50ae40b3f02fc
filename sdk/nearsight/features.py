"""From events to rows: one event on the device, whole columns in training and in batches."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.cursor import Cursor, latest_times
from nearsight.formulas import COLUMNS, SINGLE, Moment, Step, row_numbers
from nearsight.spec import Clock, Spec, Steps
from nearsight.values import EARLIEST, LATEST, code, finite, finite_column, strange_time
from nearsight.values import codes as coded

__all__ = ["Encoder", "Row"]

Row = tuple[NDArray[np.int32], NDArray[np.float32]]


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
        """`time` as a float; 0 for a specification without a clock.

        Raises `EventError` where it is missing or isn't in seconds, as far as one can tell.
        """
        if self.spec.clock is None:
            return 0.0
        seconds = finite("time", time)
        if not EARLIEST <= seconds <= LATEST:
            raise strange_time(seconds)
        return seconds

    def times(self, times: Sequence[object] | NDArray[Any]) -> NDArray[np.float64]:
        """A column of times `(E,)` as float64. Raises `EventError` as `seconds` does."""
        seconds = finite_column("time", times)
        strange = ~((seconds >= EARLIEST) & (seconds <= LATEST))
        if strange.any():
            raise strange_time(float(seconds[strange][0]))
        return seconds

    def event(self, name: str, seconds: float, fields: Mapping[str, object], cursor: Cursor) -> Row:
        """The row of one event that follows the events that `cursor` counts; `seconds` as the method above gives them.

        Returns codes `(1, K)` int32 and numbers `(1, N)` float32. Raises `EventError` where a part has the wrong type.
        Unknown names get code 0.
        """
        spec = self.spec
        codes = [code("event", self._tables[0][1], name)]
        for field, table in self._tables[1:]:
            codes.append(code(field, table, fields.get(field)))
        values = [finite(number.name, fields.get(number.name)) for number in spec.numbers]
        step = _single_step(spec.steps, fields, cursor.count) if spec.steps else None
        numbers = row_numbers(SINGLE, spec, self._moment(seconds, cursor), values, step)
        row = np.empty((1, len(codes)), np.int32), np.empty((1, self._width), np.float32)
        row[0][0], row[1][0] = codes, numbers
        return row

    def now(self, seconds: float, cursor: Cursor) -> Row:
        """The reserved row that asks without an event: the time that has passed and nothing else."""
        numbers = row_numbers(SINGLE, self._times_only, self._moment(seconds, cursor), (), None)
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
        codes = [coded(*table, column) for table, column in zip(self._tables, names, strict=True)]
        values = [finite_column(number.name, fields.get(number.name, missing)) for number in spec.numbers]
        position = np.arange(size) - np.repeat(starts, np.diff(starts, append=size))
        moment = _moments(self.times(missing if times is None else times), starts) if spec.clock else Moment()
        step = _step_columns(spec.steps, fields.get(spec.steps.name, missing), position) if spec.steps else None
        numbers = row_numbers(COLUMNS, spec, moment, values, step)
        return np.stack(codes, 1), _stacked(numbers, size)

    def now_columns(self, gaps: NDArray[np.float64], ages: NDArray[np.float64]) -> Row:
        """Many *now* rows at once: seconds since each history's last and first event, `(E,)` each, both > 0 events."""
        moment = Moment(first=np.zeros(len(gaps)), gap=gaps, age=ages)
        times = _stacked(row_numbers(COLUMNS, self._times_only, moment, (), None), len(gaps))
        codes, numbers = self._empty_now(len(gaps))
        numbers[:, : times.shape[1]] = times
        return codes, numbers

    def _empty_now(self, size: int) -> Row:
        codes = np.zeros((size, len(self._tables)), np.int32)
        codes[:, 0] = self.spec.now
        return codes, np.zeros((size, self._width), np.float32)

    def _moment(self, seconds: float, cursor: Cursor) -> Moment:
        if self.spec.clock is None:
            return _NO_MOMENT
        if not cursor.count:
            return Moment(first=1.0, time=seconds)
        gap = cursor.gap(seconds)
        return Moment(gap=gap, age=cursor.last_time + gap - cursor.first_time, time=seconds)


_NO_MOMENT = Moment()


def _times_only(spec: Spec) -> Spec:
    clock = Clock(gap=spec.clock.gap, age=spec.clock.age) if spec.clock else None
    return Spec(event=spec.event, clock=clock)


def _moments(times: NDArray[np.float64], starts: NDArray[np.int64]) -> Moment:
    lengths = np.diff(starts, append=len(times))
    last = latest_times(times, starts, lengths)
    first = np.zeros(len(times))
    first[starts] = 1.0
    gap = np.diff(last, prepend=0.0)
    gap[starts] = 0.0
    return Moment(first=first, gap=gap, age=last - np.repeat(times[starts], lengths), time=times)


def _single_step(steps: Steps, fields: Mapping[str, object], position: int) -> Step:
    column = min(position, len(steps.lows) - 1)
    return Step(finite(steps.name, fields.get(steps.name)), steps.lows[column], steps.highs[column])


def _step_columns(steps: Steps, values: Sequence[object] | NDArray[Any], position: NDArray[np.int64]) -> Step:
    column = np.minimum(position, len(steps.lows) - 1)
    return Step(finite_column(steps.name, values), np.array(steps.lows)[column], np.array(steps.highs)[column])


def _stacked(numbers: Sequence[Any], size: int) -> NDArray[np.float32]:
    rows = np.empty((size, len(numbers)), np.float32)
    for column, values in enumerate(numbers):
        rows[:, column] = values
    return rows
