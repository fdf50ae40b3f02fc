"""An LSTM alone, which moves with every event (Hochreiter & Schmidhuber 1997, forget gate of Gers et al. 2000).

The state `(S,)` holds `h` and `c` `(U,)` each. There are no frames, so the network has no use for `filters`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.operations import Ops, Shapes, Sizes, Tensors

__all__ = ["cell", "gate_shapes", "gated", "kernel_of", "moved", "state_size", "weight_shapes"]


def state_size(sizes: Sizes) -> int:
    """S, the width of the state."""
    return 2 * sizes.units


def weight_shapes(sizes: Sizes) -> Shapes:
    """See `gate_shapes`; rows come in as they are."""
    return gate_shapes(sizes, sizes.row_size)


def gate_shapes(sizes: Sizes, incoming: int) -> Shapes:
    """`lstm_kernel` stacks the rows for what comes in, `incoming` numbers, and for `h`.

    The gates are ordered input, forget, output, candidate, so that one sigmoid serves the first three. Where there is a
    rank, the kernel is the product of `lstm_down_kernel` and `lstm_up_kernel`.
    """
    read, made = incoming + sizes.units, 4 * sizes.units
    kernels: Shapes = {"lstm_kernel": (read, made)}
    if sizes.rank:
        kernels = {"lstm_down_kernel": (read, sizes.rank), "lstm_up_kernel": (sizes.rank, made)}
    return {**kernels, "lstm_bias": (made,)}


def moved(ops: Ops, sizes: Sizes, weights: Tensors, row: Any, state: Any) -> tuple[Any, Any, Any]:
    """A row `(B, D)` meets the state `(B, S)` → what the heads read, the embedding `(B, U)` and the next state."""
    units = sizes.units
    h, c = cell(ops, sizes, weights, row, *ops.split(state, (units, units)))
    return h, h, ops.concat([h, c])


def cell(ops: Ops, sizes: Sizes, weights: Tensors, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """The LSTM's cell: what comes in, `x (B, X)`, and the memory `h, c (B, U)` → the next `h, c`."""
    read, kernel = ops.concat([x, h]), "lstm_kernel"
    if sizes.rank:
        read, kernel = ops.dense(read, weights["lstm_down_kernel"]), "lstm_up_kernel"
    return gated(ops, sizes, ops.dense(read, weights[kernel], weights["lstm_bias"]), c)


def gated(ops: Ops, sizes: Sizes, gates: Any, c: Any) -> tuple[Any, Any]:
    """What the gates' logits `(B, 4·U)` make of the cells `c (B, U)`: the next `h, c`."""
    units = sizes.units
    opened, candidate = ops.split(gates, (3 * units, units))
    taken, kept, shown = ops.split(ops.sigmoid(opened), (units, units, units))
    c = kept * c + taken * ops.tanh(candidate)
    return shown * ops.tanh(c), c


def kernel_of(weights: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """The whole kernel `(X + U, 4·U)`, for what wants it in one: the product, where there is a rank."""
    if "lstm_kernel" in weights:
        return weights["lstm_kernel"]
    product: NDArray[np.float32] = weights["lstm_down_kernel"] @ weights["lstm_up_kernel"]
    return product
