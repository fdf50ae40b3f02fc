"""The network's step: one event and a state in, the heads' answers and the next state out.

`step` is written once, against the few operations of `Ops`. NumPy runs it, TensorFlow traces it into TFLite and an
ONNX graph is recorded from it, so that every runtime has the same state.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Activation", "Ops", "Trunk", "Weights", "cell", "gated", "heads", "step"]

CONV_WIDTH = 3
Weights = Mapping[str, NDArray[np.float32]]


class Activation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What turns the logits `start` to `start + size` into answers."""

    kind: str  # "sigmoid", "softmax" or, for numbers, "linear"
    start: int
    size: int

    def __post_init__(self) -> None:
        if self.kind not in ("sigmoid", "softmax", "linear") or self.start < 0 or self.size < 1:
            raise ValueError("an activation is a sigmoid, a softmax or linear, of at least one logit")


class Trunk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network's shape, its state's layout and the names and shapes of its weights.

    The state `(S,)` holds, in this order: the last two embedded rows `(2·D)`, the pending convolution frame `(F,)`,
    the parity bit `(1,)`, and the LSTM's `h` and `c` `(U,)` each. Zeros are an empty history.
    """

    code_sizes: tuple[int, ...]
    embedding_sizes: tuple[int, ...]
    numbers: int
    filters: int
    units: int
    activations: tuple[Activation, ...]

    def __post_init__(self) -> None:
        sizes = (*self.code_sizes, *self.embedding_sizes, self.numbers, self.filters, self.units)
        if len(self.code_sizes) != len(self.embedding_sizes) or min(sizes) < 1:
            raise ValueError("the network's sizes don't fit each other")
        ends = [0, *(part.start + part.size for part in self.activations)]
        if [part.start for part in self.activations] != ends[:-1]:
            raise ValueError("the activations must cover the outputs without a gap")

    @property
    def row_size(self) -> int:
        """D, the width of an embedded row."""
        return sum(self.embedding_sizes) + self.numbers

    @property
    def state_size(self) -> int:
        """S, the width of the state."""
        return (CONV_WIDTH - 1) * self.row_size + self.filters + 1 + 2 * self.units

    @property
    def outputs(self) -> int:
        """O, how many numbers the heads give."""
        return sum(activation.size for activation in self.activations)

    @property
    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Every weight's name and shape.

        `conv_kernel` stacks the taps from the oldest row to the newest; `lstm_kernel` stacks the rows for the pooled
        frame and for `h`. The LSTM's gates are ordered input, forget, output, candidate, so that one sigmoid serves
        the first three (Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000, as in Keras).
        """
        embeddings = zip(self.code_sizes, self.embedding_sizes, strict=True)
        shapes: dict[str, tuple[int, ...]] = {f"embedding_{k}": shape for k, shape in enumerate(embeddings)}
        return shapes | {
            "conv_kernel": (CONV_WIDTH * self.row_size, self.filters),
            "conv_bias": (self.filters,),
            "lstm_kernel": (self.filters + self.units, 4 * self.units),
            "lstm_bias": (4 * self.units,),
            "head_kernel": (self.units, self.outputs),
            "head_bias": (self.outputs,),
        }


class Ops(Protocol):
    """What a library must offer to run `step`; tensors are 2-D, batch first, and know `+`, `-` and `*`."""

    def lookup(self, table: Any, codes: Any, column: int) -> Any:
        """Rows of `table` `(V, E)` for the codes in one column of `codes` `(B, K)`."""

    def concat(self, parts: Sequence[Any]) -> Any:
        """Join along the last axis."""

    def slice(self, x: Any, start: int, stop: int) -> Any:
        """Columns `start` to `stop`."""

    def dense(self, x: Any, kernel: Any, bias: Any) -> Any:
        """`x @ kernel + bias`."""

    def maximum(self, x: Any, y: Any) -> Any:
        """The larger of two, element by element."""

    def relu(self, x: Any) -> Any:
        """The positive part."""

    def sigmoid(self, x: Any) -> Any:
        """The logistic function."""

    def tanh(self, x: Any) -> Any:
        """The hyperbolic tangent."""

    def softmax(self, x: Any) -> Any:
        """Probabilities along the last axis."""


def step(ops: Ops, trunk: Trunk, weights: Mapping[str, Any], codes: Any, numbers: Any, state: Any) -> tuple[Any, ...]:
    """Feed one event to the network.

    `codes (B, K) int32, numbers (B, N) float32, state (B, S) float32` → `heads (B, O)`, `embedding (B, U)`,
    `next_state (B, S)`, all float32. The convolution is causal and the pooling is `same`: after an odd event the
    pooled frame is the frame itself, which waits as `pending`; after an even one it is the maximum of both, and only
    then does the LSTM move on. Since relu ≥ 0, a pending frame of zeros is neutral for the maximum.
    """
    width, filters, units = trunk.row_size, trunk.filters, trunk.units
    parity_at = (CONV_WIDTH - 1) * width + filters
    embedded = [ops.lookup(weights[f"embedding_{k}"], codes, k) for k in range(len(trunk.code_sizes))]
    row = ops.concat([*embedded, numbers])
    rows = ops.concat([ops.slice(state, 0, (CONV_WIDTH - 1) * width), row])
    pending = ops.slice(state, parity_at - filters, parity_at)
    parity = ops.slice(state, parity_at, parity_at + 1)
    memory = ops.slice(state, parity_at + 1, trunk.state_size)

    frame = ops.relu(ops.dense(rows, weights["conv_kernel"], weights["conv_bias"]))
    pooled = ops.maximum(frame, pending)
    h, c = ops.slice(memory, 0, units), ops.slice(memory, units, 2 * units)
    h, c = cell(ops, trunk, weights, pooled, h, c)

    waiting = 1.0 - parity
    carried = parity * ops.concat([h, c]) + waiting * memory
    oldest_left = ops.slice(rows, width, CONV_WIDTH * width)
    next_state = ops.concat([oldest_left, waiting * frame, waiting, carried])
    return heads(ops, trunk, weights, h), h, next_state


def cell(ops: Ops, trunk: Trunk, weights: Mapping[str, Any], pooled: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """The LSTM's cell: a pooled frame `(B, F)` and the memory `h, c (B, U)` → the next `h, c`."""
    gates = ops.dense(ops.concat([pooled, h]), weights["lstm_kernel"], weights["lstm_bias"])
    return gated(ops, trunk, gates, c)


def gated(ops: Ops, trunk: Trunk, gates: Any, c: Any) -> tuple[Any, Any]:
    """What the gates' logits `(B, 4·U)` make of the cells `c (B, U)`: the next `h, c`."""
    units = trunk.units
    gate = ops.sigmoid(ops.slice(gates, 0, 3 * units))
    candidate = ops.tanh(ops.slice(gates, 3 * units, 4 * units))
    c = ops.slice(gate, units, 2 * units) * c + ops.slice(gate, 0, units) * candidate
    return ops.slice(gate, 2 * units, 3 * units) * ops.tanh(c), c


def heads(ops: Ops, trunk: Trunk, weights: Mapping[str, Any], h: Any) -> Any:
    """The answers `(B, O)` that are read from `h (B, U)`."""
    logits = ops.dense(h, weights["head_kernel"], weights["head_bias"])
    answers = []
    for part in trunk.activations:
        piece = ops.slice(logits, part.start, part.start + part.size)
        answers.append({"sigmoid": ops.sigmoid, "softmax": ops.softmax, "linear": _same}[part.kind](piece))
    return ops.concat(answers) if len(answers) > 1 else answers[0]


def _same(x: Any) -> Any:
    return x
