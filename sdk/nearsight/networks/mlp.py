"""A multilayer perceptron on a bag of events: a dense layer on each row, their mean, a dense layer on mean and newest.

That is a network on a set, "Deep Sets" (Zaheer et al. 2017): it doesn't see in which order events came, except for the
newest and what the gaps in the rows tell. The state `(S,)` holds the frames' mean `(F,)` and their count `(1,)`; a sum
instead of the mean would grow without an end, and a device streams for months.
"""

from typing import Any

from nearsight.operations import Ops, Shapes, Sizes, Tensors

__all__ = ["averaged", "moved", "read", "state_size", "weight_shapes"]


def state_size(sizes: Sizes) -> int:
    """S, the width of the state."""
    return sizes.filters + 1


def weight_shapes(sizes: Sizes) -> Shapes:
    """`dense_kernel` stacks the rows for the mean and for the newest frame."""
    return {
        "frame_kernel": (sizes.row_size, sizes.filters),
        "frame_bias": (sizes.filters,),
        "dense_kernel": (2 * sizes.filters, sizes.units),
        "dense_bias": (sizes.units,),
    }


def moved(ops: Ops, sizes: Sizes, weights: Tensors, row: Any, state: Any) -> tuple[Any, Any, Any]:
    """A row `(B, D)` meets the state `(B, S)` → what the heads read, the embedding `(B, U)` and the next state."""
    frame, mean, next_state = averaged(ops, sizes, weights, row, state)
    embedding = read(ops, weights, mean, frame)
    return embedding, embedding, next_state


def averaged(ops: Ops, sizes: Sizes, weights: Tensors, row: Any, state: Any) -> tuple[Any, Any, Any]:
    """The row's frame `(B, F)`, the mean of all frames with it `(B, F)`, and the next state."""
    frame = ops.relu(ops.dense(row, weights["frame_kernel"], weights["frame_bias"]))
    mean, count = ops.split(state, (sizes.filters, 1))
    count = count + 1.0
    mean = mean + (frame - mean) / count
    return frame, mean, ops.concat([mean, count])


def read(ops: Ops, weights: Tensors, mean: Any, newest: Any) -> Any:
    """The second layer on the frames' mean and the newest frame, `(B, F)` each."""
    return ops.relu(ops.dense(ops.concat([mean, newest]), weights["dense_kernel"], weights["dense_bias"]))
