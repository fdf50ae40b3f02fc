"""Simpler models of a number to come, beside the network's: boosted trees on aggregates, and the mean of all."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from nearsight.heads import ValueHead, values_of
from nearsight_training.answers import Answers, probabilities, valued
from nearsight_training.gate import Gate, Rival
from nearsight_training.histories import Histories
from nearsight_training.metrics import bootstrap, paired_difference, value_measures
from nearsight_training.peers import BoostedTrees, kinds_of, regressed
from nearsight_training.preparation import Prepared
from nearsight_training.questions import Questions, features
from nearsight_training.split import TEST, TRAIN, VALIDATION

__all__ = ["amounts"]

_MOST = 40_000  # questions that trees learn from, and that all are asked
_FIGURES = ("rmse", "mae")

Floats = NDArray[np.float64]


def amounts(prepared: Prepared, head: ValueHead, given: Answers, cutoff: float | None, seed: int) -> Gate | None:
    """A number's head beside LightGBM and the training users' mean; None where no number is known in the test."""
    train, validation, test = (prepared.histories.select(part) for part in (TRAIN, VALIDATION, TEST))
    is_ask, places, truth = valued(test, head, cutoff)
    if not len(places):
        return None
    asked = _questions(test, is_ask, places, truth).drawn(_MOST, seed)
    count, owners = kinds_of(prepared.spec), asked.users
    known, checked = (_known(part, head, is_ask).drawn(_MOST, seed) for part in (train, validation))
    outputs = probabilities((given.asks if is_ask else given.events)[asked.indices], head)
    network = value_measures(asked.answers, values_of(outputs, head)[:, 0])
    told = [
        (features(part, each, count), _clipped(each.answers, head))
        for part, each in ((train, known), (validation, checked))
    ]
    trees = regressed(*told, seed=seed)
    rivals = {
        BoostedTrees.name: trees(features(test, asked, count)),
        "the mean of all": np.full(len(asked), told[0][1].mean()),
    }
    measured = {name: value_measures(asked.answers, points) for name, points in rivals.items()}
    interval, difference = partial(bootstrap, clusters=owners), partial(paired_difference, clusters=owners)
    return Gate(
        figure="rmse",
        users=len(np.unique(owners)),
        rivals=tuple(
            Rival(
                name=name,
                figures={key: interval(each[key]) for key in _FIGURES},
                ahead={key: difference(network[key], each[key]) for key in _FIGURES},
            )
            for name, each in measured.items()
        ),
    )


def _known(histories: Histories, head: ValueHead, is_ask: bool) -> Questions:
    column = (head.start - histories.labels.shape[1]) // head.size
    numbers = (histories.ask_values if is_ask else histories.values)[:, column]
    places = np.flatnonzero(~np.isnan(numbers))
    return _questions(histories, is_ask, places, numbers[places].astype(np.float64))


def _questions(histories: Histories, is_ask: bool, places: NDArray[np.int64], truth: Floats) -> Questions:
    if is_ask:
        events, users = histories.ask_events[places], histories.ask_history[places]
        return Questions("ask", events, users, truth, histories.ask_time[places], places)
    return Questions("event", places, histories.owners[places], truth, histories.times[places], places)


def _clipped(numbers: Floats, head: ValueHead) -> Floats:
    return np.clip(numbers, head.low, head.high)
