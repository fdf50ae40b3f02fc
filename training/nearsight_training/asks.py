"""Questions at moments without an event, so that the model learns to read silence."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearsight_training.config import LogConfig
from nearsight_training.histories import reference
from nearsight_training.log import EventLog
from nearsight_training.noise import Noise
from nearsight_training.split import TEST, Plan

__all__ = ["Asks", "drawn_asks"]

_AT_ONCE = 100_000  # events whose waits are looked at together: they stay in the processor's cache


@dataclass(frozen=True)
class Asks:
    """Q questions: at `times` (seconds since 1970), after the first `after` events of `history`; in this order."""

    history: NDArray[np.int64]
    after: NDArray[np.int64]
    times: NDArray[np.float64]


def drawn_asks(log: EventLog, config: LogConfig, split: Plan) -> Asks:
    """Questions to train on, and those of the test.

    Training and validation: up to `config.asks` per event, in the silence that follows it, as far as its label can be
    known; with a cut-off, also one per user at `Plan.rehearsal`. Test: one per user at the cut-off.
    """
    horizon, asked = config.horizon_seconds, bool(config.targets or config.values)
    parts = [_in_silences(log, config, split, split.train_until - horizon)] if asked else []
    if split.cutoff is not None and split.rehearsal is not None and asked:
        parts.append(_at(log, np.where(split.users == TEST, split.cutoff, split.rehearsal)))
    events, times = (np.concatenate(column) for column in zip(*parts, strict=True)) if parts else np.zeros((2, 0))
    if len(parts) > 1:
        order = np.lexsort((times, events))
        events, times = events[order], times[order]
    events = events.astype(np.int64)
    history = log.owners[events]
    return Asks(history, events - log.starts[history] + 1, times)


_Asked = tuple[NDArray[np.int64], NDArray[np.float64]]  # the events that questions follow, and their times


def _in_silences(log: EventLog, config: LogConfig, split: Plan, last: float) -> _Asked:
    """Questions after waits that are drawn without a look at the event's own silence, where it lasts that long.

    A wait drawn from the silence itself would make short silences, which end soon, the rule among those asked about:
    of customers who come every five days on average, 85 % instead of 45 % would be seen to return within three.
    Sorted by event and time.
    """
    following = np.append(log.times[1:], np.inf)
    following[log.starts[1:] - 1] = np.inf
    span = np.minimum(following, last) - log.times
    events = np.flatnonzero((span > 0) & np.repeat(split.users != TEST, log.lengths))
    if (privacy := config.fitting.private) is None:
        generator = np.random.default_rng(config.fitting.seed)
        times, waits = generator.random(len(events) * config.asks), np.repeat(span[events], config.asks)
        generator.shuffle(waits)
        times *= waits
        del waits
    else:
        known = (split.users == reference(config.fitting))[log.owners[events]]
        times = _kept_apart(span[events], known, config, Noise(privacy.noise_seed).generator())
    kept, lasting = np.zeros(len(events), np.int64), []
    for start in range(0, len(events) if config.asks else 0, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        begin, end = (each[events[part], np.newaxis] for each in (log.times, following))
        some = times.reshape(-1, config.asks)[part] + begin
        some[(some <= begin) | (some >= end) | (some > last)] = np.inf
        some.sort(1)
        kept[part] = np.count_nonzero(some < np.inf, 1)
        lasting.append(some[some < np.inf])
    return np.repeat(events, kept), np.concatenate([*lasting, np.zeros(0)])


def _kept_apart(
    spans: NDArray[np.float64], known: NDArray[np.bool_], config: LogConfig, secret: np.random.Generator
) -> NDArray[np.float64]:
    """Shares of silences that are drawn from those of `known` (e,) users, (e · asks,): nobody else's enters a question.

    The known users' come from the seed, the others' from what is `secret`, so that neither tells who else there is.
    """
    shares = np.zeros((len(spans), config.asks))
    for users, generator in ((known, np.random.default_rng(config.fitting.seed)), (~known, secret)):
        if known.any():
            size = (int(users.sum()), config.asks)
            shares[users] = generator.random(size) * generator.choice(spans[known], size)
    return shares.ravel()


def _at(log: EventLog, moments: NDArray[np.float64]) -> _Asked:
    after = np.add.reduceat(log.times <= np.repeat(moments, log.lengths), log.starts, dtype=np.int64)
    asked = np.flatnonzero(after)
    return log.starts[asked] + after[asked] - 1, moments[asked]
