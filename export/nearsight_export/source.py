"""The model that artifacts are made from: pruned, calibrated again, and what the trained network itself answers."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nearsight.heads import Head, calibrated
from nearsight.trunk import Weights
from nearsight_export.anchoring import anchored
from nearsight_export.pruning import pruned
from nearsight_export.reports import PruningReport
from nearsight_training.answers import answers, probabilities
from nearsight_training.beside import Beside
from nearsight_training.histories import SPLITS, Histories
from nearsight_training.learning import calibrated_heads, cutoff_of, measured
from nearsight_training.metrics import Interval
from nearsight_training.network import assign, build
from nearsight_training.progress import Progress
from nearsight_training.run import Run

__all__ = ["SourceModel", "compressed", "trained_answers"]

Metrics = dict[str, dict[str, Interval]]


@dataclass(frozen=True)
class SourceModel:
    """Canonical weights, uncalibrated, with the heads that calibrate them and what is offered beside these.

    `metrics` are of the test split.
    """

    weights: Weights
    heads: tuple[Head, ...]
    metrics: Metrics
    report: PruningReport | None
    beside: Beside = field(default_factory=Beside)

    @property
    def folded(self) -> Weights:
        """The weights with the calibration in them."""
        return calibrated(self.weights, self.heads)


def compressed(
    run: Run, weights: Weights, histories: Histories, sparsity: float | None, progress: Progress
) -> SourceModel:
    """The run's model after the passes; calibration and thresholds are fitted anew on validation if any ran."""
    if sparsity is None:
        return SourceModel(weights, run.heads, run.metrics, None, run.beside)
    found, report = pruned(run, weights, histories, sparsity, progress)
    model = build(run.trunk, asks=True)
    assign(model, found)
    validation, test = (histories.select(SPLITS.index(name)) for name in ("validation", "test"))
    cutoff = cutoff_of(run.config)
    heads = calibrated_heads(run.heads, validation, answers(model, validation), run.config)
    metrics = measured(heads, test, answers(model, test), cutoff)
    return SourceModel(found, heads, metrics, report, anchored(run, weights, found, heads, histories))


def trained_answers(run: Run, source: SourceModel, histories: Histories) -> NDArray[np.float32]:
    """The probabilities `(E + Q, O)` that the train graph itself gives with the source's weights."""
    model = build(run.trunk, asks=True)
    assign(model, source.weights)
    given = answers(model, histories)
    logits = np.concatenate([given.events, given.asks])
    columns = [probabilities(logits, head).reshape(len(logits), -1) for head in source.heads]
    return np.concatenate(columns, 1).astype(np.float32)
