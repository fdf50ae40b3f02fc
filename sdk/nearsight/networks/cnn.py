"""A convolution alone: causal, its frames' maximum over the whole history, a dense layer.

The state `(S,)` holds the last two embedded rows `(2·D)` and the running maximum `(F,)`. Since relu ≥ 0, zeros are
neutral for the maximum. A maximum never forgets: how often or how long ago something was, the gaps in the rows must
tell.
"""

from typing import Any

from nearsight.operations import Ops, Shapes, Sizes, Tensors

__all__ = ["CONV_WIDTH", "moved", "read", "state_size", "weight_shapes"]

CONV_WIDTH = 3


def state_size(sizes: Sizes) -> int:
    """S, the width of the state."""
    return (CONV_WIDTH - 1) * sizes.row_size + sizes.filters


def weight_shapes(sizes: Sizes) -> Shapes:
    """`conv_kernel` stacks the taps from the oldest row to the newest."""
    return {
        "conv_kernel": (CONV_WIDTH * sizes.row_size, sizes.filters),
        "conv_bias": (sizes.filters,),
        "dense_kernel": (sizes.filters, sizes.units),
        "dense_bias": (sizes.units,),
    }


def moved(ops: Ops, sizes: Sizes, weights: Tensors, row: Any, state: Any) -> tuple[Any, Any, Any]:
    """A row `(B, D)` meets the state `(B, S)` → what the heads read, the embedding `(B, U)` and the next state."""
    width, kept = sizes.row_size, (CONV_WIDTH - 1) * sizes.row_size
    oldest, newer = ops.slice(state, 0, width), ops.slice(state, width, kept)
    rows = ops.concat([oldest, newer, row])
    frame = ops.relu(ops.dense(rows, weights["conv_kernel"], weights["conv_bias"]))
    largest = ops.maximum(frame, ops.slice(state, kept, kept + sizes.filters))
    embedding = read(ops, weights, largest)
    return embedding, embedding, ops.concat([newer, row, largest])


def read(ops: Ops, weights: Tensors, largest: Any) -> Any:
    """The embedding `(B, U)` of the frames' maximum `(B, F)`."""
    return ops.relu(ops.dense(largest, weights["dense_kernel"], weights["dense_bias"]))
