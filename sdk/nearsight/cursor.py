"""Where a stream stands in its history, and where histories begin anew."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.spec import Reset

__all__ = ["Cursor", "latest_times", "segment_starts"]


class Cursor(msgspec.Struct, array_like=True):
    """What a stream remembers of a history besides the state vector: two times in seconds and a count of events.

    A time earlier than the last event's counts as the last event's time: clocks on devices jump back.
    """

    first_time: float = 0.0
    last_time: float = 0.0
    count: int = 0

    def gap(self, time: float) -> float:
        """Seconds since the last event, never negative; 0 for a first event."""
        return time - self.last_time if self.count and time > self.last_time else 0.0

    def advance(self, time: float) -> None:
        """Count an event at `time`."""
        if not self.count:
            self.first_time = self.last_time = time
        elif time > self.last_time:
            self.last_time = time
        self.count += 1


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
