"""Where a stream stands in its history, and where histories begin anew."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.spec import Reset

__all__ = ["Cursor", "latest_times", "occurrences", "segment_starts"]


class Cursor(msgspec.Struct, array_like=True):
    """What a stream remembers of a history besides the state vector: two times in seconds and a count of events.

    A time earlier than the last event's counts as the last event's time: clocks on devices jump back. `counts` are of
    the events that the specification counts, by their codes; a code that isn't there has not happened yet.
    """

    first_time: float = 0.0
    last_time: float = 0.0
    count: int = 0
    counts: dict[int, int] = {}

    def gap(self, time: float) -> float:
        """Seconds since the last event, never negative; 0 for a first event."""
        return time - self.last_time if self.count and time > self.last_time else 0.0

    def advance(self, time: float, counted: int | None = None) -> None:
        """Count an event at `time`; `counted` is its code where the specification counts events of its name."""
        if not self.count:
            self.first_time = self.last_time = time
        elif time > self.last_time:
            self.last_time = time
        self.count += 1
        if counted is not None:
            self.counts[counted] = self.counts.get(counted, 0) + 1

    def fits(self, counted: Sequence[int]) -> bool:
        """Whether the counts are of `counted` codes alone, above 0, and of no more events than there were."""
        counts = self.counts
        return all(code in counted and counts[code] > 0 for code in counts) and sum(counts.values()) <= self.count


def segment_starts(
    reset: Reset, times: NDArray[np.float64] | None, starts: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    """Where an empty state begins: the starts of the histories and, within them, where `reset` says so.

    `times` `(E,)` are seconds, `starts` `(H,)` the sorted first events of histories that aren't empty, among `size`
    events. Returns `(≥ H,)` int64, sorted.
    """
    fresh = np.zeros(size, bool)
    fresh[starts] = True
    if reset.gap_seconds is None and reset.max_events is None:
        return starts
    clock = np.zeros(size) if times is None else times
    gaps = np.diff(clock, prepend=clock[:1])
    if (gaps[~fresh] < 0).any():
        return _replayed_starts(reset, clock, fresh)
    if reset.gap_seconds is not None:
        fresh |= gaps > reset.gap_seconds
    if reset.max_events is not None:
        begins = np.flatnonzero(fresh)
        position = np.arange(size) - np.repeat(begins, np.diff(begins, append=size))
        fresh |= position % reset.max_events == 0
    return np.flatnonzero(fresh)


def _replayed_starts(reset: Reset, times: NDArray[np.float64], fresh: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The same event by event, for a log whose clock runs backwards somewhere."""
    cursor = Cursor()
    for event, time in enumerate(times.tolist()):
        if fresh[event] or reset.due(cursor.count, cursor.gap(time)):
            fresh[event] = True
            cursor = Cursor()
        cursor.advance(time)
    return np.flatnonzero(fresh)


def occurrences(happened: NDArray[np.bool_], begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many of the events from `begins[i]` to before `ends[i]` are true in `happened` `(E,)`; `(n,)` each."""
    total = np.concatenate([[0], np.cumsum(happened)])
    found: NDArray[np.float64] = (total[ends] - total[begins]).astype(np.float64)
    return found


def latest_times(
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
