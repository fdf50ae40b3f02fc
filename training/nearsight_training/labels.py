"""What happened afterwards, as far as the data can tell: labels at every prefix and at every question."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearsight.cursor import segment_starts
from nearsight.spec import Reset
from nearsight_training.config import Asked, Inactive, Label, NextItem, Value
from nearsight_training.log import EventLog

__all__ = ["UNKNOWN", "ask_labels", "ask_values", "event_labels", "event_values", "next_index", "next_item_index"]

UNKNOWN = -1
Found = tuple[NDArray[np.bool_], NDArray[np.bool_]]  # whether it happened, and whether that is known, (n,) each


def event_labels(log: EventLog, target: Asked, until: NDArray[np.float64]) -> NDArray[np.int8]:
    """The target's label after each event, (E,): 1 where one of its events lies in `(t, t + within]`, else 0.

    For `Inactive` it is the other way round, and unknown where the user isn't active at `t`. Unknown (-1), yes or no
    alike, where `t + within` lies past `until` `(E,)`: were only the negatives left out, the labels near the end would
    all be positive. So it is where the next k events, or the gap that ends a session, lie past it. For `Label` it is
    what the log's outcome says, unknown where that is empty or comes later than `until`.
    """
    asked = _after_events(log, until)
    if isinstance(target, Label) and target.per == "event":
        return np.where(log.times + target.delay_seconds <= until, log.outcomes[target.name], UNKNOWN).astype(np.int8)
    return _labels(asked, target, _first_later(log))


def ask_labels(
    log: EventLog,
    target: Asked,
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


def event_values(log: EventLog, target: Value, until: NDArray[np.float64]) -> NDArray[np.float32]:
    """The number asked for after each event, (E,): of events in `(t, t + within]`, NaN where that isn't known."""
    return _values(_after_events(log, until), target, _first_later(log))


def ask_values(
    log: EventLog,
    target: Value,
    history: NDArray[np.int64],
    after: NDArray[np.int64],
    times: NDArray[np.float64],
    until: NDArray[np.float64],
) -> NDArray[np.float32]:
    """The same for questions `(Q,)`; see `ask_labels`."""
    following = log.starts[history] + after
    return _values(_Asked(log, times, following, history, until), target, following)


def next_index(log: EventLog) -> NDArray[np.int64]:
    """The index of the event that follows each one in its history, -1 behind the last, (E,)."""
    following = np.arange(1, len(log.times) + 1)
    following[log.starts[1:] - 1] = UNKNOWN
    following[-1:] = UNKNOWN
    return following


def next_item_index(log: EventLog, item: NextItem) -> NDArray[np.int64]:
    """The index of the event that has the next item after each one in its history, -1 where none does, (E,)."""
    items = log.fields[item.field]
    meant = (items != "") & (log.names.isin(item.events) if item.events else True)
    if item.unseen:
        pairs = items.codes.astype(np.int64) * len(log.users) + log.owners
        candidates = np.flatnonzero(meant)
        first = candidates[np.unique(pairs[candidates], return_index=True)[1]]
        meant = np.isin(np.arange(len(items)), first)
    hits = np.append(np.flatnonzero(meant), len(items))
    following = hits[np.searchsorted(hits, np.arange(1, len(items) + 1))]
    return np.where(following < np.repeat(log.starts + log.lengths, log.lengths), following, UNKNOWN)


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


def _after_events(log: EventLog, until: NDArray[np.float64]) -> _Asked:
    return _Asked(log, log.times, np.arange(1, len(log.times) + 1), log.owners, until)


def _labels(asked: _Asked, target: Asked, first_later: NDArray[np.int64]) -> NDArray[np.int8]:
    log = asked.log
    if isinstance(target, Label):
        return _outcomes(asked, target)
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


def _values(asked: _Asked, target: Value, first_later: NDArray[np.int64]) -> NDArray[np.float32]:
    log = asked.log
    meant = log.names.isin(target.events) if target.events else np.ones(len(log.names), bool)
    numbers, horizon = log.fields[target.field], asked.times + target.within_seconds
    if target.how == "total":
        sums = np.append(0.0, np.cumsum(np.where(meant, np.nan_to_num(numbers), 0.0)))
        found = sums[_stops(log, asked.history, horizon)] - sums[first_later]
    else:
        hits = np.append(np.flatnonzero(meant), len(log.times))
        first = hits[np.searchsorted(hits, first_later)]
        in_time = (first < asked.ends) & (np.append(log.times, np.inf)[first] <= horizon)
        found = np.where(in_time, np.append(numbers, np.nan)[first], np.nan)
    return np.where(horizon <= asked.until, found, np.nan).astype(np.float32)


def _stops(log: EventLog, history: NDArray[np.int64], horizon: NDArray[np.float64]) -> NDArray[np.int64]:
    """The first event of the history, or its end, later than each `horizon` `(n,)`."""
    asks = np.repeat([False, True], [len(log.times), len(horizon)])
    order = np.lexsort((asks, np.append(log.times, horizon), np.append(log.owners, history)))
    stops = np.empty(len(horizon), np.int64)
    stops[order[asks[order]] - len(log.times)] = np.cumsum(~asks[order])[asks[order]]
    return stops


def _outcomes(asked: _Asked, target: Label) -> NDArray[np.int8]:
    """What is known later of the session or the user; of an event nothing is asked at another moment than its own."""
    log, known = asked.log, np.zeros(len(asked.times), bool)
    if target.per == "event":
        return np.full(len(known), UNKNOWN, np.int8)
    begins, settled = log.starts, log.times[log.starts]
    part = asked.history
    if target.session_gap_seconds is not None:
        reset = Reset(gap_seconds=target.session_gap_seconds)
        begins = segment_starts(reset, log.times, log.starts, len(log.times))
        last = log.times[np.append(begins[1:], len(log.times)) - 1]
        part = np.searchsorted(begins, asked.following - 1, "right") - 1
        known = asked.times - log.times[asked.following - 1] <= target.session_gap_seconds
        settled = last + target.session_gap_seconds
    else:
        known = ~known
    said = np.maximum.reduceat(log.outcomes[target.name], begins)[part]
    return np.where(known & (settled[part] + target.delay_seconds <= asked.until), said, UNKNOWN).astype(np.int8)


def _in_time(
    asked: _Asked, hits: NDArray[np.int64], first_later: NDArray[np.int64], within: float | NDArray[np.float64]
) -> Found:
    first = hits[np.searchsorted(hits, first_later)]
    horizon = asked.times + within
    happened = (first < asked.ends) & (asked.log.times.take(first, mode="clip") <= horizon)
    return happened, horizon <= asked.until


def _inactive(asked: _Asked, target: Inactive, hits: NDArray[np.int64], first_later: NDArray[np.int64]) -> Found:
    within: float | NDArray[np.float64] = target.within_seconds
    if target.rhythm is not None:
        within = np.minimum(within, target.rhythm * _mean_gaps(asked, hits, first_later))
    happened, known = _in_time(asked, hits, first_later, within)
    if target.rhythm is not None:  # who comes often is known sooner, and would be the rule near the end
        known &= asked.times + target.within_seconds <= asked.until
    # The latest event that counts so far, or one of an earlier history.
    last = np.append(hits, UNKNOWN)[np.searchsorted(hits, first_later) - 1]
    active = last >= asked.log.starts[asked.history]
    if target.active_within_seconds is not None:
        active &= asked.times - asked.log.times[last] <= target.active_within_seconds
    return ~happened, known & active


def _mean_gaps(asked: _Asked, hits: NDArray[np.int64], first_later: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean gap in seconds between the events that count so far; infinite where there are fewer than two times."""
    first = np.searchsorted(hits, asked.log.starts[asked.history])
    count = np.searchsorted(hits, first_later) - first
    times = np.append(asked.log.times, 0.0)
    span = times[hits[np.maximum(first + count - 1, 0)]] - times[hits[first]]
    return np.where((count > 1) & (span > 0), span / np.maximum(count - 1, 1), np.inf)


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
