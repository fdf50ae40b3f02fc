"""Simpler models beside the network: they learn from the same users and are asked the same questions."""

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight.heads import BinaryHead, Head, NextEventHead, ValueHead
from nearsight.spec import Spec
from nearsight_training.amounts import amounts
from nearsight_training.answers import Answers, probabilities, scored
from nearsight_training.calibration import platt
from nearsight_training.gate import Gate, Rival
from nearsight_training.histories import Histories
from nearsight_training.markov import Markov
from nearsight_training.metrics import (
    Interval,
    Measure,
    binary_measures,
    bootstrap,
    informative,
    next_event_measures,
    paired_difference,
)
from nearsight_training.peers import BoostedTrees, BuyTillYouDie, Told, kinds_of
from nearsight_training.preparation import Prepared
from nearsight_training.progress import SILENT, Progress
from nearsight_training.questions import Questions, customers, features, known_answers, of_kind, pasts, told
from nearsight_training.split import TEST, TRAIN, VALIDATION

__all__ = ["gated", "over_trees"]

_MOST_TRAINING, _MOST_TEST, _MOST_CURVE = 40_000, 20_000, 4_000
_MOST_CHANCES = 20_000_000  # numbers in a table of questions by next events

Floats = NDArray[np.float64]


def gated(
    prepared: Prepared,
    heads: tuple[Head, ...],
    given: Answers,
    cutoff: float | None,
    seed: int,
    progress: Progress = SILENT,
) -> dict[str, Gate]:
    """Every head beside simpler models that learn from the training users and are asked about the test users.

    `given` are the network's answers on the test; `heads` are calibrated; `cutoff` is the test's.
    """
    gates = {}
    progress.start("simpler models", len(heads))
    for head in heads:
        if isinstance(head, BinaryHead):
            gates[head.name] = _Binary(prepared.spec, prepared.histories, head, given, cutoff, seed).gate()
        elif isinstance(head, ValueHead):
            if (gate := amounts(prepared, head, given, cutoff, seed)) is not None:
                gates[head.name] = gate
        elif (prepared.histories.select(TEST).next_codes[:, head.column] > 0).any():
            gates[head.name] = _next_event(prepared, head, given, seed)
        progress.advance(head.name)
    progress.finish()
    return gates


def over_trees(
    spec: Spec,
    histories: Histories,
    heads: tuple[Head, ...],
    given: Mapping[str, Answers],
    cutoff: float | None,
    seed: int,
) -> dict[str, dict[str, Interval]]:
    """By how much higher networks' AUC is than LightGBM's, by network and yes/no head, as the gate finds it.

    `given` are their answers on the test by name. A head is missing where LightGBM can't be fitted.
    """
    found: dict[str, dict[str, Interval]] = {name: {} for name in given}
    for head in heads:
        if not isinstance(head, BinaryHead):
            continue
        trees: Floats | None = None
        for name, answers in given.items():
            beside = _Binary(spec, histories, head, answers, cutoff, seed)
            try:
                trees = beside.trees if trees is None else trees
            except InputError:
                break
            found[name][head.name] = beside.ahead_of(trees)
    return found


class _Binary:
    """A yes/no head's rivals: they learn from the same kind of question, and are asked what the network was asked."""

    def __init__(
        self, spec: Spec, histories: Histories, head: BinaryHead, given: Answers, cutoff: float | None, seed: int
    ) -> None:
        self.spec, self.head, self.seed = spec, head, seed
        self.train, self.validation, test = (histories.select(part) for part in (TRAIN, VALIDATION, TEST))
        is_ask, indices = scored(test, head, cutoff)
        self.kind = "ask" if is_ask else "event"
        (asked,) = self._questions(test)
        asked = asked.among(indices).drawn(_MOST_TEST, seed)
        self.test, self.asked = test, asked
        self.answers, self.owners = asked.answers, asked.users
        self.network = probabilities((given.asks if is_ask else given.events)[asked.indices], head)
        self.users = informative(self.answers, self.owners)

    def gate(self) -> Gate:
        """Fit, ask, compare."""
        rivals, absent = [], {}
        models: dict[str, Callable[[], Floats]] = {
            BoostedTrees.name: lambda: self.trees,
            BuyTillYouDie.name: self.buyers,
        }
        for name, ask in models.items():
            try:
                rivals.append(self._rival(name, ask()))
            except InputError as error:
                absent[name] = str(error)
        needs = {} if BoostedTrees.name in absent or self.spec.steps else self._needs()
        return Gate(figure="auc", users=self.users, rivals=tuple(rivals), absent=absent, needs=needs)

    def ahead_of(self, chances: Floats) -> Interval:
        """By how much higher the network's AUC is than that of other probabilities."""
        return self._difference(self._measures(self.network)["auc"], self._measures(chances)["auc"])

    @cached_property
    def trees(self) -> Floats:
        """LightGBM's probabilities, calibrated as the network's are."""
        return self._grown()

    def _grown(self, without: str = "") -> Floats:
        known, checked, asked = self._told
        trees = BoostedTrees.fit(known, checked, kinds_of(self.spec), seed=self.seed, without=without)
        scale, offset = platt(_logit(trees.scores(checked.features)), checked.answers)
        return 1 / (1 + np.exp(-(scale * _logit(trees.scores(asked)) + offset)))

    def buyers(self) -> Floats:
        """BG/NBD's probabilities. Raises `InputError` where the question isn't one of purchases."""
        if self.head.within_seconds is None or self.head.rhythm is not None or self.spec.clock is None:
            raise InputError("it needs a question about events within a time")
        events = frozenset(self.head.events)
        answered = known_answers(self.train, self._questions(self.train), events, _MOST_CURVE, self.seed)
        model = BuyTillYouDie.fit(customers(self.train, events), self.head.within_seconds, answered)
        return model.scores(list(pasts(self.test, self.asked, events)))

    def _needs(self) -> dict[str, Interval]:
        """How much LightGBM's AUC owes to time and to order."""
        whole = self._measures(self.trees)["auc"]
        return {part: self._difference(whole, self._measures(self._grown(part))["auc"]) for part in ("time", "order")}

    def _questions(self, part: Histories) -> tuple[Questions, ...]:
        found = of_kind(part, self.head.start, self.kind)
        return (found,) if found else ()

    @cached_property
    def _told(self) -> tuple[Told, Told, Floats]:
        count = kinds_of(self.spec)
        known, checked = (
            told(part, self._questions(part), count, _MOST_TRAINING, self.seed)
            for part in (self.train, self.validation)
        )
        return known, checked, features(self.test, self.asked, count)

    def _rival(self, name: str, chances: Floats) -> Rival:
        network, other = self._measures(self.network), self._measures(chances)
        return Rival(
            name=name,
            figures={key: bootstrap(each, self.owners, informative=self.users) for key, each in other.items()},
            ahead={key: self._difference(each, other[key]) for key, each in network.items()},
        )

    def _measures(self, chances: Floats) -> dict[str, Measure]:
        found = binary_measures(self.answers, chances)
        return {name: found[name] for name in ("auc", "average_precision", "log_loss")}

    def _difference(self, first: Measure, second: Measure) -> Interval:
        return paired_difference(first, second, self.owners, informative=self.users)


def _logit(chances: Floats) -> Floats:
    bounded = np.clip(chances, 1e-9, 1 - 1e-9)
    return np.log(bounded / (1 - bounded))


def _next_event(prepared: Prepared, head: NextEventHead, given: Answers, seed: int) -> Gate:
    """The next event's rivals: the Markov chain, and the shares of all events, which know no order."""
    train, validation, test = (prepared.histories.select(part) for part in (TRAIN, VALIDATION, TEST))
    following = test.next_codes[:, head.column]
    known = np.flatnonzero(following >= 0)
    most = max(1, _MOST_CHANCES // head.size)
    if len(known) > most:
        known = np.sort(np.random.default_rng(seed).choice(known, most, replace=False))
    codes, owners = following[known], test.owners[known]
    fields = [None, *(category.name for category in prepared.spec.categories)]
    column = fields.index(head.field)
    chain = Markov.fit(train, validation, head.size, column, head.column)
    network = next_event_measures(codes, probabilities(given.events[known], head))
    chained = next_event_measures(codes, chain.chances[test.codes[known, column]])
    popular = next_event_measures(codes, np.broadcast_to(chain.popular, (len(codes), head.size)))
    rival = Rival(
        name=Markov.name,
        figures={key: bootstrap(each, owners) for key, each in chained.items()},
        ahead={key: paired_difference(each, chained[key], owners) for key, each in network.items()},
    )
    order = paired_difference(popular["log_loss"], chained["log_loss"], owners)
    return Gate(figure="log_loss", users=len(np.unique(owners)), rivals=(rival,), needs={"order": order})
