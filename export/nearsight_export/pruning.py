"""The pruning pass: magnitude pruning with tfmot, fine-tuned on the training histories, its sparsity measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.trunk import Trunk, Weights
from nearsight_export.errors import SparsityError
from nearsight_export.reports import PruningReport, Tensor
from nearsight_export.teaching import Teaching
from nearsight_training.fit import seeded
from nearsight_training.histories import SPLITS, Histories
from nearsight_training.network import PairedLSTM, assign, build, canonical
from nearsight_training.progress import SILENT, Progress
from nearsight_training.run import Run
from nearsight_training.sequences import Batch, batches, crops, drawn
from nearsight_training.tensorflow import tf_keras

# isort: split
# After TensorFlow, whose environment it needs.
from tensorflow_model_optimization.sparsity import keras as sparsity_tools

__all__ = ["pruned", "sparsities", "sparsity"]

_PRUNED = ("conv", "lstm", "frame", "dense")  # a network has some of them
_SPARED = {
    "head_kernel": "small, and calibration rests on it",
    "latent_kernel": "small, and every answer rests on it",
    "spread_kernel": "it has work in training alone",
    "unfold_kernel": "the anomaly score rests on it",
    "decoded_kernel": "the anomaly score rests on it",
}
_UPDATES = 10  # how often the ramp raises the sparsity; tfmot's own default would never get to it in a short fit
_EPOCHS = 2
_LEARNING_RATE = 1e-3
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


def pruned(
    run: Run, weights: Weights, histories: Histories, target: float, progress: Progress = SILENT
) -> tuple[dict[str, NDArray[np.float32]], PruningReport]:
    """Drop the smallest weights of the large layers until the share `target` of each tensor is zero.

    Large are the convolution and the LSTM and, where they are missing, the dense layers below the heads. The first
    third of the steps raises the sparsity (Zhu & Gupta 2017), the others let the rest settle. What is learned
    throughout is to answer as the trained network does (Hinton et al. 2015), after every event and to every question of
    the training histories (or validation's, where training was private: `Run.reference`): that keeps the answers near
    without fitting their noisy labels anew. Returns uncalibrated weights. Raises `SparsityError` where the stripped
    weights miss the target.
    """
    seeded(run.seed)
    training, validation = (histories.select(part) for part in (run.reference, SPLITS.index("validation")))
    steps = _EPOCHS * sum(1 for _ in _batches(training, run, np.random.default_rng(run.seed)))
    prunable = _prunable(run, weights, _schedule(target, max(1, steps // 3)))
    teaching = Teaching(_filled(run, weights), prunable.model, run.heads, _LEARNING_RATE, steps)
    progress.start("Pruning", steps)
    generator = np.random.default_rng(run.seed)
    for batch in (batch for _ in range(_EPOCHS) for batch in _batches(training, run, generator)):
        prunable.count(teaching.steps)
        progress.advance(f"loss {teaching.learn(batch):.4f}")
    found = prunable.stripped()
    apart = teaching.apart(_batches(validation, run, generator))
    report = PruningReport(
        target=target,
        tensors=sparsities(run.trunk, found),
        skipped=_skipped(run.trunk),
        steps=steps,
        validation_difference=apart,
    )
    _check(report)
    progress.finish(f"{100 * target:.0f} % of the large weights are zero")
    return found, report


def _batches(histories: Histories, run: Run, generator: np.random.Generator) -> Iterator[Batch]:
    parts = crops(histories, run.window, generator)
    return batches(histories, parts, run.config.fitting.batch_events, drawn(histories, generator), generator)


def sparsities(trunk: Trunk, weights: Weights) -> dict[str, Tensor]:
    """The measured sparsity of every tensor that pruning is about."""
    kernels = (f"{name}_kernel" for name in _PRUNED)
    tensors = {name: weights[name] for name in kernels if name in weights}
    if (both := tensors.pop("lstm_kernel", None)) is not None:
        inner, recurrent = np.split(both, [len(both) - trunk.units])
        tensors |= {"lstm_kernel/input": inner, "lstm_kernel/recurrent": recurrent}
    return {name: Tensor(array.size, float(np.mean(array == 0))) for name, array in tensors.items()}


def sparsity(trunk: Trunk, weights: Weights) -> float:
    """The share of zeros among the weights that pruning is about."""
    tensors = sparsities(trunk, weights).values()
    return sum(tensor.sparsity * tensor.numbers for tensor in tensors) / sum(tensor.numbers for tensor in tensors)


def _filled(run: Run, weights: Weights) -> Any:
    model = build(run.trunk, asks=True, train_embeddings=run.spec.steps is None)
    assign(model, weights)
    return model


def _prunable(run: Run, weights: Weights, schedule: Any) -> _Prunable:
    """The train graph with its large layers wrapped; the wrappers hold the layers that are filled already."""
    wrappers: list[Any] = []

    def wrapped(layer: Any) -> Any:
        if layer.name not in _PRUNED:
            return layer
        if isinstance(layer, PairedLSTM):
            # tfmot knows Keras's own layers; of others it asks which weights it may prune.
            layer.get_prunable_weights = lambda: [layer.kernel, layer.recurrent_kernel]
        wrappers.append(sparsity_tools.prune_low_magnitude(layer, pruning_schedule=schedule))
        return wrappers[-1]

    model = tf_keras.models.clone_model(_filled(run, weights), clone_function=wrapped)
    return _Prunable(model, wrappers)


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


def _skipped(trunk: Trunk) -> dict[str, str]:
    reasons = {}
    for name in trunk.weight_shapes:
        if name.startswith("embedding_"):
            reasons[name] = "a row is a name's only meaning"
        elif name.endswith("_bias"):
            reasons[name] = "biases are few"
        elif name in _SPARED:
            reasons[name] = _SPARED[name]
    return reasons


def _check(report: PruningReport) -> None:
    for name, tensor in report.tensors.items():
        if tensor.sparsity < report.target - _ROUNDING:
            raise SparsityError(
                f"{name} has a sparsity of {tensor.sparsity:.3f} where {report.target:.3f} was asked for: "
                "train on more histories, or ask for less"
            )
