"""An LSTM alone, which moves with every event (Hochreiter & Schmidhuber 1997, forget gate of Gers et al. 2000).

The state `(S,)` holds `h` and `c` `(U,)` each. There are no frames, so the network has no use for `filters`.
"""

from typing import Any

from nearsight.operations import Ops, Shapes, Sizes, Tensors

__all__ = ["cell", "gated", "moved", "state_size", "weight_shapes"]


def state_size(sizes: Sizes) -> int:
    """S, the width of the state."""
    return 2 * sizes.units


def weight_shapes(sizes: Sizes) -> Shapes:
    """`lstm_kernel` stacks the rows for what comes in and for `h`.

    The gates are ordered input, forget, output, candidate, so that one sigmoid serves the first three.
    """
    return {
        "lstm_kernel": (sizes.row_size + sizes.units, 4 * sizes.units),
        "lstm_bias": (4 * sizes.units,),
    }


def moved(ops: Ops, sizes: Sizes, weights: Tensors, row: Any, state: Any) -> tuple[Any, Any, Any]:
    """A row `(B, D)` meets the state `(B, S)` → what the heads read, the embedding `(B, U)` and the next state."""
    units = sizes.units
    h, c = cell(ops, sizes, weights, row, *ops.split(state, (units, units)))
    return h, h, ops.concat([h, c])


def cell(ops: Ops, sizes: Sizes, weights: Tensors, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """The LSTM's cell: what comes in, `x (B, X)`, and the memory `h, c (B, U)` → the next `h, c`."""
    gates = ops.dense(ops.concat([x, h]), weights["lstm_kernel"], weights["lstm_bias"])
    return gated(ops, sizes, gates, c)


def gated(ops: Ops, sizes: Sizes, gates: Any, c: Any) -> tuple[Any, Any]:
    """What the gates' logits `(B, 4·U)` make of the cells `c (B, U)`: the next `h, c`."""
    units = sizes.units
    opened, candidate = ops.split(gates, (3 * units, units))
    taken, kept, shown = ops.split(ops.sigmoid(opened), (units, units, units))
    c = kept * c + taken * ops.tanh(candidate)
    return shown * ops.tanh(c), c
