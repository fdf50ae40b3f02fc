"""A teacher beside the labels: what trees say of users that they have never seen, where trees rank well.

A label is yes or no; a probability says how near it was. A network that goes on learning from the mean of its own and
the trees' probabilities ranks better than one that learns from labels alone (distillation: Hinton, Vinyals & Dean 2015;
the trees are out-of-fold models, so that the teacher doesn't know its pupil's answers by heart).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nearsight.heads import BinaryHead, Head
from nearsight_training.answers import Answers
from nearsight_training.histories import Histories
from nearsight_training.metrics import auc
from nearsight_training.peers import BoostedTrees, Told
from nearsight_training.progress import SILENT, Progress
from nearsight_training.questions import Questions, features, of_kind, questions, told
from nearsight_training.teachers import Said

__all__ = ["OutOfFold"]

_FOLDS = 3
_AT_ONCE = 400_000  # questions
_MOST = 40_000  # questions that one fold's trees learn from
_CLOSE = 0.01  # of AUC on validation by which trees may be worse and still belong to a mean

Floats = NDArray[np.float64]


class OutOfFold:
    """Trees for each fold of the training users, fitted on the others.

    `count` is how many kinds of events they look at (`kinds_of`).
    """

    def __init__(self, training: Histories, validation: Histories, count: int, seed: int) -> None:
        self.training, self.validation, self.count, self.seed = training, validation, count, seed
        self.fold = np.random.default_rng(seed).permutation(len(training)) % _FOLDS

    def said(
        self, heads: Sequence[Head], given: Answers, kind: str, progress: Progress = SILENT
    ) -> tuple[Said, tuple[str, ...]]:
        """What trees say of the training users, and the names of the heads of which they say anything.

        `given` are the network's answers on validation; trees speak where they rank validation's questions of the
        `kind` that a head is judged on ("ask" or "event") nearly as well.
        """
        yes, names = [head for head in heads if isinstance(head, BinaryHead)], []
        said = Said.nothing(len(self.training.codes), len(self.training.ask_time), len(yes))
        progress.start("asking trees", len(yes))
        for head in yes:
            if self._is_fit(head, given, kind):
                names.append(head.name)
                for asked, chances in self._lessons(head):
                    into = said.events if asked.kind == "event" else said.asks
                    into[asked.indices, head.start] = chances
            progress.advance(head.name)
        progress.finish(", ".join(names) or "none ranks nearly as well as the network")
        return said, tuple(names)

    def _is_fit(self, head: BinaryHead, given: Answers, kind: str) -> bool:
        known, asked = (of_kind(part, head.start, kind) for part in (self.training, self.validation))
        if known is None or asked is None or len(np.unique(known.answers)) < 2 or len(np.unique(asked.answers)) < 2:
            return False
        checked = self._told(self.validation, asked)
        trees = self._trees(self._told(self.training, known), checked)
        logits = (given.asks if kind == "ask" else given.events)[asked.indices, head.start]
        found = auc(asked.answers, self._scores(trees, self.validation, asked))
        return found >= auc(asked.answers, logits) - _CLOSE

    def _lessons(self, head: BinaryHead) -> Iterator[tuple[Questions, Floats]]:
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
