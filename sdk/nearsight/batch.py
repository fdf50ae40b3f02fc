"""Many histories at once: rows by columns, steps by batches."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.cursor import Cursor, segment_starts
from nearsight.errors import EventError
from nearsight.features import Encoder
from nearsight.session import Model

__all__ = ["Event", "Rows", "encoded", "last_readings"]

Event = tuple[Any, ...]  # (name,), (name, time) or (name, time, {field: value})
_BATCH = 256  # large enough for the matrix products, small enough for the cache


class Rows(msgspec.Struct, frozen=True):
    """The rows that each history has had since it last began, laid end to end: codes `(E, K)`, numbers `(E, N)`.

    `lengths` `(H,)` counts them, `cursors` `(H,)` remembers their times.
    """

    codes: NDArray[np.int32]
    numbers: NDArray[np.float32]
    lengths: NDArray[np.int64]
    cursors: list[Cursor]

    def asked(self, encoder: Encoder, time: float) -> "Rows":
        """The same rows with a *now* row behind each history. Raises `EventError` without a clock or a time."""
        if encoder.spec.clock is None:
            raise EventError("this model's events have no times, so it can't look ahead: leave time out")
        seconds, ends = encoder.seconds(time), np.cumsum(self.lengths)
        now = [encoder.now(seconds, cursor) for cursor in self.cursors]
        return Rows(
            np.insert(self.codes, ends, np.concatenate([codes for codes, _ in now]), axis=0),
            np.insert(self.numbers, ends, np.concatenate([numbers for _, numbers in now]), axis=0),
            self.lengths + 1,
            self.cursors,
        )


def encoded(encoder: Encoder, events: Sequence[Event], lengths: NDArray[np.int64]) -> Rows:
    """Encode histories laid end to end; `lengths` `(H,)` may hold zeros. Raises `EventError` as `Encoder` does."""
    names, times, fields = _columns(encoder, events)
    ends = np.cumsum(lengths)
    begins = segment_starts(encoder.spec.reset, times, (ends - lengths)[lengths > 0], len(events))
    codes, numbers = encoder.columns(names, times, fields, begins)
    last = np.searchsorted(begins, ends, "left") - 1
    since = np.where(lengths > 0, begins[np.maximum(last, 0)] if len(begins) else 0, ends)
    kept = ends - since
    clock = np.zeros(len(events)) if times is None else times
    cursors = [_cursor(clock[begin:end]) for begin, end in zip(since.tolist(), ends.tolist(), strict=True)]
    if kept.sum() == len(events):
        return Rows(codes, numbers, kept, cursors)
    events_kept = np.repeat(since - np.cumsum(kept) + kept, kept) + np.arange(kept.sum())
    return Rows(codes[events_kept], numbers[events_kept], kept, cursors)


def last_readings(model: Model, rows: Rows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Step all histories, those of like length together: heads `(H, O)` and embeddings `(H, U)` after the last row."""
    histories, trunk = len(rows.lengths), model.trunk
    heads = np.zeros((histories, trunk.outputs), np.float32)
    embedding = np.zeros((histories, trunk.units), np.float32)
    starts = np.cumsum(rows.lengths) - rows.lengths
    by_length = np.argsort(-rows.lengths, kind="stable")
    for first in range(0, histories, _BATCH):
        batch = by_length[first : first + _BATCH]
        for ended, answers in _stepped(model, rows, starts[batch], rows.lengths[batch], min(histories, _BATCH)):
            heads[batch[ended]], embedding[batch[ended]] = answers
    return heads, embedding


def _stepped(model: Model, rows: Rows, starts: Any, lengths: Any, size: int) -> Any:
    """Which of a batch's histories end at each step, longest first, and their heads and embeddings.

    The batch is filled up to `size` and histories that have ended repeat their last row, so that a runtime always
    sees the same shape; rows of a batch don't influence each other.
    """
    last = np.resize(starts + lengths - 1, size)
    first = np.resize(starts, size)
    state = model.empty_state(size)
    going = len(lengths)
    for turn in range(int(lengths[0])):
        event = np.minimum(first + turn, last)
        heads, embedding, state = model.backend.step(rows.codes[event], rows.numbers[event], state)
        still = int(np.count_nonzero(lengths > turn + 1))
        if still < going:
            ended = slice(still, going)
            yield ended, (heads[ended], embedding[ended])
        going = still


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


def _cursor(times: NDArray[np.float64]) -> Cursor:
    return Cursor(float(times[0]), float(times.max()), len(times)) if len(times) else Cursor()
