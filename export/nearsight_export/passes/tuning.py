"""Fine-tuning: what a pass changed is let settle while the network learns to answer as its teacher does."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nearsight_export.passes.model import Desk
from nearsight_export.passes.teaching import Teaching
from nearsight_training.fit import seeded
from nearsight_training.progress import Progress

__all__ = ["Lesson"]


@dataclass(frozen=True)
class Lesson:
    """Passes over the training histories in which a pupil learns its teacher's answers (Hinton et al. 2015).

    It learns them after every event and to every question: that keeps the answers near without fitting noisy labels
    anew. `task` is what progress calls it.
    """

    desk: Desk
    task: str
    epochs: int = 2
    learning_rate: float = 1e-3

    @property
    def steps(self) -> int:
        """How many steps it takes."""
        return self.epochs * sum(1 for _ in self.desk.batches(self.desk.training, self._generator()))

    def lasting(self, steps: int) -> "Lesson":
        """The same with as many epochs as make so many steps, two at least: small data sets have few in an epoch."""
        one = replace(self, epochs=1)
        return replace(self, epochs=max(2, math.ceil(steps / one.steps)))

    def given(
        self, teacher: Any, pupil: Any, progress: Progress, before_step: Callable[[int], None] = lambda step: None
    ) -> float:
        """Fit the train graph `pupil` to the train graph `teacher`; `before_step` is told each step's number.

        Returns the mean absolute difference of their probabilities on validation.
        """
        run, generator, steps = self.desk.run, self._generator(), self.steps
        seeded(run.seed)
        teaching = Teaching(teacher, pupil, run.heads, self.learning_rate, steps)
        progress.start(self.task, steps)
        for _ in range(self.epochs):
            for batch in self.desk.batches(self.desk.training, generator):
                before_step(teaching.steps)
                progress.advance(f"loss {teaching.learn(batch):.4f}")
        return teaching.apart(self.desk.batches(self.desk.validation, generator))

    def _generator(self) -> np.random.Generator:
        return np.random.default_rng(self.desk.run.seed)
