"""Magnitude pruning with tfmot, fine-tuned on the training histories, its sparsity measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.trunk import Trunk, Weights
from nearsight_export.errors import SparsityError
from nearsight_export.passes.kernels import LARGE, kernels, spared, spoken
from nearsight_export.passes.model import Desk, Model
from nearsight_export.passes.tuning import Lesson
from nearsight_export.reports import PassReport, Tensor
from nearsight_training.network import PairedLSTM, canonical
from nearsight_training.progress import SILENT, Progress
from nearsight_training.tensorflow import tf_keras

# isort: split
# After TensorFlow, whose environment it needs.
from tensorflow_model_optimization.sparsity import keras as sparsity_tools

__all__ = ["pruned", "sparsity"]

_UPDATES = 10  # how often the ramp raises the sparsity; tfmot's own default would never get to it in a short fit
_ROUNDING = 0.005  # tfmot rounds the number of weights that it drops


@dataclass(frozen=True)
class _Prunable:
    model: Any
    wrappers: list[Any]

    def count(self, step: int) -> None:
        """Tell every wrapper the number of the coming step, as tfmot's own callback does in `Model.fit`."""
        for wrapper in self.wrappers:
            wrapper.pruning_step.assign(step)

    def stripped(self) -> dict[str, NDArray[np.float32]]:
        """The canonical weights, with the masks applied once more after the last step."""
        for wrapper in self.wrappers:
            wrapper.pruning_obj.weight_mask_op()
        return canonical(sparsity_tools.strip_pruning(self.model))


def pruned(model: Model, desk: Desk, target: float, progress: Progress = SILENT) -> tuple[Model, PassReport]:
    """Drop the smallest weights of the large layers until the share `target` of each tensor is zero.

    Large are the convolution and the LSTM and, where they are missing, the dense layers below the heads. The first
    third of the steps raises the sparsity (Zhu & Gupta 2017), the others let the rest settle. Raises `SparsityError`
    where the stripped weights miss the target.
    """
    lesson = Lesson(desk, "Pruning")
    prunable = _prunable(model, desk, _schedule(target, max(1, lesson.steps // 3)))
    apart = lesson.given(model.graph(train_embeddings=desk.trained), prunable.model, progress, prunable.count)
    found = Model(model.trunk, prunable.stripped())
    tensors = _tensors(model.trunk, found.weights)
    _check(target, tensors)
    progress.finish(f"{100 * target:.0f} % of the large weights are zero")
    return found, PassReport(
        name="magnitude_pruning",
        said=f"{100 * target:.0f} % of the weights of {spoken(tensors)} are zero",
        tensors=tensors,
        skipped=spared(model.trunk),
        steps=lesson.steps,
        validation_difference=apart,
    )


def sparsity(trunk: Trunk, weights: Weights) -> float:
    """The share of zeros among the weights that pruning is about."""
    tensors = _tensors(trunk, weights).values()
    return sum(tensor.sparsity * tensor.numbers for tensor in tensors) / sum(tensor.numbers for tensor in tensors)


def _tensors(trunk: Trunk, weights: Weights) -> dict[str, Tensor]:
    return {name: Tensor.of(array) for name, array in kernels(trunk, weights).items()}


def _prunable(model: Model, desk: Desk, schedule: Any) -> _Prunable:
    """The train graph with its large layers wrapped; the wrappers hold the layers that are filled already."""
    wrappers: list[Any] = []

    def wrapped(layer: Any) -> Any:
        if layer.name not in LARGE:
            return layer
        if isinstance(layer, PairedLSTM):
            # tfmot knows Keras's own layers; of others it asks which weights it may prune.
            layer.get_prunable_weights = lambda: [getattr(layer, name) for name in layer.kernels]
        wrappers.append(sparsity_tools.prune_low_magnitude(layer, pruning_schedule=schedule))
        return wrappers[-1]

    graph = model.graph(train_embeddings=desk.trained)
    return _Prunable(tf_keras.models.clone_model(graph, clone_function=wrapped), wrappers)


def _schedule(target: float, ramp: int) -> Any:
    """From none to `target` within `ramp` steps; an update falls on the last step, whatever its number."""
    frequency = max(1, ramp // _UPDATES)
    return sparsity_tools.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=target,
        begin_step=ramp - ramp // frequency * frequency,
        end_step=ramp,
        frequency=frequency,
    )


def _check(target: float, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.sparsity < target - _ROUNDING:
            raise SparsityError(
                f"{name} has a sparsity of {tensor.sparsity:.3f} where {target:.3f} was asked for: "
                "train on more histories, or ask for less"
            )
