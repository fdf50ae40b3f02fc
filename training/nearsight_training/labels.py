"""What happened afterwards, as far as the data can tell: labels at every prefix and at every question."""

import numpy as np
from numpy.typing import NDArray

from nearsight_training.config import Inactive, Target
from nearsight_training.log import EventLog

__all__ = ["UNKNOWN", "ask_labels", "event_labels", "next_index"]

UNKNOWN = -1


def event_labels(log: EventLog, target: Target | Inactive, until: NDArray[np.float64]) -> NDArray[np.int8]:
    """The target's label after each event, (E,): 1 where one of its events lies in `(t, t + within]`, else 0.

    For `Inactive` it is the other way round, and unknown where the user isn't active at `t`.
    Unknown (-1), yes or no alike, where `t + within` lies past `until` `(E,)`: were only the negatives left out,
    the labels near the end would all be positive.
    """
    return _labels(log, target, log.times, _first_later(log), log.owners, until)


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
    return _labels(log, target, times, log.starts[history] + after, history, until)


def next_index(log: EventLog) -> NDArray[np.int64]:
    """The index of the event that follows each one in its history, -1 behind the last, (E,)."""
    following = np.arange(1, len(log.times) + 1)
    following[log.starts[1:] - 1] = UNKNOWN
    following[-1:] = UNKNOWN
    return following


def _labels(
    log: EventLog,
    target: Target | Inactive,
    times: NDArray[np.float64],
    first_later: NDArray[np.int64],
    history: NDArray[np.int64],
    until: NDArray[np.float64],
) -> NDArray[np.int8]:
    meant = np.isin(log.names, target.events) if target.events else np.ones(len(log.names), bool)
    hits = np.append(np.flatnonzero(meant), len(log.times))
    place = np.searchsorted(hits, first_later)
    following, ends = hits[place], log.starts[history] + log.lengths[history]
    horizon = times + target.within_seconds
    happened = (following < ends) & (np.append(log.times, np.inf)[following] <= horizon)
    known = horizon <= until
    if isinstance(target, Inactive):
        last = np.append(hits, UNKNOWN)[place - 1]  # the latest that counts so far, or one of an earlier history
        active = last >= log.starts[history]
        if target.active_within_seconds is not None:
            active &= times - log.times[last] <= target.active_within_seconds
        happened, known = ~happened, known & active
    return np.where(known, happened, UNKNOWN).astype(np.int8)


def _first_later(log: EventLog) -> NDArray[np.int64]:
    """The index of the first event in each event's history with a later time, or the history's end, (E,)."""
    changes = np.diff(log.times, prepend=np.nan) != 0
    changes[log.starts] = True
    edges = np.append(np.flatnonzero(changes), len(log.times))
    later: NDArray[np.int64] = edges[np.cumsum(changes)]
    return later
