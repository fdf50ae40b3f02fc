"""From events to rows: one event on the device, whole columns in training and in batches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.cursor import Cursor, latest_times, occurrences
from nearsight.formulas import COLUMNS, SINGLE, Formulas, Step
from nearsight.names import Names
from nearsight.spec import Spec, Steps
from nearsight.values import EARLIEST, LATEST, code, finite, finite_column, floored, group, strange_time
from nearsight.values import codes as coded
from nearsight.values import groups as grouped

__all__ = ["Encoder", "Row"]

Row = tuple[NDArray[np.int32], NDArray[np.float32]]
RowBytes = tuple[memoryview, memoryview]
_AT_ONCE = 65536  # rows whose numbers are worked out together: they stay in the processor's cache


class Encoder:
    """Turns events into rows as a `Spec` says. `counted` are the codes of the events that a cursor must count."""

    def __init__(self, spec: Spec) -> None:
        self.spec, self.counted = spec, spec.counted
        self._tables = [
            (category.name, {name: code for code, name in enumerate(category.vocabulary, 1)})
            for category in (spec.event, *spec.categories)
        ]
        (_, self._events), *self._categories = self._tables
        self._groups = [(each.name, each.edges) for each in spec.groups]
        self._fields = [number.name for number in spec.numbers]
        self._step = spec.clock.coarsen_seconds if spec.clock else None
        self._codes, self._width = len(spec.code_sizes), len(spec.number_names)
        self._single, self._columns = Formulas(SINGLE, spec), Formulas(COLUMNS, spec)
        self._pack_codes: Callable[..., None] = Struct(f"{self._codes}i").pack_into
        self._pack_numbers: Callable[..., None] = Struct(f"{self._width}f").pack_into

    def seconds(self, time: float | None) -> float:
        """`time` as a float, coarsened as the specification says; 0 for one without a clock.

        Raises `EventError` where it is missing or isn't in seconds, as far as one can tell.
        """
        if self.spec.clock is None:
            return 0.0
        if type(time) is float and EARLIEST <= time <= LATEST:
            seconds = time
        else:
            seconds = finite("time", time)
            if not EARLIEST <= seconds <= LATEST:
                raise strange_time(seconds)
        return seconds if self._step is None else floored(seconds, self._step)

    def times(self, times: Sequence[object] | NDArray[Any]) -> NDArray[np.float64]:
        """A column of times `(E,)` as float64, coarsened alike. Raises `EventError` as `seconds` does."""
        seconds = finite_column("time", times)
        strange = ~((seconds >= EARLIEST) & (seconds <= LATEST))
        if strange.any():
            raise strange_time(float(seconds[strange][0]))
        return seconds if self._step is None else floored(seconds, self._step)

    def event(self, name: str, seconds: float, fields: Mapping[str, object], cursor: Cursor) -> Row:
        """The row of one event that follows the events that `cursor` counts; `seconds` as the method above gives them.

        Returns codes `(1, K)` int32 and numbers `(1, N)` float32. Raises `EventError` where a part has the wrong type.
        Unknown names get code 0.
        """
        row = self.empty()
        self.fill(row, name, seconds, fields, cursor)
        return row

    def empty(self) -> Row:
        """A row for `fill` to write to."""
        return np.empty((1, self._codes), np.int32), np.empty((1, self._width), np.float32)

    def fill(self, row: Row | RowBytes, name: str, seconds: float, fields: Mapping[str, object], cursor: Cursor) -> int:
        """Write to `row` what `event` returns, as a stream of events needs no new arrays; returns the event's code."""
        given, steps = fields.get, self.spec.steps
        codes = [code("event", self._events, name)]
        for field, table in self._categories:
            codes.append(code(field, table, given(field)))
        for field, edges in self._groups:
            codes.append(group(field, edges, given(field)))
        values = []  # by loops: until Python 3.12 a comprehension is a call
        for field in self._fields:
            values.append(finite(field, given(field)))
        step = _single_step(steps, fields, cursor.count) if steps else None
        counts = self._counts(cursor, codes[0]) if self.counted else ()
        first, gap, age = _since(seconds, cursor)
        numbers = self._single.row(first, gap, age, seconds, counts, values, step)
        # Packing takes half of the time in which NumPy reads a list.
        self._pack_codes(row[0], 0, *codes)
        self._pack_numbers(row[1], 0, *numbers)
        return codes[0]

    def now(self, seconds: float, cursor: Cursor) -> Row:
        """The reserved row that asks without an event: the time that has passed and the counts as they stand."""
        numbers = self._single.now(*_since(seconds, cursor), self._counts(cursor))
        codes, row = self._empty_now(1)
        row[0, : len(numbers)] = numbers
        return codes, row

    def columns(
        self,
        events: Sequence[str] | Names,
        times: NDArray[np.float64] | None,
        fields: Mapping[str, Sequence[object] | NDArray[Any] | Names],
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
        codes += [grouped(*each, fields.get(each[0], missing)) for each in self._groups]
        values = [finite_column(number.name, fields.get(number.name, missing)) for number in spec.numbers]
        clock = self.times(missing if times is None else times) if spec.clock else np.zeros(size)
        first, gap, age = _since_columns(clock, starts)
        counts = _counts_columns(codes[0], self.counted, starts) if self.counted else ()
        step = _step_columns(spec.steps, fields.get(spec.steps.name, missing), starts) if spec.steps else None
        numbers = np.empty((size, self._width), np.float32)
        for part in _parts(size):
            within = Step(step.value[part], step.low[part], step.high[part]) if step else None
            so_far, told = [each[part] for each in counts], [each[part] for each in values]
            row = self._columns.row(first[part], gap[part], age[part], clock[part], so_far, told, within)
            _fill(numbers[part], row)
        return np.stack(codes, 1), numbers

    def now_columns(
        self,
        gaps: NDArray[np.float64],
        ages: NDArray[np.float64],
        counts: Sequence[NDArray[np.float64]],
        empty: NDArray[np.bool_] | bool = False,
    ) -> Row:
        """Many *now* rows at once: seconds since each history's last and first event, `(E,)` each; 0 where `empty`.

        `counts` has `(E,)` for each event of `Spec.counts`: how often it happened in that history.
        """
        first = np.broadcast_to(np.asarray(empty, np.float64), gaps.shape)
        codes, numbers = self._empty_now(len(gaps))
        for part in _parts(len(gaps)):
            now = self._columns.now(first[part], gaps[part], ages[part], [each[part] for each in counts])
            _fill(numbers[part], now)
        return codes, numbers

    def _counts(self, cursor: Cursor, event: int | None = None) -> list[int]:
        """How often each counted event has happened, with the code `event` of one that happens now."""
        held = cursor.counts.get
        return [held(code, 0) + (code == event) for code in self.counted]

    def _empty_now(self, size: int) -> Row:
        codes = np.zeros((size, self._codes), np.int32)
        codes[:, 0] = self.spec.now
        return codes, np.zeros((size, self._width), np.float32)


def _since(seconds: float, cursor: Cursor) -> tuple[float, float, float]:
    """Whether an event at `seconds` is the first of its history, and the seconds since the last and the first."""
    if not cursor.count:
        return 1.0, 0.0, 0.0
    gap = cursor.gap(seconds)
    return 0.0, gap, cursor.last_time + gap - cursor.first_time


def _since_columns(times: NDArray[np.float64], starts: NDArray[np.int64]) -> tuple[Any, Any, Any]:
    """The same for whole histories, `(E,)` each."""
    lengths = np.diff(starts, append=len(times))
    last = latest_times(times, starts, lengths)
    first = np.zeros(len(times))
    first[starts] = 1.0
    gap = np.diff(last, prepend=0.0)
    gap[starts] = 0.0
    return first, gap, last - np.repeat(times[starts], lengths)


def _counts_columns(
    events: NDArray[np.int32], counted: Sequence[int], starts: NDArray[np.int64]
) -> list[NDArray[np.float64]]:
    """How often each counted event has happened so far in the history of each of `events`, itself included."""
    begins, ends = np.repeat(starts, np.diff(starts, append=len(events))), np.arange(1, len(events) + 1)
    return [occurrences(events == code, begins, ends) for code in counted]


def _single_step(steps: Steps, fields: Mapping[str, object], position: int) -> Step:
    column = min(position, len(steps.lows) - 1)
    return Step(finite(steps.name, fields.get(steps.name)), steps.lows[column], steps.highs[column])


def _step_columns(steps: Steps, values: Sequence[object] | NDArray[Any] | Names, starts: NDArray[np.int64]) -> Step:
    position = np.arange(len(values)) - np.repeat(starts, np.diff(starts, append=len(values)))
    column = np.minimum(position, len(steps.lows) - 1)
    return Step(finite_column(steps.name, values), np.array(steps.lows)[column], np.array(steps.highs)[column])


def _parts(size: int) -> Iterator[slice]:
    return (slice(start, start + _AT_ONCE) for start in range(0, size, _AT_ONCE))


def _fill(rows: NDArray[np.float32], columns: Sequence[Any]) -> None:
    for place, values in enumerate(columns):
        rows[:, place] = values
