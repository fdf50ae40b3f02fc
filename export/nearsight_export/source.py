"""The model that artifacts are made from: through its passes, calibrated again, and what its train graph answers."""

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.heads import Head, calibrated
from nearsight.trunk import Weights
from nearsight_export.anchoring import anchored
from nearsight_export.passes.cache import Cache
from nearsight_export.passes.model import Desk, Model
from nearsight_export.passes.shares import counted
from nearsight_export.recipe import (
    Distillation,
    LowRank,
    MagnitudePruning,
    Pass,
    QuantisationAware,
    Recipe,
    StructuredPruning,
    WeightClustering,
)
from nearsight_export.reports import PassReport
from nearsight_training.answers import answers, probabilities
from nearsight_training.histories import SPLITS, Histories
from nearsight_training.learning import calibrated_heads, cutoff_of, measured
from nearsight_training.progress import Progress
from nearsight_training.run import Run

__all__ = ["SourceModel", "compressed", "passed", "recalibrated", "through", "trained_answers"]


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
    run: Run,
    weights: Weights,
    histories: Histories,
    recipe: Recipe,
    progress: Progress,
    cache: Cache | None = None,
) -> SourceModel:
    """The run's model after the passes; calibration and thresholds are fitted anew on validation if any ran."""
    if not recipe.passes:
        return SourceModel(run, weights)
    before, desk = Model(run.trunk, weights), Desk.of(run, histories)
    model, reports = through(recipe, before, desk, progress, cache)
    graph, test = model.graph(), histories.select(SPLITS.index("test"))
    heads = recalibrated(model, desk)
    after = msgspec.structs.replace(
        run,
        trunk=model.trunk,
        heads=heads,
        metrics=measured(heads, test, answers(graph, test), cutoff_of(run.config)),
        beside=anchored(run, before, model, heads, histories),
    )
    return SourceModel(after, model.weights, reports)


def through(
    recipe: Recipe, model: Model, desk: Desk, progress: Progress, cache: Cache | None = None
) -> tuple[Model, tuple[PassReport, ...]]:
    """What a recipe's passes make of the run's network, one after another, and what each reports."""
    done: tuple[Pass, ...] = ()
    reports: tuple[PassReport, ...] = ()
    for each in recipe.passes:
        one = counted(each, model, desk, recipe.variant) if isinstance(each, StructuredPruning) else each
        done = (*done, one)
        known = cache.found(done) if cache else None
        if known is None:
            model, report = passed(one, model, desk, progress)
            known = model, (*reports, report)
            if cache:
                cache.keep(done, *known)
        model, reports = known
    return model, reports


def recalibrated(model: Model, desk: Desk) -> tuple[Head, ...]:
    """The run's heads with calibration and thresholds fitted anew on validation."""
    return calibrated_heads(desk.run.heads, desk.validation, answers(model.graph(), desk.validation), desk.run.config)


def passed(each: Pass, model: Model, desk: Desk, progress: Progress) -> tuple[Model, PassReport]:
    """What a declared pass makes of a model."""
    from nearsight_export.passes import clustering, distillation, factorisation, magnitude, quantisation, structured

    match each:
        case Distillation():
            return distillation.distilled(model, desk, each, progress)
        case StructuredPruning():
            return structured.shrunk(model, desk, each, progress)
        case LowRank():
            return factorisation.factorised(model, desk, each.rank, progress)
        case MagnitudePruning():
            return magnitude.pruned(model, desk, each.sparsity, progress)
        case WeightClustering():
            return clustering.clustered(model, desk, each.clusters, progress)
        case QuantisationAware():
            return quantisation.aware(model, desk, each.bits, progress)


def trained_answers(source: SourceModel, histories: Histories) -> NDArray[np.float32]:
    """The probabilities `(E + Q, O)` that the train graph itself gives with the source's weights."""
    given = answers(Model(source.run.trunk, source.weights).graph(), histories)
    logits = np.concatenate([given.events, given.asks])
    columns = [probabilities(logits, head).reshape(len(logits), -1) for head in source.run.heads]
    return np.concatenate(columns, 1).astype(np.float32)
