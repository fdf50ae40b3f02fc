"""TensorFlow functions of the step and of the unrolled window, ready for the TFLite converter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nearsight.trunk import Trunk, Weights, heads, step
from nearsight_export.unrolled import unrolled
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

    def lookups(self, tables: Sequence[Any], codes: Any) -> Sequence[Any]:
        """See `Ops`; XNNPACK runs none of this, so that one unpacking is much faster than a slice for each column."""
        return [tf.gather(table, column) for table, column in zip(tables, tf.unstack(codes, axis=1), strict=True)]

    def concat(self, parts: Sequence[Any]) -> Any:
        """See `Ops`."""
        return tf.concat(list(parts), -1)

    def split(self, x: Any, widths: Sequence[int]) -> Sequence[Any]:
        """See `Ops`; one piece is no operation, and pieces of one width need no list of widths."""
        if len(widths) == 1:
            return [x]
        pieces: Sequence[Any] = tf.split(x, len(widths) if len(set(widths)) == 1 else list(widths), -1)
        return pieces

    def dense(self, x: Any, kernel: Any, bias: Any = None) -> Any:
        """See `Ops`."""
        product = tf.matmul(x, kernel)
        return product if bias is None else product + bias

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


def step_function(trunk: Trunk, weights: Weights, body: Callable[..., Any] = step) -> Traced:
    """The step as a concrete function with a free batch size.

    `codes (B, K) int32, numbers (B, N) float32, state (B, S) float32` → `heads`, `embedding`, `next_state`, as `body`
    computes them.
    """
    state = tf.TensorSpec((None, trunk.state_size), tf.float32, "state")

    def call(codes: Any, numbers: Any, state: Any) -> dict[str, Any]:
        answers, embedding, next_state = body(TensorOps(), trunk, weights, codes, numbers, state)
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
    """The same graph with an LSTM as so many cells of plain operators, which remembers nothing between calls."""
    ops = TensorOps()

    def call(codes: Any, numbers: Any, length: Any) -> dict[str, Any]:
        read, embedding = unrolled(ops, trunk, weights, codes, numbers, length)
        return {"heads": heads(ops, trunk, weights, read), "embedding": embedding}

    return _traced(call, _window_specs(trunk, size), tf.Module())


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
