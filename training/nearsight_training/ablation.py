"""What the trained network owes to the order of events and to time: it is asked again about pasts without either.

This is an ablation at inference (permutation importance: Breiman 2001, section 10): nothing is trained anew, so that it
tells what this network relies on, not what another could do without. The gate's `needs` are of models trained anew.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.heads import BinaryHead, Head, NextEventHead, ValueHead, values_of
from nearsight.spec import Spec
from nearsight_training.answers import Answers, answers, probabilities, scored, valued
from nearsight_training.counts import recounted
from nearsight_training.gate import Gate, Reliance
from nearsight_training.histories import Histories
from nearsight_training.metrics import (
    Measure,
    binary_measures,
    informative,
    next_event_measures,
    paired_difference,
    value_measures,
)
from nearsight_training.preparation import Prepared
from nearsight_training.progress import SILENT, Progress
from nearsight_training.split import TEST, TRAIN

__all__ = ["Asked", "asked_of", "relying", "shuffled", "timeless"]

Judged = tuple[Callable[[Answers], Measure], NDArray[np.int64], int]

_MOST_ASKED = 20_000  # questions of a kind
_MOST_ROWS = 300_000  # events in the pasts of a kind's questions


@dataclass(frozen=True)
class Asked:
    """Which prefixes `events (n,)` and questions `asks (m,)` of some histories are asked again, sorted."""

    events: NDArray[np.int64]
    asks: NDArray[np.int64]

    def of(self, given: Answers) -> Answers:
        """These among the answers to all."""
        return Answers(given.events[self.events], given.asks[self.asks])


def relying(
    gates: Mapping[str, Gate],
    model: Any,
    prepared: Prepared,
    heads: tuple[Head, ...],
    given: Answers,
    cutoff: float | None,
    seed: int,
    progress: Progress = SILENT,
) -> dict[str, Gate]:
    """The gates with what each head of a trained `model` relies on; `given` are its answers on the test.

    A wide table has neither a clock nor an order apart from its columns: its gates stay as they are.
    """
    spec, test = prepared.spec, prepared.histories.select(TEST)
    if spec.steps is not None:
        return dict(gates)
    progress.start("asking without order, without time", 2)
    asked = asked_of(test, heads, cutoff, seed)
    without = {"order": _at_ends(model, shuffled(test, asked, spec, seed), len(asked.events))}
    progress.advance()
    if spec.clock is not None:
        without["time"] = asked.of(answers(model, timeless(test, prepared.histories.select(TRAIN), spec)))
    progress.finish()
    return {
        head.name: msgspec.structs.replace(
            gates[head.name], relies=_relies(head, test, asked, asked.of(given), without, cutoff)
        )
        for head in heads
        if head.name in gates
    }


def asked_of(histories: Histories, heads: Sequence[Head], cutoff: float | None, seed: int) -> Asked:
    """The questions that any head is judged on; of many, as many of each kind as can be asked one by one, drawn."""
    events, asks = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for head in heads:
        if isinstance(head, BinaryHead):
            is_ask, places = scored(histories, head, cutoff)
        elif isinstance(head, ValueHead):
            is_ask, places, _ = valued(histories, head, cutoff)
        else:
            is_ask, places = False, np.flatnonzero(histories.next_codes[:, head.column] >= 0)
        events, asks = (events, np.union1d(asks, places)) if is_ask else (np.union1d(events, places), asks)
    lengths = histories.since_fresh + 1
    return Asked(_drawn(events, lengths[events], seed), _drawn(asks, lengths[histories.ask_events[asks]], seed))


def _drawn(places: NDArray[np.int64], lengths: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    order = np.random.default_rng(seed).permutation(len(places))[:_MOST_ASKED]
    most = max(1, int(np.searchsorted(np.cumsum(lengths[order]), _MOST_ROWS, "right")))
    return np.sort(places[order[:most]])


def shuffled(histories: Histories, asked: Asked, spec: Spec, seed: int) -> Histories:
    """A history for each question, prefixes before asks: its past since the last fresh start in random order.

    Names and fields move; times, and all that the clock says, stay; counts are those of the new order. What follows the
    question isn't part of it: shuffling whole histories would tell the network of events to come.
    """
    last = np.concatenate([asked.events, histories.ask_events[asked.asks]])
    lengths = histories.since_fresh[last] + 1
    starts = np.cumsum(lengths) - lengths
    rows = np.arange(int(lengths.sum())) + np.repeat(last + 1 - lengths - starts, lengths)
    noise = np.random.default_rng(seed).random(len(rows))
    moved = rows[np.lexsort((noise, np.repeat(starts, lengths)))]
    clock, count = len(spec.clock_names), len(asked.events)
    mixed = Histories(
        codes=histories.codes[moved],
        numbers=np.concatenate([histories.numbers[rows, :clock], histories.numbers[moved, clock:]], 1),
        starts=starts,
        split=np.full(len(starts), TEST, np.int8),
        fresh=np.isin(np.arange(len(rows)), starts),
        times=histories.times[rows],
        names=histories.names[moved],
        labels=histories.labels[rows],
        values=histories.values[rows],
        next_codes=histories.next_codes[rows],
        ask_history=np.arange(count, len(starts)),
        ask_after=lengths[count:],
        ask_time=histories.ask_time[asked.asks],
        ask_codes=histories.ask_codes[asked.asks],
        ask_numbers=histories.ask_numbers[asked.asks],
        ask_labels=histories.ask_labels[asked.asks],
        ask_values=histories.ask_values[asked.asks],
    )
    return recounted(mixed, spec)


def timeless(histories: Histories, training: Histories, spec: Spec) -> Histories:
    """The same histories whose gaps, ages, hours and weekdays are what `training` rows have on average.

    First events, later events and *now* rows have averages of their own: which of them a row is stays known.
    """
    clock = slice(1, len(spec.clock_names))
    numbers, ask_numbers = histories.numbers.copy(), histories.ask_numbers.copy()
    for first in (0, 1):
        typical = training.numbers[training.numbers[:, 0] == first, clock]
        numbers[numbers[:, 0] == first, clock] = typical.mean(0) if len(typical) else 0.0
    if len(training.ask_numbers):
        ask_numbers[:, clock] = training.ask_numbers[:, clock].mean(0)
    return replace(histories, numbers=numbers, ask_numbers=ask_numbers)


def _at_ends(model: Any, histories: Histories, prefixes: int) -> Answers:
    """Answers at the ends of the first `prefixes` histories, and to the questions about the others."""
    given = answers(model, histories)
    return Answers(given.events[(histories.starts + histories.lengths - 1)[:prefixes]], given.asks)


def _relies(
    head: Head,
    test: Histories,
    asked: Asked,
    given: Answers,
    without: Mapping[str, Answers],
    cutoff: float | None,
) -> dict[str, Reliance]:
    """By how much a head's figure is worse on the same questions, paired."""
    if isinstance(head, NextEventHead):
        goodness, owners, users = _foresight(head, test, asked)
    elif isinstance(head, BinaryHead):
        goodness, owners, users = _ranking(head, test, asked, cutoff)
    else:
        goodness, owners, users = _nearness(head, test, asked, cutoff)
    whole = goodness(given)
    costs = {
        part: paired_difference(whole, goodness(other), owners, informative=users) for part, other in without.items()
    }
    return {part: Reliance(users=users, cost=cost) for part, cost in costs.items()}


def _ranking(head: BinaryHead, test: Histories, asked: Asked, cutoff: float | None) -> Judged:
    """The AUC of answers, whose they are, and how many users tell."""
    is_ask, places = scored(test, head, cutoff)
    drawn = asked.asks if is_ask else asked.events
    known = np.isin(drawn, places)
    labels = (test.ask_labels if is_ask else test.labels)[drawn[known], head.start]
    owners = (test.ask_history if is_ask else test.owners)[drawn[known]]

    def auc(given: Answers) -> Measure:
        logits = (given.asks if is_ask else given.events)[known]
        return binary_measures(labels, probabilities(logits, head))["auc"]

    return auc, owners, informative(labels, owners)


def _nearness(head: ValueHead, test: Histories, asked: Asked, cutoff: float | None) -> Judged:
    """The root mean squared error of answers, negative, so that more is better."""
    is_ask, places, truth = valued(test, head, cutoff)
    drawn = asked.asks if is_ask else asked.events
    known = np.isin(drawn, places)
    numbers = truth[np.searchsorted(places, drawn[known])]
    owners = (test.ask_history if is_ask else test.owners)[drawn[known]]

    def nearness(given: Answers) -> Measure:
        logits = (given.asks if is_ask else given.events)[known]
        error = value_measures(numbers, values_of(probabilities(logits, head), head)[:, 0])["rmse"]
        return lambda weights: -error(weights)

    return nearness, owners, len(np.unique(owners))


def _foresight(head: NextEventHead, test: Histories, asked: Asked) -> Judged:
    """The log loss of answers, negative, so that more is better."""
    following = test.next_codes[asked.events, head.column]
    known = following >= 0
    codes, owners = following[known], test.owners[asked.events][known]

    def likelihood(given: Answers) -> Measure:
        loss = next_event_measures(codes, probabilities(given.events[known], head))["log_loss"]
        return lambda weights: -loss(weights)

    return likelihood, owners, len(np.unique(owners))
