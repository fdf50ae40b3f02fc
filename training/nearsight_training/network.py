"""The network in tf_keras: a graph that answers at every prefix for training, and one that answers at the end.

Both hold the weights that `Trunk.weight_shapes` names. `build` makes layers that are each called once, so that a
pruning wrapper can replace any of them; `assign` and `canonical` move weights in and out.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.networks.lstm import kernel_of
from nearsight.trunk import CONV_WIDTH, Trunk, Weights
from nearsight_training.bodies import BODIES, WINDOW_BODIES, newest
from nearsight_training.layers import PairedLSTM
from nearsight_training.tensorflow import tf, tf_keras

__all__ = ["PairedLSTM", "assign", "build", "canonical", "takes_asks", "window_model"]

_KERAS_GATES = (0, 1, 3, 2)  # Keras orders input, forget, candidate, output; the trunk has the candidate last


def build(trunk: Trunk, *, asks: bool = False, dropout: float = 0.0, train_embeddings: bool = True) -> Any:
    """The train graph: a functional tf_keras model that answers after every event.

    Inputs `codes (B, T, K) int32`, `numbers (B, T, N) float32` → outputs `logits (B, T, O)`, `embedding (B, T, U)`.
    Where `asks`, both inputs are `(B, 2·T, …)`: T events and, behind them, T reserved now rows, the i-th asked after
    event i; the outputs are in the same order. `dropout` falls on what the heads read.
    """
    codes = tf_keras.Input((None, len(trunk.code_sizes)), dtype="int32", name="codes")
    numbers = tf_keras.Input((None, trunk.numbers), name="numbers")
    rows = _rows(trunk, codes, numbers, train_embeddings)
    given, embedding = BODIES[trunk.kind](trunk, rows, asks)
    read = tf.concat([given, rows], -1) if trunk.skip else given
    read = tf_keras.layers.Dropout(dropout)(read) if dropout else read
    logits = tf_keras.layers.Dense(trunk.outputs, name="head")(read)
    return tf_keras.Model([codes, numbers], [logits, embedding])


def window_model(trunk: Trunk, weights: Weights, length: int, *, batch: int | None = 1) -> Any:
    """The window graph: plain Keras layers, for the CNN-LSTM Conv1D, MaxPooling1D and LSTM, one answer at the true end.

    Inputs `codes (1, T, K) int32`, `numbers (1, T, N) float32`, `length (1,) int32` (1 to T; rows past it are padding)
    → outputs `heads (1, O)` probabilities, `embedding (1, U)`. Fold the calibration into `weights` first.
    """
    codes = tf_keras.Input((length, len(trunk.code_sizes)), batch_size=batch, dtype="int32", name="codes")
    numbers = tf_keras.Input((length, trunk.numbers), batch_size=batch, name="numbers")
    true_length = tf_keras.Input((), batch_size=batch, dtype="int32", name="length")
    rows = _rows(trunk, codes, numbers)
    given, embedding = WINDOW_BODIES[trunk.kind](trunk, rows, true_length)
    read = tf.concat([given, newest(rows, true_length)], -1) if trunk.skip else given
    logits = tf_keras.layers.Dense(trunk.outputs, name="head")(read)
    model = tf_keras.Model([codes, numbers, true_length], [_activated(trunk, logits), embedding])
    assign(model, weights)
    return model


def takes_asks(model: Any) -> bool:
    """Whether a train graph wants now rows behind the events."""
    return any(getattr(layer, "asks", False) for layer in model.layers)


def assign(model: Any, weights: Weights) -> None:
    """Give a model made by `build` or `window_model` the canonical `weights`."""
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(_arrays(layer, weights))


def canonical(model: Any) -> dict[str, NDArray[np.float32]]:
    """The canonical weights of a model made by `build`, as float32 arrays of their own."""
    weights: dict[str, NDArray[np.float32]] = {}
    for layer in model.layers:
        arrays = [np.array(x, np.float32) for x in layer.get_weights()]
        if len(arrays) == 1:
            weights[layer.name] = arrays[0]
        elif arrays:
            *kernels, weights[f"{layer.name}_bias"] = arrays
            name = f"{layer.name}_kernel"
            if isinstance(layer, PairedLSTM) and layer.rank:
                name, weights["lstm_up_kernel"] = "lstm_down_kernel", kernels.pop()
            weights[name] = np.concatenate([kernel.reshape(-1, kernel.shape[-1]) for kernel in kernels])
    return weights


def _rows(trunk: Trunk, codes: Any, numbers: Any, train_embeddings: bool = True) -> Any:
    start = "uniform" if train_embeddings else "zeros"
    parts = []
    for k, (codes_known, width) in enumerate(zip(trunk.code_sizes, trunk.embedding_sizes, strict=True)):
        table = tf_keras.layers.Embedding(codes_known, width, start, name=f"embedding_{k}", trainable=train_embeddings)
        parts.append(table(codes[:, :, k]))
    return tf.concat([*parts, numbers] if trunk.numbers else parts, axis=-1)


def _activated(trunk: Trunk, logits: Any) -> Any:
    functions = {"sigmoid": tf.sigmoid, "softmax": tf.nn.softmax, "linear": tf.identity}
    parts = [functions[part.kind](logits[:, part.start : part.start + part.size]) for part in trunk.activations]
    return tf.concat(parts, axis=-1) if len(parts) > 1 else parts[0]


def _arrays(layer: Any, weights: Weights) -> list[NDArray[np.float32]]:
    """What a layer holds of the weights."""
    if layer.name in weights:
        return [weights[layer.name]]
    if layer.name == "lstm":
        return _lstm_arrays(layer, weights)
    kernel, bias = weights[f"{layer.name}_kernel"], weights[f"{layer.name}_bias"]
    if layer.name == "conv":
        kernel = kernel.reshape(CONV_WIDTH, -1, kernel.shape[1])
    return [kernel, bias]


def _lstm_arrays(layer: Any, weights: Weights) -> list[NDArray[np.float32]]:
    """An LSTM has a kernel for what comes in and one for `h`; Keras's own knows no rank."""
    bias, up = weights["lstm_bias"], []
    if isinstance(layer, tf_keras.layers.LSTM):
        kernel, bias = _keras_gates(kernel_of(weights)), _keras_gates(bias)
    elif layer.rank:
        kernel, up = weights["lstm_down_kernel"], [weights["lstm_up_kernel"]]
    else:
        kernel = weights["lstm_kernel"]
    return [*np.split(kernel, [len(kernel) - layer.units]), *up, bias]


def _keras_gates(x: NDArray[np.float32]) -> NDArray[np.float32]:
    gates = np.split(x, 4, axis=-1)
    return np.concatenate([gates[place] for place in _KERAS_GATES], axis=-1)
