"""A teacher beside the labels: what trees say of users that they have never seen, where trees rank well.

A label is yes or no; the trees' probability says how near it was. A network that learns from both ranks better than
one that learns from labels alone (distillation: Hinton, Vinyals & Dean 2015; soft labels from out-of-fold models, so
that the teacher doesn't know its pupil's answers by heart).
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nearsight.heads import BinaryHead, Head
from nearsight_training.answers import Answers
from nearsight_training.histories import Histories
from nearsight_training.metrics import auc
from nearsight_training.peers import BoostedTrees, Told
from nearsight_training.questions import Questions, features, of_kind, questions, told

__all__ = ["OutOfFold", "taught"]

_SHARE = 0.8  # of the trees' probability in a label; 0.5 and 1 did little worse on CDNOW
_FOLDS = 3
_AT_ONCE = 400_000  # questions
_MOST = 40_000  # questions that one fold's trees learn from
_CLOSE = 0.003  # of AUC on validation by which trees may be worse and still teach: about its standard error

Floats = NDArray[np.float64]


def taught(trees: "OutOfFold", heads: tuple[Head, ...], given: Answers, kind: str) -> tuple[Histories, tuple[str, ...]]:
    """The training histories with labels between 0 and 1, and the names of the heads that are taught.

    `given` are the network's answers on validation; a head is taught where trees rank validation's questions of the
    `kind` that it is judged on ("ask" or "event") about as well. Labels are float32, unknown ones -1.
    """
    training, names = trees.training, []
    labels, ask_labels = training.labels.astype(np.float32), training.ask_labels.astype(np.float32)
    for head in heads:
        if isinstance(head, BinaryHead) and trees.is_fit(head, given, kind, _CLOSE):
            names.append(head.name)
            for asked, chances in trees.lessons(head):
                into = labels if asked.kind == "event" else ask_labels
                into[asked.indices, head.start] = (1 - _SHARE) * asked.answers + _SHARE * chances
    return replace(training, labels=labels, ask_labels=ask_labels), tuple(names)


class OutOfFold:
    """Trees for each fold of the training users, fitted on the others.

    `count` is how many kinds of events they look at (`kinds_of`).
    """

    def __init__(self, training: Histories, validation: Histories, count: int, seed: int) -> None:
        self.training, self.validation, self.count, self.seed = training, validation, count, seed
        self.fold = np.random.default_rng(seed).permutation(len(training)) % _FOLDS

    def is_fit(self, head: BinaryHead, given: Answers, kind: str, close: float) -> bool:
        """Whether trees rank validation's questions of a kind at most `close` of AUC below the network.

        `given` are the network's answers on validation.
        """
        known, asked = (of_kind(part, head.start, kind) for part in (self.training, self.validation))
        if known is None or asked is None or len(np.unique(known.answers)) < 2 or len(np.unique(asked.answers)) < 2:
            return False
        checked = self._told(self.validation, asked)
        trees = self._trees(self._told(self.training, known), checked)
        logits = (given.asks if kind == "ask" else given.events)[asked.indices, head.start]
        found = auc(asked.answers, self._scores(trees, self.validation, asked))
        return found >= auc(asked.answers, logits) - close

    def lessons(self, head: BinaryHead) -> Iterator[tuple[Questions, Floats]]:
        """The questions about each fold's users, and what the trees of the other folds say."""
        for every in questions(self.training, head.start):
            checks = of_kind(self.validation, head.start, every.kind)
            for fold in range(_FOLDS):
                is_mine = self.fold[every.users] == fold
                others, mine = every.among(every.indices[~is_mine]), every.among(every.indices[is_mine])
                if checks is not None and len(mine) and len(np.unique(others.answers)) == 2:
                    trees = self._trees(self._told(self.training, others), self._told(self.validation, checks))
                    yield mine, self._scores(trees, self.training, mine)

    def _scores(self, trees: BoostedTrees, histories: Histories, asked: Questions) -> Floats:
        """What trees say of many questions, some at a time: what trees are told takes more memory than the log."""
        some = (asked.among(asked.indices[start : start + _AT_ONCE]) for start in range(0, len(asked), _AT_ONCE))
        return np.concatenate([trees.scores(features(histories, each, self.count)) for each in some])

    def _trees(self, known: Told, checked: Told) -> BoostedTrees:
        return BoostedTrees.fit(known, checked, self.count, seed=self.seed)

    def _told(self, histories: Histories, asked: Questions) -> Told:
        return told(histories, (asked,), self.count, _MOST, self.seed)
