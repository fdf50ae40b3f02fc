"""The peers, fitted on the training split alone."""

import itertools
from collections.abc import Iterator

import numpy as np

from nearsight.errors import InputError
from nearsight_benchmarks import contestants
from nearsight_benchmarks.contestants import Candidate
from nearsight_benchmarks.material import Material
from nearsight_benchmarks.peers import BoostedTrees, BuyTillYouDie, Past
from nearsight_benchmarks.questions import Questions, pasts, questions
from nearsight_training.histories import Histories

__all__ = ["customers", "fit_rivals", "fit_trees", "known_answers"]

_CURVE_QUESTIONS = 4_000  # for the two numbers of a logistic curve


def fit_rivals(material: Material, most: int, seed: int) -> Iterator[Candidate | tuple[str, str]]:
    """Yield LightGBM and BG/NBD ready to be timed and asked, or the name and the reason why one isn't there."""
    asked = {kind.kind: kind for kind in material.exam.kinds}
    targets = frozenset(material.head.events)
    told = {kind: list(pasts(material.exam.histories, each, targets)) for kind, each in asked.items()}
    try:
        trees = fit_trees(material, most, seed)
        yield contestants.peer(trees, "LightGBM", trees.content(), told, material.tape)
    except InputError as error:
        yield BoostedTrees.name, str(error)
    try:
        model = _fit_purchases(material, seed)
        yield contestants.peer(model, "lifetimes", model.content(), told, material.tape)
    except InputError as error:
        yield BuyTillYouDie.name, str(error)


def fit_trees(material: Material, most: int, seed: int) -> BoostedTrees:
    """LightGBM on at most `most` questions about training users, of the kinds that it will be asked."""
    kinds, targets = material.run.spec.code_sizes[0], frozenset(material.head.events)
    if not len(np.unique(material.training.names)) > 1:
        kinds = 1
    training, validation = (
        known_answers(histories, _like(material, histories), targets, most, seed)
        for histories in (material.training, material.validation)
    )
    return BoostedTrees.fit(training, validation, kinds, seed=seed)


def known_answers(
    histories: Histories, kinds: tuple[Questions, ...], targets: frozenset[str], most: int, seed: int
) -> list[tuple[Past, int]]:
    """What a peer learns from: at most `most` questions of all kinds together, with their answers."""
    share = most // max(len(kinds), 1)
    drawn = [kind.drawn(share, seed) for kind in kinds]
    told = itertools.chain.from_iterable(pasts(histories, kind, targets) for kind in drawn)
    answers = itertools.chain.from_iterable(kind.answers.tolist() for kind in drawn)
    return list(zip(told, answers, strict=True))


def customers(histories: Histories, targets: frozenset[str]) -> list[Past]:
    """Every user's whole history, observed until the last event of all."""
    ends = histories.starts + histories.lengths - 1
    everyone = np.arange(len(histories))
    until = np.full(len(everyone), histories.times.max(initial=0.0))
    whole = Questions("event", ends, everyone, np.zeros(len(everyone), np.int8), until, ends)
    return list(pasts(histories, whole, targets))


def _fit_purchases(material: Material, seed: int) -> BuyTillYouDie:
    head = material.head
    if head.within_seconds is None or material.run.spec.clock is None or head.kind != "will_do":
        raise InputError("it needs a question about events within a time")
    targets = frozenset(head.events)
    answers = known_answers(material.training, _like(material, material.training), targets, _CURVE_QUESTIONS, seed)
    return BuyTillYouDie.fit(customers(material.training, targets), head.within_seconds, answers)


def _like(material: Material, histories: Histories) -> tuple[Questions, ...]:
    """The known questions about histories that are of the kinds in the exam."""
    wanted = {kind.kind for kind in material.exam.kinds}
    return tuple(kind for kind in questions(histories, material.target) if kind.kind in wanted)
