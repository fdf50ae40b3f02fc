"""TensorFlow functions of the step and of the unrolled window, ready for the TFLite converter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nearsight.trunk import CONV_WIDTH, Ops, Trunk, Weights, gated, heads, step
from nearsight_training.network import window_model
from nearsight_training.tensorflow import tf

__all__ = ["TensorOps", "Traced", "step_function", "unrolled_window_function", "window_function"]


@dataclass(frozen=True)
class Traced:
    """A concrete function and what owns its variables, which must live as long as it does."""

    function: Any
    owner: Any


class TensorOps:
    """`nearsight.trunk.Ops` over TensorFlow tensors."""

    def lookup(self, table: Any, codes: Any, column: int) -> Any:
        """See `Ops`."""
        return tf.gather(table, codes[:, column])

    def concat(self, parts: Sequence[Any]) -> Any:
        """See `Ops`."""
        return tf.concat(list(parts), -1)

    def slice(self, x: Any, start: int, stop: int) -> Any:
        """See `Ops`; a slice of everything is no operation."""
        return x if start == 0 and stop == x.shape[-1] else x[:, start:stop]

    def dense(self, x: Any, kernel: Any, bias: Any) -> Any:
        """See `Ops`."""
        return tf.matmul(x, kernel) + bias

    def maximum(self, x: Any, y: Any) -> Any:
        """See `Ops`."""
        return tf.maximum(x, y)

    def relu(self, x: Any) -> Any:
        """See `Ops`."""
        return tf.nn.relu(x)

    def sigmoid(self, x: Any) -> Any:
        """See `Ops`."""
        return tf.sigmoid(x)

    def tanh(self, x: Any) -> Any:
        """See `Ops`."""
        return tf.tanh(x)

    def softmax(self, x: Any) -> Any:
        """See `Ops`."""
        return tf.nn.softmax(x)


def step_function(trunk: Trunk, weights: Weights) -> Traced:
    """The step as a concrete function with a free batch size.

    `codes (B, K) int32, numbers (B, N) float32, state (B, S) float32` → `heads`, `embedding`, `next_state`.
    """
    state = tf.TensorSpec((None, trunk.state_size), tf.float32, "state")

    def call(codes: Any, numbers: Any, state: Any) -> dict[str, Any]:
        answers, embedding, next_state = step(TensorOps(), trunk, weights, codes, numbers, state)
        return {"heads": answers, "embedding": embedding, "next_state": next_state}

    return _traced(call, [*_row_specs(trunk, (None,)), state], tf.Module())


def window_function(trunk: Trunk, weights: Weights, length: int) -> Traced:
    """The window graph of plain layers as a concrete function for one history of at most `length` events.

    `codes (1, T, K) int32, numbers (1, T, N) float32, length (1,) int32` → `heads`, `embedding`. The LSTM becomes
    TFLite's single operator, which remembers its state between calls: reset the interpreter's variables before each.
    """
    model = window_model(trunk, weights, length)

    def call(codes: Any, numbers: Any, length: Any) -> dict[str, Any]:
        answers, embedding = model([codes, numbers, length])
        return {"heads": answers, "embedding": embedding}

    return _traced(call, _window_specs(trunk, length), model)


def unrolled_window_function(trunk: Trunk, weights: Weights, size: int) -> Traced:
    """The same graph with the LSTM as `ceil(T / 2)` cells of plain operators, which remembers nothing between calls."""
    ops = TensorOps()

    def call(codes: Any, numbers: Any, length: Any) -> dict[str, Any]:
        # Tables instead of arithmetic on the length: the quantiser would want ranges for whole numbers as well.
        present = tf.gather(np.tri(size + 1, size, -1, dtype=np.float32)[:, :, np.newaxis], length)[0]
        last_pair = tf.gather((np.arange(size + 1, dtype=np.int32) - 1) // 2, length)
        pooled = _pooled_frames(ops, trunk, weights, codes[0], numbers[0], present)
        embedding = tf.gather(_unrolled_cells(ops, trunk, weights, pooled), last_pair)
        return {"heads": heads(ops, trunk, weights, embedding), "embedding": embedding}

    return _traced(call, _window_specs(trunk, size), tf.Module())


def _pooled_frames(ops: Ops, trunk: Trunk, weights: Weights, codes: Any, numbers: Any, present: Any) -> Any:
    """The convolution's frames `(T, F)`, those not `present` `(T, 1)` zeroed, pooled in pairs: `(ceil(T / 2), F)`."""
    size = codes.shape[0]
    embedded = [ops.lookup(weights[f"embedding_{k}"], codes, k) for k in range(len(trunk.code_sizes))]
    rows = ops.concat([*embedded, numbers])
    padded = tf.pad(rows, [[CONV_WIDTH - 1, 0], [0, 0]])
    taps = ops.concat([padded[tap : tap + size] for tap in range(CONV_WIDTH)])
    frames = ops.relu(ops.dense(taps, weights["conv_kernel"], weights["conv_bias"]))
    even = tf.pad(frames * present, [[0, size % 2], [0, 0]])
    pairs = tf.reshape(even, [(size + 1) // 2, 2 * trunk.filters])
    return ops.maximum(pairs[:, : trunk.filters], pairs[:, trunk.filters :])


def _unrolled_cells(ops: Ops, trunk: Trunk, weights: Weights, pooled: Any) -> Any:
    """`h` after every pair: `(P, F)` → `(P, U)`.

    The frames' part of the gates, with the bias, is one product for all pairs. Were the bias added in every cell, the
    integer converter would quantise it once, for the first cell's scale, and use it in all of them.
    """
    inner, recurrent = np.split(weights["lstm_kernel"], [trunk.filters])
    projected = ops.dense(pooled, inner, weights["lstm_bias"])
    h, c = gated(ops, trunk, projected[:1], np.zeros((1, trunk.units), np.float32))
    states = [h]
    for pair in range(1, pooled.shape[0]):
        h, c = gated(ops, trunk, projected[pair : pair + 1] + tf.matmul(h, recurrent), c)
        states.append(h)
    return tf.concat(states, 0)


def _traced(call: Callable[..., dict[str, Any]], inputs: list[Any], owner: Any) -> Traced:
    function = tf.function(call, autograph=False, input_signature=inputs)
    return Traced(function.get_concrete_function(), owner)


def _row_specs(trunk: Trunk, leading: tuple[int | None, ...]) -> list[Any]:
    return [
        tf.TensorSpec((*leading, len(trunk.code_sizes)), tf.int32, "codes"),
        tf.TensorSpec((*leading, trunk.numbers), tf.float32, "numbers"),
    ]


def _window_specs(trunk: Trunk, length: int) -> list[Any]:
    return [*_row_specs(trunk, (1, length)), tf.TensorSpec((1,), tf.int32, "length")]
