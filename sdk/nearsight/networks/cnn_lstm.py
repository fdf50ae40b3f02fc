"""The article's network: a causal convolution, max-pooling by two and an LSTM.

The state `(S,)` holds, in this order: the last two embedded rows `(2·D)`, the pending convolution frame `(F,)`, the
parity bit `(1,)`, and the LSTM's `h` and `c` `(U,)` each.
"""

from typing import Any

from nearsight.networks.cnn import CONV_WIDTH
from nearsight.networks.lstm import cell, gate_shapes
from nearsight.operations import Ops, Shapes, Sizes, Tensors

__all__ = ["CONV_WIDTH", "moved", "state_size", "weight_shapes"]


def state_size(sizes: Sizes) -> int:
    """S, the width of the state."""
    return (CONV_WIDTH - 1) * sizes.row_size + sizes.filters + 1 + 2 * sizes.units


def weight_shapes(sizes: Sizes) -> Shapes:
    """`conv_kernel` stacks the taps from the oldest row to the newest; for the LSTM see `networks.lstm`."""
    return {
        "conv_kernel": (CONV_WIDTH * sizes.row_size, sizes.filters),
        "conv_bias": (sizes.filters,),
        **gate_shapes(sizes, sizes.filters),
    }


def moved(ops: Ops, sizes: Sizes, weights: Tensors, row: Any, state: Any) -> tuple[Any, Any, Any]:
    """A row `(B, D)` meets the state `(B, S)` → what the heads read, the embedding `(B, U)` and the next state.

    The convolution is causal and the pooling is `same`: after an odd event the pooled frame is the frame itself, which
    waits as `pending`; after an even one it is the maximum of both, and only then does the LSTM move on. Since
    relu ≥ 0, a pending frame of zeros is neutral for the maximum.
    """
    width, filters, units = sizes.row_size, sizes.filters, sizes.units
    oldest, older, pending, parity, memory = ops.split(state, (width, width, filters, 1, 2 * units))

    rows = ops.concat([oldest, older, row])
    frame = ops.relu(ops.dense(rows, weights["conv_kernel"], weights["conv_bias"]))
    pooled = ops.maximum(frame, pending)
    h, c = ops.split(memory, (units, units))
    h, c = cell(ops, sizes, weights, pooled, h, c)

    waiting = 1.0 - parity
    carried = parity * ops.concat([h, c]) + waiting * memory
    return h, h, ops.concat([older, row, waiting * frame, waiting, carried])
