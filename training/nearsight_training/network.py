"""The CNN-LSTM in tf_keras: a graph that answers at every prefix for training, and one that answers at the end.

Both hold the weights that `Trunk.weight_shapes` names. `build` makes layers that are each called once, so that a
pruning wrapper can replace any of them; `assign` and `canonical` move weights in and out.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.trunk import Trunk, Weights
from nearsight_training.tensorflow import tf, tf_keras

__all__ = ["PairedLSTM", "assign", "build", "canonical", "takes_asks", "window_model"]

_CONV_WIDTH = 3
_KERAS_GATES = (0, 1, 3, 2)  # Keras orders input, forget, candidate, output; the trunk has the candidate last


class CausalWindows(tf_keras.layers.Layer):  # type: ignore[misc]
    """Each row with the two before it, laid end to end: `(B, T, D)` → `(B, 3·T, D)`, zeros before the first row.

    A convolution with stride 3 over that is the causal one. Where `asks`, the input is `(B, 2·T, D)`: T events, then
    T now rows; now row i follows events i-1 and i and never becomes a part of another window.
    """

    def __init__(self, asks: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.asks = asks

    def call(self, rows: Any) -> Any:
        """See the class."""
        events, asks = tf.split(rows, 2, axis=1) if self.asks else (rows, None)
        before = tf.pad(events, [[0, 0], [_CONV_WIDTH - 1, 0], [0, 0]])
        windows = tf.stack([before[:, :-2], before[:, 1:-1], events], axis=2)
        if self.asks:
            windows = tf.concat([windows, tf.stack([before[:, 1:-1], events, asks], axis=2)], axis=1)
        size, width = tf.shape(rows), rows.shape[-1]
        return tf.reshape(windows, [size[0], _CONV_WIDTH * size[1], width])

    def get_config(self) -> dict[str, Any]:
        """What a copy is made from."""
        return {**super().get_config(), "asks": self.asks}


class PairedLSTM(tf_keras.layers.Layer):  # type: ignore[misc]
    """Max-pooling by two and an LSTM, answered at every prefix: frames `(B, T, F)`, none negative → `h (B, T, U)`.

    Only the pooled pairs carry the state on, so the loop has T/2 turns. A prefix of odd length ends in half a pair:
    its answer is one evaluation of the cell on that frame alone from the state before the pair, and since it carries
    nothing on, all of them are one batched evaluation outside of the loop. So are the answers to the now frames, where
    `asks`: the input is then `(B, 2·T, F)`, T event frames and T now frames, and so is the output.

    `kernel (F, 4·U)`, `recurrent_kernel (U, 4·U)`, `bias (4·U,)`; gates in the trunk's order.
    """

    def __init__(self, units: int, asks: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.asks = asks

    def build(self, shape: Any) -> None:
        """Make the weights; the forget gate starts open (Jozefowicz et al. 2015)."""
        units = self.units
        self.kernel = self.add_weight("kernel", (shape[-1], 4 * units), initializer="glorot_uniform")
        self.recurrent_kernel = self.add_weight("recurrent_kernel", (units, 4 * units), initializer="orthogonal")
        open_gate = tf.constant_initializer(np.repeat(np.array([0, 1, 0, 0], np.float32), units))
        self.bias = self.add_weight("bias", (4 * units,), initializer=open_gate)
        super().build(shape)

    def call(self, frames: Any) -> Any:
        """See the class."""
        events, asks = tf.split(frames, 2, axis=1) if self.asks else (frames, None)
        length = tf.shape(events)[1]
        even = tf.pad(events, [[0, 0], [0, length % 2], [0, 0]])
        pairs = tf.reshape(even, [tf.shape(even)[0], (length + 1) // 2, 2, frames.shape[-1]])
        h, c = self._states(self._projected(tf.reduce_max(pairs, axis=2)))
        h_before, c_before = (tf.pad(x, [[0, 0], [1, 0], [0, 0]])[:, :-1] for x in (h, c))
        h_half, _ = self._cell(self._projected(pairs[:, :, 0]), h_before, c_before)
        answers = _alternate(h_half, h)[:, :length]
        if not self.asks:
            return answers
        pending = _alternate(pairs[:, :, 0], tf.zeros_like(pairs[:, :, 0]))[:, :length]
        h_now, c_now = _alternate(h_before, h)[:, :length], _alternate(c_before, c)[:, :length]
        asked, _ = self._cell(self._projected(tf.maximum(asks, pending)), h_now, c_now)
        return tf.concat([answers, asked], axis=1)

    def _projected(self, x: Any) -> Any:
        return tf.tensordot(x, self.kernel, 1) + self.bias

    def _cell(self, projected: Any, h: Any, c: Any) -> tuple[Any, Any]:
        gates = projected + tf.tensordot(h, self.recurrent_kernel, 1)
        gate, candidate = tf.sigmoid(gates[..., : 3 * self.units]), tf.tanh(gates[..., 3 * self.units :])
        admit, forget, show = tf.split(gate, 3, axis=-1)
        c = forget * c + admit * candidate
        return show * tf.tanh(c), c

    def _states(self, projected: Any) -> tuple[Any, Any]:
        """The state after each pair: `(B, P, 4·U)` → `h, c (B, P, U)`."""
        turns = tf.transpose(projected, [1, 0, 2])
        zeros = tf.zeros([tf.shape(projected)[0], self.units])
        h, c = tf.scan(lambda state, x: self._cell(x, *state), turns, initializer=(zeros, zeros))
        return tf.transpose(h, [1, 0, 2]), tf.transpose(c, [1, 0, 2])

    def get_config(self) -> dict[str, Any]:
        """What a copy is made from."""
        return {**super().get_config(), "units": self.units, "asks": self.asks}


def _alternate(odd: Any, even: Any) -> Any:
    """Two `(B, P, …)` in turn along the middle axis: `(B, 2·P, U)`."""
    size = tf.shape(odd)
    return tf.reshape(tf.stack([odd, even], axis=2), [size[0], 2 * size[1], odd.shape[-1]])


def build(trunk: Trunk, *, asks: bool = False, dropout: float = 0.0, train_embeddings: bool = True) -> Any:
    """The train graph: a functional tf_keras model that answers after every event.

    Inputs `codes (B, T, K) int32`, `numbers (B, T, N) float32` → outputs `logits (B, T, O)`, `embedding (B, T, U)`.
    Where `asks`, both inputs are `(B, 2·T, …)`: T events and, behind them, T reserved now rows, the i-th asked after
    event i; the outputs are in the same order. `dropout` falls on what the heads read.
    """
    codes = tf_keras.Input((None, len(trunk.code_sizes)), dtype="int32", name="codes")
    numbers = tf_keras.Input((None, trunk.numbers), name="numbers")
    windows = CausalWindows(asks, name="windows")(_rows(trunk, codes, numbers, train_embeddings))
    conv = tf_keras.layers.Conv1D(trunk.filters, _CONV_WIDTH, strides=_CONV_WIDTH, activation="relu", name="conv")
    embedding = PairedLSTM(trunk.units, asks, name="lstm")(conv(windows))
    read = tf_keras.layers.Dropout(dropout)(embedding) if dropout else embedding
    logits = tf_keras.layers.Dense(trunk.outputs, name="head")(read)
    return tf_keras.Model([codes, numbers], [logits, embedding])


def window_model(trunk: Trunk, weights: Weights, length: int, *, batch: int | None = 1) -> Any:
    """The window graph: plain Conv1D, MaxPooling1D and LSTM layers, one answer at the true end.

    Inputs `codes (1, T, K) int32`, `numbers (1, T, N) float32`, `length (1,) int32` (1 to T; rows past it are padding)
    → outputs `heads (1, O)` probabilities, `embedding (1, U)`. Fold the calibration into `weights` first.
    """
    layers = tf_keras.layers
    codes = tf_keras.Input((length, len(trunk.code_sizes)), batch_size=batch, dtype="int32", name="codes")
    numbers = tf_keras.Input((length, trunk.numbers), batch_size=batch, name="numbers")
    true_length = tf_keras.Input((), batch_size=batch, dtype="int32", name="length")
    conv = layers.Conv1D(trunk.filters, _CONV_WIDTH, padding="causal", activation="relu", name="conv")
    frames = conv(_rows(trunk, codes, numbers))
    frames *= tf.cast(tf.range(length)[tf.newaxis, :] < true_length[:, tf.newaxis], tf.float32)[:, :, tf.newaxis]
    pooled = layers.MaxPooling1D(2, padding="same")(frames)
    states = layers.LSTM(trunk.units, return_sequences=True, name="lstm")(pooled)
    embedding = tf.gather(states, (true_length + 1) // 2 - 1, batch_dims=1)
    logits = layers.Dense(trunk.outputs, name="head")(embedding)
    model = tf_keras.Model([codes, numbers, true_length], [_activated(trunk, logits), embedding])
    assign(model, weights)
    return model


def takes_asks(model: Any) -> bool:
    """Whether a train graph wants now rows behind the events."""
    return bool(model.get_layer("windows").asks)


def assign(model: Any, weights: Weights) -> None:
    """Give a model made by `build` or `window_model` the canonical `weights`."""
    for layer, arrays in _layered(model, weights).items():
        model.get_layer(layer).set_weights(arrays)


def canonical(model: Any) -> dict[str, NDArray[np.float32]]:
    """The canonical weights of a model made by `build`, as float32 arrays of their own."""
    held = {layer.name: [np.array(x, np.float32) for x in layer.get_weights()] for layer in model.layers}
    weights = {name: arrays[0] for name, arrays in held.items() if name.startswith("embedding_")}
    kernel, recurrent, bias = held["lstm"]
    weights["conv_kernel"] = held["conv"][0].reshape(-1, held["conv"][0].shape[-1])
    weights["conv_bias"] = held["conv"][1]
    weights["lstm_kernel"] = np.concatenate([kernel, recurrent])
    weights["lstm_bias"] = bias
    weights["head_kernel"], weights["head_bias"] = held["head"]
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


def _layered(model: Any, weights: Weights) -> dict[str, list[NDArray[np.float32]]]:
    filters = weights["conv_kernel"].shape[1]
    kernel, bias = weights["lstm_kernel"], weights["lstm_bias"]
    if isinstance(model.get_layer("lstm"), tf_keras.layers.LSTM):
        kernel, bias = _keras_gates(kernel), _keras_gates(bias)
    tables: Mapping[str, Any] = {name: [table] for name, table in weights.items() if name.startswith("embedding_")}
    return {
        **tables,
        "conv": [weights["conv_kernel"].reshape(_CONV_WIDTH, -1, filters), weights["conv_bias"]],
        "lstm": [kernel[:filters], kernel[filters:], bias],
        "head": [weights["head_kernel"], weights["head_bias"]],
    }


def _keras_gates(x: NDArray[np.float32]) -> NDArray[np.float32]:
    gates = np.split(x, 4, axis=-1)
    return np.concatenate([gates[place] for place in _KERAS_GATES], axis=-1)
