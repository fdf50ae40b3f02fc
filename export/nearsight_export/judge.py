"""What trials are judged by: the questions of the validation users, and nothing of the test."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight.heads import BinaryHead, Head, NextEventHead
from nearsight_export.replay import Replay
from nearsight_training.answers import Answers, probabilities, scored
from nearsight_training.histories import Histories
from nearsight_training.metrics import (
    Interval,
    Measure,
    binary_measures,
    informative,
    next_event_measures,
    paired_difference,
)

__all__ = ["Judge"]

Floats = NDArray[np.floating]


class Judge:
    """Scores the answers on `histories`: the mean AUC of the yes/no heads, or minus the log loss of what comes next.

    `cutoff` is the moment at which validation was asked, None where every prefix counts. Raises `InputError` where
    there is no such head.
    """

    def __init__(self, histories: Histories, heads: Sequence[Head], cutoff: float | None) -> None:
        self.histories, self.heads = histories, tuple(heads)
        binary = [head for head in heads if isinstance(head, BinaryHead)]
        self._items = [(head, *scored(histories, head, cutoff)) for head in binary]
        self._ahead = next((head for head in self.heads if isinstance(head, NextEventHead)), None)
        if not self._items and self._ahead is None:
            raise InputError(
                "a search is judged by yes/no questions or by what comes next, received numbers alone: add one"
            )

    @property
    def figure(self) -> str:
        """What the score is called."""
        return "AUC" if self._items else "log loss"

    def score(self, given: Replay | Answers) -> float:
        """Of an artifact's probabilities, or of a network's logits before calibration; more is better."""
        chances = self._chances(given)
        return float(self._measure(*chances)(np.ones(len(self._owners))))

    def ahead(self, first: Replay, second: Replay) -> Interval:
        """By how much `first` scores higher than `second`, with the paired 95 % interval over users."""
        one, other = (self._measure(*self._chances(given)) for given in (first, second))
        return paired_difference(one, other, self._owners, informative=self._telling)

    def _chances(self, given: Replay | Answers) -> tuple[Floats, Floats]:
        if isinstance(given, Replay):
            return given.heads, given.asked
        columns = [
            np.concatenate([probabilities(part, head).reshape(len(part), head.size) for head in self.heads], 1)
            for part in (given.events, given.asks)
        ]
        return columns[0], columns[1]

    def _measure(self, events: Floats, asks: Floats) -> Measure:
        """The score as a function of the weights of all items, head after head."""
        if not self._items:
            ahead = events[self._next_known][:, self._guessed]
            surprise = next_event_measures(self._next_codes, ahead)["log_loss"]
            return lambda weights: -surprise(weights)
        measures = []
        for head, asked, places in self._items:
            chances = (asks if asked else events)[places, head.start]
            measures.append(binary_measures(self._labels(head, asked, places), chances)["auc"])
        ends = np.cumsum([len(places) for _, _, places in self._items])[:-1]
        return lambda weights: float(
            np.mean([measure(part) for measure, part in zip(measures, np.split(weights, ends), strict=True)])
        )

    def _labels(self, head: BinaryHead, asked: bool, places: NDArray[np.int64]) -> NDArray[np.int8]:
        labels = self.histories.ask_labels if asked else self.histories.labels
        found: NDArray[np.int8] = labels[places, head.start]
        return found

    @cached_property
    def _owners(self) -> NDArray[np.int64]:
        """Whose each item is."""
        histories = self.histories
        if not self._items:
            return histories.owners[self._next_known]
        owners = [(histories.ask_history if asked else histories.owners)[places] for _, asked, places in self._items]
        return np.concatenate(owners)

    @cached_property
    def _telling(self) -> int | None:
        """How many users hold the rarer answer, of the question where they are fewest."""
        ends = np.cumsum([len(places) for _, _, places in self._items])[:-1]
        owners = np.split(self._owners, ends)
        counts = [informative(self._labels(*item), whose) for item, whose in zip(self._items, owners, strict=False)]
        return min(counts, default=None)

    @cached_property
    def _next_known(self) -> NDArray[np.int64]:
        return np.flatnonzero(self._following > 0)

    @cached_property
    def _next_codes(self) -> NDArray[np.int32]:
        return self._following[self._next_known]

    @property
    def _guessed(self) -> slice:
        """The outputs of the head that says what comes next."""
        return slice(self._ahead.start, self._ahead.start + self._ahead.size) if self._ahead else slice(0)

    @property
    def _following(self) -> NDArray[np.int32]:
        return self.histories.next_codes[:, self._ahead.column if self._ahead else 0]
