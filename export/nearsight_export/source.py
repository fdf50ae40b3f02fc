"""The model that artifacts are made from: through its passes, calibrated again, and what its train graph answers."""

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.heads import calibrated
from nearsight.trunk import Weights
from nearsight_export.anchoring import anchored
from nearsight_export.passes.model import Desk, Model
from nearsight_export.recipe import MagnitudePruning, Pass, QuantisationAware
from nearsight_export.reports import PassReport
from nearsight_training.answers import answers, probabilities
from nearsight_training.histories import SPLITS, Histories
from nearsight_training.learning import calibrated_heads, cutoff_of, measured
from nearsight_training.progress import Progress
from nearsight_training.run import Run

__all__ = ["SourceModel", "compressed", "passed", "trained_answers"]


@dataclass(frozen=True)
class SourceModel:
    """A run as its passes left it, canonical weights, uncalibrated, and what the passes report.

    The run's trunk, heads, figures of the test split and what is offered beside the heads are those after the passes.
    """

    run: Run
    weights: Weights
    reports: tuple[PassReport, ...] = ()

    @property
    def folded(self) -> Weights:
        """The weights with the calibration in them."""
        return calibrated(self.weights, self.run.heads)


def compressed(
    run: Run, weights: Weights, histories: Histories, passes: tuple[Pass, ...], progress: Progress
) -> SourceModel:
    """The run's model after the passes; calibration and thresholds are fitted anew on validation if any ran."""
    if not passes:
        return SourceModel(run, weights)
    before, reports = Model(run.trunk, weights), []
    model, desk = before, Desk.of(run, histories)
    for each in passes:
        model, report = passed(each, model, desk, progress)
        reports.append(report)
    graph, test = model.graph(), histories.select(SPLITS.index("test"))
    heads = calibrated_heads(run.heads, desk.validation, answers(graph, desk.validation), run.config)
    after = msgspec.structs.replace(
        run,
        trunk=model.trunk,
        heads=heads,
        metrics=measured(heads, test, answers(graph, test), cutoff_of(run.config)),
        beside=anchored(run, before, model, heads, histories),
    )
    return SourceModel(after, model.weights, tuple(reports))


def passed(each: Pass, model: Model, desk: Desk, progress: Progress) -> tuple[Model, PassReport]:
    """What a declared pass makes of a model."""
    from nearsight_export.passes import magnitude, quantisation

    match each:
        case MagnitudePruning():
            return magnitude.pruned(model, desk, each.sparsity, progress)
        case QuantisationAware():
            return quantisation.aware(model, desk, each.bits, progress)


def trained_answers(source: SourceModel, histories: Histories) -> NDArray[np.float32]:
    """The probabilities `(E + Q, O)` that the train graph itself gives with the source's weights."""
    given = answers(Model(source.run.trunk, source.weights).graph(), histories)
    logits = np.concatenate([given.events, given.asks])
    columns = [probabilities(logits, head).reshape(len(logits), -1) for head in source.run.heads]
    return np.concatenate(columns, 1).astype(np.float32)
