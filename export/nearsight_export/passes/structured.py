"""Structured pruning: whole filters and units go, so that the graph itself is smaller and faster."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight.trunk import Trunk
from nearsight_export.passes.channels import Channels, Size, channels_of, narrowed, silenced
from nearsight_export.passes.model import Desk, Model
from nearsight_export.passes.shares import Counts
from nearsight_export.passes.tuning import Lesson
from nearsight_export.recipe import StructuredPruning
from nearsight_export.reports import PassReport, Tensor
from nearsight_training.network import assign, canonical
from nearsight_training.progress import SILENT, Progress
from nearsight_training.tensorflow import tf

__all__ = ["importance", "shrunk"]

_NAME = "structured_pruning"
_ROUNDS = 3
_STEPS = 200  # at least, after each round
_EVENTS = 1000  # of training histories, on which channels are weighed
_LEFT = "it holds nothing of the filters and units that went"


def shrunk(model: Model, desk: Desk, asked: StructuredPruning, progress: Progress = SILENT) -> tuple[Model, PassReport]:
    """Remove what matters least until as many filters and units are left as are asked for (see `shares.counted`).

    That takes three rounds, each by the same factor; in between, the rest learns from the whole network. Raises
    `InputError` where the network hasn't so many.
    """
    goals = _goals(model.trunk, asked)
    said = " and ".join(f"{goal} of {getattr(model.trunk, size)} {size}" for size, goal in goals.items())
    said = f"{said} are left"
    if all(goal == getattr(model.trunk, size) for size, goal in goals.items()):
        progress.finish(said)
        skipped = dict.fromkeys(model.weights, "nothing has to go")
        return model, PassReport(name=_NAME, said=said, tensors={}, skipped=skipped)
    teacher, small, steps, apart = model.graph(train_embeddings=desk.trained), model, 0, 0.0
    for left in range(_ROUNDS - 1, -1, -1):
        found = importance(small, desk, tuple(goals), progress)
        for size, goal in goals.items():
            count = _rung(getattr(small.trunk, size), goal, left)
            small = narrowed(small, size, np.sort(np.argsort(-found[size], kind="stable")[:count]))
        pupil = small.graph(train_embeddings=desk.trained)
        lesson = Lesson(desk, "Pruning", learning_rate=desk.run.config.fitting.learning_rate).lasting(_STEPS)
        apart = lesson.given(teacher, pupil, progress)
        small, steps = Model(small.trunk, canonical(pupil)), steps + lesson.steps
    progress.finish(said)
    return small, PassReport(
        name=_NAME,
        said=said,
        tensors=_tensors(model, small),
        skipped={name: _LEFT for name, array in model.weights.items() if array.shape == small.weights[name].shape},
        steps=steps,
        validation_difference=apart,
    )


def importance(
    model: Model, desk: Desk, sizes: Sequence[Size], progress: Progress = SILENT
) -> dict[Size, NDArray[np.float64]]:
    """By how much the answers move on average when a filter or unit is silent, `(F,)` and `(U,)`.

    That is the oracle which Taylor's expansion of a loss approaches (Molchanov et al. 2017, "Pruning Convolutional
    Neural Networks for Resource Efficient Inference", section 2): a network this small can afford it.
    """
    graph, channels = model.graph(), channels_of(model.trunk)
    given = tf.function(lambda codes, numbers: _answers(model.trunk, graph([codes, numbers])[0]), reduce_retracing=True)
    histories = desk.training.limited(_EVENTS, desk.run.seed)
    batches = [
        (batch.codes, batch.numbers, np.concatenate([batch.events, batch.asks], 1) >= 0)
        for batch in desk.batches(histories, np.random.default_rng(desk.run.seed))
    ]
    whole = [given(codes, numbers) for codes, numbers, _ in batches]

    def moved(of: Channels, channel: int) -> float:
        assign(graph, silenced(model.weights, of, channel))
        progress.advance()
        pairs = zip(batches, whole, strict=True)
        return sum(
            float(np.abs(given(codes, numbers) - before)[inside].sum()) for (codes, numbers, inside), before in pairs
        )

    progress.start("Weighing filters and units", sum(channels[size].width for size in sizes))
    events = sum(inside.sum() for _, _, inside in batches)
    return {
        size: np.array([moved(channels[size], channel) for channel in range(channels[size].width)]) / events
        for size in sizes
    }


def _goals(trunk: Trunk, asked: StructuredPruning) -> Counts:
    """How many are asked for. Raises `InputError`."""
    there = channels_of(trunk)
    counts: dict[Size, int | None] = {"filters": asked.filters, "units": asked.units}
    goals = {size: count for size, count in counts.items() if count is not None}
    for size, count in goals.items():
        if size not in there:
            raise InputError(
                f"structured_pruning can't remove {size} from a {trunk.kind} network, received {size} = {count}: "
                "leave it out"
            )
        if count > there[size].width:
            raise InputError(
                f"structured_pruning can leave {there[size].width} {size} at most, as many as there are, received "
                f"{count}: ask for fewer"
            )
    return goals


def _rung(width: int, goal: int, left: int) -> int:
    """How many of `width` stay now, if as large a share goes in each of the `left` rounds behind this one."""
    return round(goal * math.pow(width / goal, left / (left + 1)))


def _answers(trunk: Trunk, logits: Any) -> Any:
    """What the heads say, without calibration, as one row of numbers."""
    functions = {"sigmoid": tf.sigmoid, "softmax": tf.nn.softmax, "linear": tf.identity}
    parts = [functions[part.kind](logits[..., part.start : part.start + part.size]) for part in trunk.activations]
    return tf.concat(parts, -1)


def _tensors(before: Model, after: Model) -> dict[str, Tensor]:
    """The tensors that shrank."""
    return {
        name: Tensor.of(array, before.weights[name])
        for name, array in after.weights.items()
        if array.shape != before.weights[name].shape
    }
