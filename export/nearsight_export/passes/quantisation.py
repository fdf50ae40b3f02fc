"""Fine-tuning with the rounding of the step graph's matrix products in it, so that weights learn to live with it.

tfmot's has no Conv1D and no LSTM. What is rounded, and how, is what TFLite's dynamic-range products do: weights once,
by their `Grid`; what they are multiplied with by rows, as it comes, to 8 bits between the row's smallest and largest
number.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight_export.grid import Grid, grid_of, grids
from nearsight_export.passes.model import Desk, Model
from nearsight_export.passes.tuning import Lesson
from nearsight_export.reports import PassReport, Tensor
from nearsight_training.layers import PairedLSTM, SteppedLSTM
from nearsight_training.network import assign, canonical
from nearsight_training.progress import SILENT, Progress
from nearsight_training.tensorflow import tf, tf_keras

__all__ = ["aware", "rounding"]

_LEARNING_RATE, _STEPS = 1e-3, 400
_LEVELS = 255  # steps between the smallest and the largest number of a row


def aware(model: Model, desk: Desk, bits: int, progress: Progress = SILENT) -> tuple[Model, PassReport]:
    """Let the network learn to answer as before through weights of `bits` bits.

    Gradients pass the rounding as if it weren't there (Bengio et al. 2013). The weights that come out lie on their
    grids, so that an artifact of as many bits has the very same ones, and those that were zero are zero.
    """
    lesson, pupil = (
        Lesson(desk, "Rounding", learning_rate=_LEARNING_RATE).lasting(_STEPS),
        rounding(model, bits, train_embeddings=desk.trained),
    )
    zeros = [(variable, variable != 0) for variable in pupil.trainable_variables]

    def keep(_: int) -> None:
        for variable, alive in zeros:
            variable.assign(tf.where(alive, variable, 0))

    apart = lesson.given(model.graph(train_embeddings=desk.trained), pupil, progress, keep)
    keep(lesson.steps)
    weights, found = canonical(pupil), grids(model.trunk, bits)
    held = model.trunk.cut(weights)  # views, through which the rounding gets into the weights
    for name, grid in found.items():
        held[name][...] = grid.rounded(held[name])
    progress.finish(f"{len(found)} matrices have learned to live with {bits} bits")
    return Model(model.trunk, weights), PassReport(
        name="quantisation_aware",
        said=f"the weights of the large matrices are whole numbers of {bits} bits times a scale",
        tensors={name: Tensor.of(held[name]) for name in found},
        skipped=_skipped(held, found, bits),
        steps=lesson.steps,
        validation_difference=apart,
    )


def rounding(model: Model, bits: int, *, train_embeddings: bool = True) -> Any:
    """A train graph with a model's weights that answers as its step graph with weights of `bits` bits does."""

    answers = [columns for name, (_, columns) in model.trunk.pieces.items() if name.startswith("head_kernel")]

    def rounded(layer: Any) -> Any:
        kind = _KINDS.get(type(layer))
        if kind is None:
            return layer.__class__.from_config(layer.get_config())
        copy = kind.from_config(layer.get_config())
        copy.bits = bits
        if layer.name == "head":
            copy.parts = answers
        return copy

    graph = tf_keras.models.clone_model(model.graph(train_embeddings=train_embeddings), clone_function=rounded)
    assign(graph, model.weights)
    return graph


class _Rounded:
    """A layer whose matrix has a grid where it's large enough."""

    bits = 8

    def _product(self, x: Any, kernel: Any) -> Any:
        """Rows `(…, X)`, rounded, times a kernel `(X, Y)` that `_weights` has rounded."""
        return tf.tensordot(x if grid_of(kernel.shape, self.bits) is None else _rows(x), kernel, 1)

    def _weights(self, kernel: Any) -> Any:
        return _on_grid(kernel, grid_of(kernel.shape, self.bits))


class _Dense(_Rounded, tf_keras.layers.Dense):  # type: ignore[misc]
    parts: Sequence[slice] = (slice(None),)  # the columns of products apart

    def call(self, x: Any) -> Any:
        products = [self._product(x, self._weights(self.kernel[:, columns])) for columns in self.parts]
        return self.activation(tf.concat(products, -1) + self.bias)


class _Conv1D(_Rounded, tf_keras.layers.Conv1D):  # type: ignore[misc]
    """One whose stride is its width, as the train graphs' is: a row of the product is a window."""

    def convolution_op(self, x: Any, kernel: Any) -> Any:
        flat = tf.reshape(kernel, [-1, kernel.shape[-1]])
        windows = tf.reshape(x, [tf.shape(x)[0], tf.shape(x)[1] // kernel.shape[0], flat.shape[0]])
        return self._product(windows, self._weights(flat))


class _Embedding(_Rounded, tf_keras.layers.Embedding):  # type: ignore[misc]
    def call(self, codes: Any) -> Any:
        grid = grid_of(self.embeddings.shape, self.bits, is_product=False)
        return tf.gather(_on_grid(self.embeddings, grid), codes)


class _Gates(_Rounded):
    """An LSTM whose two kernels are one, times what comes in beside `h`."""

    kernel: Any
    recurrent_kernel: Any
    up_kernel: Any
    bias: Any
    rank: int

    def call(self, x: Any) -> Any:
        self._both = self._weights(tf.concat([self.kernel, self.recurrent_kernel], 0))
        self._up = self._weights(self.up_kernel) if self.rank else None
        return super().call(x)  # type: ignore[misc]

    def _projected(self, x: Any) -> Any:
        return x

    def _gated(self, x: Any, h: Any) -> Any:
        product = self._product(tf.concat([x, h], -1), self._both)
        return (product if self._up is None else self._product(product, self._up)) + self.bias


class _PairedLSTM(_Gates, PairedLSTM):
    pass


class _SteppedLSTM(_Gates, SteppedLSTM):
    pass


_KINDS: dict[type, Any] = {
    tf_keras.layers.Dense: _Dense,
    tf_keras.layers.Conv1D: _Conv1D,
    tf_keras.layers.Embedding: _Embedding,
    PairedLSTM: _PairedLSTM,
    SteppedLSTM: _SteppedLSTM,
}


def _on_grid(kernel: Any, grid: Grid | None) -> Any:
    """`Grid.rounded` with gradients."""
    if grid is None:
        return kernel
    largest = tf.reduce_max(tf.abs(kernel), grid.axes, keepdims=True)
    scale = tf.where(largest == 0, 1.0, largest / grid.most)
    return kernel + tf.stop_gradient(tf.round(kernel / scale) * scale - kernel)


def _rows(x: Any) -> Any:
    """What a runtime makes of rows `(…, X)` ahead of a product: their range holds 0, and 0 stays 0."""
    low = tf.minimum(tf.reduce_min(x, -1, keepdims=True), 0.0)
    high = tf.maximum(tf.reduce_max(x, -1, keepdims=True), 0.0)
    scale = tf.where(high == low, 1.0, (high - low) / _LEVELS)
    zero = tf.round(-low / scale)
    whole = tf.clip_by_value(tf.round(x / scale) + zero, 0.0, float(_LEVELS))
    return x + tf.stop_gradient((whole - zero) * scale - x)


def _skipped(weights: dict[str, NDArray[np.float32]], found: dict[str, Grid], bits: int) -> dict[str, str]:
    reasons = {}
    for name, array in weights.items():
        if name not in found:
            reasons[name] = (
                "it stays in floats: biases are few" if array.ndim == 1 else "it is small and stays in floats"
            )
        elif found[name].bits != bits:
            reasons[name] = f"it keeps {found[name].bits} bits: " + (
                "an odd number of inputs can't be read by pairs" if name.endswith("_kernel") else "it is no product"
            )
    return reasons
