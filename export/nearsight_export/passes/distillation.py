"""Distillation: a smaller network learns from the beginning to answer as its teacher does (Hinton et al. 2015)."""

from typing import Any

import msgspec
import numpy as np

from nearsight_export.passes.model import Desk, Model
from nearsight_export.recipe import Distillation
from nearsight_export.reports import PassReport, Tensor
from nearsight_training.answers import answers
from nearsight_training.config import Fitting, Size
from nearsight_training.fit import fit, seeded
from nearsight_training.learning import cutoff_of, trunk_of, tutored
from nearsight_training.network import build, canonical
from nearsight_training.peers import kinds_of
from nearsight_training.progress import SILENT, Progress
from nearsight_training.run import Epoch
from nearsight_training.sequences import crops, step_count
from nearsight_training.teachers import Said, SoftLoss, Teachers
from nearsight_training.teaching import OutOfFold

__all__ = ["distilled", "trees_say"]

_SEEDS = 3  # networks that teach together
_BATCH_EVENTS, _LEARNING_RATE = 512, 0.01  # small networks learn slowly: with training's own, CNN-LSTMs of 16 lost 0.02
_STEPS, _FEWEST_EPOCHS = 3_000, 6
_DECAY = 0.1  # of weights, times the learning rate: large ones make a small network's answers jump at any rounding
_NEXT_SHARE = 0.3  # of what next events weigh in training: of few units, questions need the more


def distilled(model: Model, desk: Desk, asked: Distillation, progress: Progress = SILENT) -> tuple[Model, PassReport]:
    """Train the student that is asked for on what `model` and, where they are asked for, others or trees answer.

    It learns at every prefix, for every head and whether or not there is a label; the weights with validation's best
    loss are kept. Trees speak of users whom they have never seen, and of yes/no heads for which they rank nearly as
    well on validation. Raises `InputError` where the student's sizes don't fit its kind.
    """
    run, size = desk.run, _size(model, asked)
    trunk = trunk_of(run.spec, run.heads, size)
    teachers, spoken = _teachers(model, desk, asked, progress)
    fitting = _fitting(desk, asked)
    seeded(run.seed)
    student = build(trunk, asks=True, train_embeddings=desk.trained)
    lesson = SoftLoss(teachers, run.heads, fitting)
    _fitted(student, desk, fitting, progress, "distilling", lesson)
    found = Model(trunk, canonical(student))
    return found, PassReport(
        name="distillation",
        said=f"a student ({size.network}, {size.filters} filters, {size.units} units) has learned from {spoken}",
        tensors={name: Tensor.of(array) for name, array in found.weights.items()},
        steps=fitting.epochs * _steps(desk),
        validation_difference=_apart(Teachers([student], run.heads), Teachers(teachers.networks, run.heads), desk),
    )


def _size(model: Model, asked: Distillation) -> Size:
    return Size(
        network=asked.network or model.trunk.kind,
        filters=asked.filters,
        units=asked.units,
        largest_embedding=asked.largest_embedding,
        skip=asked.skip,
    )


def _fitting(desk: Desk, asked: Distillation) -> Fitting:
    """As the run was trained, but in smaller and larger steps, without dropout, to the end and for questions first."""
    epochs, trained = asked.epochs or max(_FEWEST_EPOCHS, round(_STEPS / _steps(desk))), desk.run.config.fitting
    return msgspec.structs.replace(
        trained,
        next_weight=_NEXT_SHARE * trained.next_weight,
        epochs=epochs,
        patience=epochs,
        learning_rate=_LEARNING_RATE,
        batch_events=_BATCH_EVENTS,
        dropout=0.0,
        weight_decay=_DECAY,
    )


def _steps(desk: Desk) -> int:
    """How many steps an epoch has."""
    return step_count(crops(desk.training, desk.run.window), _BATCH_EVENTS)


def _teachers(model: Model, desk: Desk, asked: Distillation, progress: Progress) -> tuple[Teachers, str]:
    """Who teaches, and the same in words."""
    networks, heads = [model.graph()], desk.run.heads
    if asked.teacher == "networks":
        networks += [_another(model, desk, extra, progress) for extra in range(1, _SEEDS)]
        return Teachers(networks, heads), f"{_SEEDS} networks"
    if asked.teacher == "trees":
        said, names = trees_say(model, desk, progress)
        if names:
            return Teachers(networks, heads, said), f"the network and trees ({', '.join(names)})"
    return Teachers(networks, heads), "the network"


def _another(model: Model, desk: Desk, extra: int, progress: Progress) -> Any:
    """A network of the same shape from another seed, trained as the run's was: from trees, too, where that one was."""
    run = desk.run
    fitting = msgspec.structs.replace(run.config.fitting, seed=run.seed + extra)
    seeded(fitting.seed)
    network = build(model.trunk, asks=True, dropout=fitting.dropout, train_embeddings=desk.trained)
    epochs = _fitted(network, desk, fitting, progress, f"training teacher {extra + 1}")
    if run.taught:
        trees = OutOfFold(desk.training, desk.validation, kinds_of(run.spec), fitting.seed)
        config = msgspec.structs.replace(run.config, fitting=fitting)
        best = min(each.validation_loss for each in epochs)
        tutored(network, model.trunk, trees, run.heads, config, run.window, best, progress)
    return network


def _fitted(
    network: Any, desk: Desk, fitting: Fitting, progress: Progress, task: str, lesson: SoftLoss | None = None
) -> tuple[Epoch, ...]:
    run = desk.run
    return fit(
        network,
        desk.training,
        desk.validation,
        run.heads,
        fitting,
        run.window,
        progress=progress,
        task=task,
        loss=lesson,
    )


def trees_say(model: Model, desk: Desk, progress: Progress = SILENT) -> tuple[Said, tuple[str, ...]]:
    """What trees say of the training users, and the heads of which they say anything."""
    run = desk.run
    trees = OutOfFold(desk.training, desk.validation, kinds_of(run.spec), run.seed)
    kind = "event" if cutoff_of(run.config) is None else "ask"
    return trees.said(run.heads, answers(model.graph(), desk.validation), kind, progress)


def _apart(student: Teachers, teachers: Teachers, desk: Desk) -> float:
    """The mean absolute difference of probabilities on validation, the trees left out."""
    total, count = 0.0, 0
    for batch in desk.batches(desk.validation, np.random.default_rng(desk.run.seed)):
        inside = np.concatenate([batch.events, batch.asks], 1) >= 0
        apart = np.abs(student.answers(batch) - teachers.answers(batch)).mean(-1)
        total, count = total + float(apart[inside].sum()), count + int(inside.sum())
    return total / max(count, 1)
