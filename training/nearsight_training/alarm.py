"""From how much surprise on a user is unusual: a threshold at a stated rate of false alarms, and what it catches."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nearsight.heads import NextEventHead
from nearsight.spec import Spec
from nearsight.surprise import WINDOW, Alarm, averaged, excess_bits
from nearsight_training.answers import Walker, probabilities
from nearsight_training.beside import Vigilance
from nearsight_training.counts import recounted
from nearsight_training.histories import Histories
from nearsight_training.metrics import Interval
from nearsight_training.rates import rate

__all__ = ["FALSE_ALARMS", "rolling", "surprises", "taken_over", "vigilance"]

FALSE_ALARMS = 0.01  # of users who are ordinary, ever flagged in a history as long as the log has it
_SHORTEST_TAKEN = 6  # events, for a take-over to have a half before it and one after
_MOST_TAKEN = 2000

Floats = NDArray[np.float64]


def vigilance(
    walk: Walker, head: NextEventHead, spec: Spec, validation: Histories, test: Histories, seed: int
) -> Vigilance | None:
    """Choose the threshold on validation and measure it on the test; None where validation has too few users.

    The threshold is the smallest below which all but a share of 0.01 of new users stay, if they are like those of
    validation (split conformal: Vovk, Gammerman & Shafer 2005): of n users' highest surprises that one of rank
    0.99 (n + 1).
    """
    highest = np.sort(_highest(walk, head, validation))
    rank = int(np.ceil((1 - FALSE_ALARMS) * (len(highest) + 1)))
    if rank > len(highest):
        return None
    threshold = float(f"{highest[rank - 1]:.6g}")
    flagged = _share(_highest(walk, head, test) > threshold)
    taken = recounted(taken_over(test, seed), spec)
    return Vigilance(
        alarm=Alarm(threshold=threshold, false_alarms=FALSE_ALARMS, measured=flagged.value),
        flagged=flagged,
        caught=_share(_highest(walk, head, taken) > threshold) if len(taken) else None,
    )


def surprises(walk: Walker, head: NextEventHead, histories: Histories) -> Floats:
    """The surprise after each event `(E,)`, as a session has it."""
    starts, lengths = histories.starts, histories.lengths
    last = np.zeros(len(histories.codes), bool)
    last[starts + lengths - 1] = True
    excess = np.zeros(len(histories.codes))
    for events, logits, _ in walk(histories):
        going = ~last[events]
        after = events[going] + 1
        codes = histories.codes[after, 0].astype(np.int64)
        excess[after] = excess_bits(probabilities(logits[going], head), codes - 1)
    return rolling(excess, histories.positions)


def rolling(excess: Floats, positions: NDArray[np.int64]) -> Floats:
    """The surprise `(E,)` from each event's bits too many `(E,)`, which a history's first event has none of."""
    sums, counts = np.concatenate([[0.0], np.cumsum(excess)]), np.minimum(positions, WINDOW)
    ends = np.arange(1, len(excess) + 1)
    surprise: Floats = averaged(sums[ends] - sums[ends - counts], counts)
    return surprise


def taken_over(histories: Histories, seed: int) -> Histories:
    """Histories whose second half is another user's, without labels and questions: what an alarm should catch."""
    long = np.flatnonzero(histories.lengths >= _SHORTEST_TAKEN)
    long = np.random.default_rng(seed).permutation(long)[:_MOST_TAKEN]
    if len(long) < 2:
        return histories.take(long[:0])
    halves = histories.starts + histories.lengths // 2
    parts = [
        np.concatenate([np.arange(histories.starts[mine], halves[mine]), np.arange(halves[other], ends)])
        for mine, other in zip(long, np.roll(long, 1), strict=True)
        for ends in [histories.starts[other] + histories.lengths[other]]
    ]
    places, lengths = np.concatenate(parts), np.array([len(part) for part in parts])
    starts = np.cumsum(lengths) - lengths
    bare = histories.take(np.arange(0))
    return replace(
        bare,
        codes=histories.codes[places],
        numbers=histories.numbers[places],
        starts=starts,
        split=histories.split[long],
        fresh=histories.fresh[places] | np.isin(np.arange(len(places)), starts),
        times=histories.times[places],
        names=histories.names[places],
        labels=histories.labels[places],
        next_codes=histories.next_codes[places],
        fields={name: values[places] for name, values in histories.fields.items()},
    )


def _highest(walk: Walker, head: NextEventHead, histories: Histories) -> Floats:
    """The highest surprise of each user who has a second event."""
    told = histories.take(np.flatnonzero(histories.lengths > 1))
    return np.maximum.reduceat(surprises(walk, head, told), told.starts) if len(told) else np.zeros(0)


def _share(flagged: NDArray[np.bool_]) -> Interval:
    return rate(flagged, np.arange(len(flagged)))
