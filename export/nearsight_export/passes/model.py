"""What passes take and give, and what they may learn from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nearsight.trunk import Trunk, Weights
from nearsight_training.histories import SPLITS, Histories
from nearsight_training.network import assign, build
from nearsight_training.run import Run
from nearsight_training.sequences import Batch, batches, crops, drawn

__all__ = ["Desk", "Model"]


@dataclass(frozen=True)
class Model:
    """A network's shape and its canonical weights, uncalibrated."""

    trunk: Trunk
    weights: Weights

    def graph(self, *, train_embeddings: bool = True) -> Any:
        """A train graph with these weights that answers after every event and to every question."""
        model = build(self.trunk, asks=True, train_embeddings=train_embeddings)
        assign(model, self.weights)
        return model


@dataclass(frozen=True)
class Desk:
    """The run that a model comes from and the histories that passes may learn from and check with.

    They learn from the training users, or from validation's where training was private (`Run.reference`); the test's
    stay away.
    """

    run: Run
    training: Histories
    validation: Histories

    @classmethod
    def of(cls, run: Run, histories: Histories) -> "Desk":
        """The desk of a run."""
        return cls(run, histories.select(run.reference), histories.select(SPLITS.index("validation")))

    @property
    def trained(self) -> bool:
        """Whether embeddings are learned: in the article's table they aren't."""
        return self.run.spec.steps is None

    def batches(self, histories: Histories, generator: np.random.Generator) -> Iterator[Batch]:
        """One pass over histories as training makes it."""
        parts = crops(histories, self.run.window, generator)
        size = self.run.config.fitting.batch_events
        return batches(histories, parts, size, drawn(histories, generator), generator)
