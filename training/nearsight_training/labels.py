"""What happened afterwards, as far as the data can tell: labels at every prefix and at every question."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearsight.cursor import segment_starts
from nearsight.spec import Reset
from nearsight_training.config import Inactive, Target
from nearsight_training.log import EventLog

__all__ = ["UNKNOWN", "ask_labels", "event_labels", "next_index"]

UNKNOWN = -1
Found = tuple[NDArray[np.bool_], NDArray[np.bool_]]  # whether it happened, and whether that is known, (n,) each


def event_labels(log: EventLog, target: Target | Inactive, until: NDArray[np.float64]) -> NDArray[np.int8]:
    """The target's label after each event, (E,): 1 where one of its events lies in `(t, t + within]`, else 0.

    For `Inactive` it is the other way round, and unknown where the user isn't active at `t`. Unknown (-1), yes or no
    alike, where `t + within` lies past `until` `(E,)`: were only the negatives left out, the labels near the end would
    all be positive. So it is where the next k events, or the gap that ends a session, lie past it.
    """
    asked = _Asked(log, log.times, np.arange(1, len(log.times) + 1), log.owners, until)
    return _labels(asked, target, _first_later(log))


def ask_labels(
    log: EventLog,
    target: Target | Inactive,
    history: NDArray[np.int64],
    after: NDArray[np.int64],
    times: NDArray[np.float64],
    until: NDArray[np.float64],
) -> NDArray[np.int8]:
    """The same for questions `(Q,)`: asked at `times`, after the first `after` events of `history`.

    `after` must count every event up to the question's time.
    """
    following = log.starts[history] + after
    return _labels(_Asked(log, times, following, history, until), target, following)


def next_index(log: EventLog) -> NDArray[np.int64]:
    """The index of the event that follows each one in its history, -1 behind the last, (E,)."""
    following = np.arange(1, len(log.times) + 1)
    following[log.starts[1:] - 1] = UNKNOWN
    following[-1:] = UNKNOWN
    return following


@dataclass(frozen=True)
class _Asked:
    """Questions at `times`, before event `following` of their `history`, to be answered by `until`; `(n,)` each."""

    log: EventLog
    times: NDArray[np.float64]
    following: NDArray[np.int64]
    history: NDArray[np.int64]
    until: NDArray[np.float64]

    @property
    def ends(self) -> NDArray[np.int64]:
        """Where each one's history ends."""
        ends: NDArray[np.int64] = np.append(self.log.starts[1:], len(self.log.times))[self.history]
        return ends


def _labels(asked: _Asked, target: Target | Inactive, first_later: NDArray[np.int64]) -> NDArray[np.int8]:
    log = asked.log
    meant = log.names.isin(target.events) if target.events else np.ones(len(log.names), bool)
    hits = np.append(np.flatnonzero(meant), len(log.times))
    if isinstance(target, Inactive):
        happened, known = _inactive(asked, target, hits, first_later)
    elif target.within_events is not None:
        happened, known = _among(asked, hits, asked.following + target.within_events)
    elif target.session_gap_seconds is not None:
        happened, known = _in_session(asked, hits, target.session_gap_seconds)
    else:
        happened, known = _in_time(asked, hits, first_later, target.within_seconds or 0.0)
    return np.where(known, happened, UNKNOWN).astype(np.int8)


def _in_time(asked: _Asked, hits: NDArray[np.int64], first_later: NDArray[np.int64], within: float) -> Found:
    first = hits[np.searchsorted(hits, first_later)]
    horizon = asked.times + within
    happened = (first < asked.ends) & (asked.log.times.take(first, mode="clip") <= horizon)
    return happened, horizon <= asked.until


def _inactive(asked: _Asked, target: Inactive, hits: NDArray[np.int64], first_later: NDArray[np.int64]) -> Found:
    happened, known = _in_time(asked, hits, first_later, target.within_seconds)
    # The latest event that counts so far, or one of an earlier history.
    last = np.append(hits, UNKNOWN)[np.searchsorted(hits, first_later) - 1]
    active = last >= asked.log.starts[asked.history]
    if target.active_within_seconds is not None:
        active &= asked.times - asked.log.times[last] <= target.active_within_seconds
    return ~happened, known & active


def _among(asked: _Asked, hits: NDArray[np.int64], stop: NDArray[np.int64]) -> Found:
    """Whether a hit lies before event `stop`, known where the history goes on until there."""
    first = hits[np.searchsorted(hits, asked.following)]
    last = np.append(asked.log.times, np.inf)[np.minimum(stop - 1, len(asked.log.times))]
    return first < stop, (stop <= asked.ends) & (last <= asked.until)


def _in_session(asked: _Asked, hits: NDArray[np.int64], gap: float) -> Found:
    """Whether a hit lies in the rest of the session, known where the session goes on at `times` and ends in time."""
    log, size = asked.log, len(asked.log.times)
    begins = np.append(segment_starts(Reset(gap_seconds=gap), log.times, log.starts, size), size)
    stop = begins[np.searchsorted(begins, asked.following - 1, "right")]
    first = hits[np.searchsorted(hits, asked.following)]
    goes_on = asked.times - log.times[asked.following - 1] <= gap
    return first < stop, goes_on & (log.times[stop - 1] + gap <= asked.until)


def _first_later(log: EventLog) -> NDArray[np.int64]:
    """The index of the first event in each event's history with a later time, or the history's end, (E,)."""
    changes = np.diff(log.times, prepend=np.nan) != 0
    changes[log.starts] = True
    edges = np.append(np.flatnonzero(changes), len(log.times))
    later: NDArray[np.int64] = edges[np.cumsum(changes)]
    return later
