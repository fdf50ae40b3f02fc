"""Many histories at once: rows by columns, steps by batches."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.cursor import latest_times, occurrences, segment_starts
from nearsight.errors import EventError
from nearsight.features import Encoder
from nearsight.session import Model

__all__ = ["Event", "Rows", "encoded", "last_readings"]

Event = tuple[Any, ...]  # (name,), (name, time) or (name, time, {field: value})
_BATCH = 256  # large enough for the matrix products, small enough for the cache


class Rows(msgspec.Struct, frozen=True):
    """The rows that each history has had since it last began, laid end to end: codes `(E, K)`, numbers `(E, N)`.

    `lengths` `(H,)` counts them; `first_times` and `last_times` `(H,)` are in seconds, 0 for an empty history.
    """

    codes: NDArray[np.int32]
    numbers: NDArray[np.float32]
    lengths: NDArray[np.int64]
    first_times: NDArray[np.float64]
    last_times: NDArray[np.float64]

    def asked(self, encoder: Encoder, time: float) -> "Rows":
        """The same rows with a *now* row behind each history. Raises `EventError` without a clock or a time."""
        if encoder.spec.clock is None:
            raise EventError("this model's events have no times, so it can't look ahead: leave time out")
        empty, ends = self.lengths == 0, np.cumsum(self.lengths)
        gaps = np.where(empty, 0.0, np.maximum(encoder.seconds(time) - self.last_times, 0.0))
        ages = np.where(empty, 0.0, self.last_times + gaps - self.first_times)
        counts = [occurrences(self.codes[:, 0] == code, ends - self.lengths, ends) for code in encoder.counted]
        codes, numbers = encoder.now_columns(gaps, ages, counts, empty)
        return msgspec.structs.replace(
            self,
            codes=np.insert(self.codes, ends, codes, axis=0),
            numbers=np.insert(self.numbers, ends, numbers, axis=0),
            lengths=self.lengths + 1,
        )


def encoded(encoder: Encoder, events: Sequence[Event], lengths: NDArray[np.int64]) -> Rows:
    """Encode histories laid end to end; `lengths` `(H,)` may hold zeros. Raises `EventError` as `Encoder` does."""
    names, times, fields = _columns(encoder, events)
    size, ends = len(events), np.cumsum(lengths)
    begins = segment_starts(encoder.spec.reset, times, (ends - lengths)[lengths > 0], size)
    codes, numbers = encoder.columns(names, times, fields, begins)
    last = np.searchsorted(begins, ends, "left") - 1
    since = np.where(lengths > 0, begins[np.maximum(last, 0)] if len(begins) else 0, ends)
    kept = ends - since
    first_times, last_times = np.zeros((2, len(lengths)))
    if times is not None:
        full = lengths > 0
        first_times[full] = times[since[full]]
        last_times[full] = latest_times(times, begins, np.diff(begins, append=size))[ends[full] - 1]
    if kept.sum() < size:
        events_kept = np.repeat(since - np.cumsum(kept) + kept, kept) + np.arange(kept.sum())
        codes, numbers = codes[events_kept], numbers[events_kept]
    return Rows(codes, numbers, kept, first_times, last_times)


def last_readings(model: Model, rows: Rows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Step all histories: heads `(H, O)` and embeddings `(H, U)` after the last row of each.

    A runtime always sees a batch of the same size. Where a history ends, the next one takes its seat with an empty
    state, the longest first, so that few seats are idle while the last ones end. An idle seat repeats its last row;
    its answers go to a place behind those of the histories. Rows of a batch don't influence each other.
    """
    histories, trunk = len(rows.lengths), model.trunk
    heads = np.zeros((histories + 1, trunk.outputs), np.float32)
    embedding = np.zeros((histories + 1, trunk.units), np.float32)
    ends = np.cumsum(rows.lengths)
    queue = np.argsort(-rows.lengths, kind="stable")
    seated = min(histories, _BATCH)
    seats = queue[:seated].copy()
    row, last = (ends - rows.lengths)[seats], ends[seats] - 1
    binding, left = model.backend.bind(max(seated, 1)), histories
    binding.state[:] = 0.0
    while left:
        rows.codes.take(row, 0, binding.codes, "clip")
        rows.numbers.take(row, 0, binding.numbers, "clip")
        binding.run()
        binding.state[:] = binding.next_state
        over = np.flatnonzero(row == last)
        row = np.minimum(row + 1, last)
        if not len(over):
            continue
        left -= int(np.count_nonzero(seats[over] < histories))
        heads[seats[over]], embedding[seats[over]] = binding.heads[over], binding.embedding[over]
        fresh = queue[seated : seated + len(over)]
        seated += len(fresh)
        over, idle = np.split(over, [len(fresh)])
        seats[over], seats[idle] = fresh, histories
        row[over], last[over], binding.state[over] = ends[fresh] - rows.lengths[fresh], ends[fresh] - 1, 0.0
    return heads[:histories], embedding[:histories]


def _columns(encoder: Encoder, events: Sequence[Event]) -> tuple[list[str], Any, Mapping[str, Sequence[object]]]:
    try:
        names = [event[0] for event in events]
        clocked = encoder.spec.clock is not None
        times = encoder.times([event[1] if len(event) > 1 else None for event in events]) if clocked else None
        given: list[Mapping[str, object]] = [event[2] if len(event) > 2 else {} for event in events]
        return names, times, {field: [fields.get(field) for fields in given] for field in encoder.spec.fields}
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise EventError(
            "an event must be (name, time) or (name, time, {field: value}), received something else: pass such tuples"
        ) from error
