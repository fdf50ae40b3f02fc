"""The article's network: a causal convolution, max-pooling by two and an LSTM.

The state `(S,)` holds, in this order: the last two embedded rows `(2·D)`, the pending convolution frame `(F,)`, the
parity bit `(1,)`, and the LSTM's `h` and `c` `(U,)` each.
"""

from typing import Any

from nearsight.networks.cnn import CONV_WIDTH
from nearsight.networks.lstm import cell
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
        "lstm_kernel": (sizes.filters + sizes.units, 4 * sizes.units),
        "lstm_bias": (4 * sizes.units,),
    }


def moved(ops: Ops, sizes: Sizes, weights: Tensors, row: Any, state: Any) -> tuple[Any, Any, Any]:
    """A row `(B, D)` meets the state `(B, S)` → what the heads read, the embedding `(B, U)` and the next state.

    The convolution is causal and the pooling is `same`: after an odd event the pooled frame is the frame itself, which
    waits as `pending`; after an even one it is the maximum of both, and only then does the LSTM move on. Since
    relu ≥ 0, a pending frame of zeros is neutral for the maximum.
    """
    width, filters, units = sizes.row_size, sizes.filters, sizes.units
    parity_at = (CONV_WIDTH - 1) * width + filters
    oldest, newer = ops.slice(state, 0, width), ops.slice(state, width, (CONV_WIDTH - 1) * width)
    rows = ops.concat([oldest, newer, row])
    pending = ops.slice(state, parity_at - filters, parity_at)
    parity = ops.slice(state, parity_at, parity_at + 1)
    memory = ops.slice(state, parity_at + 1, parity_at + 1 + 2 * units)

    frame = ops.relu(ops.dense(rows, weights["conv_kernel"], weights["conv_bias"]))
    pooled = ops.maximum(frame, pending)
    h, c = ops.slice(memory, 0, units), ops.slice(memory, units, 2 * units)
    h, c = cell(ops, sizes, weights, pooled, h, c)

    waiting = 1.0 - parity
    carried = parity * ops.concat([h, c]) + waiting * memory
    return h, h, ops.concat([newer, row, waiting * frame, waiting, carried])
