"""The network's step: one event and a state in, the heads' answers and the next state out.

`step` is written once, against the few operations of `Ops`. NumPy runs it, TensorFlow traces it into TFLite and an
ONNX graph is recorded from it, so that every runtime has the same state.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.networks import cnn, cnn_lstm, lstm, mlp, vae
from nearsight.networks.cnn_lstm import CONV_WIDTH
from nearsight.operations import Ops, Shapes, Sizes, Tensors

__all__ = ["CONV_WIDTH", "Activation", "Kind", "Ops", "Trunk", "Weights", "embedded", "heads", "step"]

Kind = Literal["cnn_lstm", "lstm", "cnn", "mlp", "vae"]
Weights = Mapping[str, NDArray[np.float32]]
_LARGEST = 1_000_000  # numbers in a row, a state or an answer: a bundle couldn't hold the weights of more


class Network(Protocol):
    """What a module of `nearsight.networks` offers."""

    def state_size(self, sizes: Sizes, /) -> int:
        """S, the width of the state."""

    def weight_shapes(self, sizes: Sizes, /) -> Shapes:
        """The shapes of its own weights by their names, those of embeddings and heads left out."""

    def moved(self, ops: Ops, sizes: Sizes, weights: Tensors, row: Any, state: Any, /) -> tuple[Any, Any, Any]:
        """A row `(B, D)` meets the state `(B, S)` → what the heads read, the embedding `(B, U)` and the next state."""


_NETWORKS: Mapping[Kind, Network] = {"cnn_lstm": cnn_lstm, "lstm": lstm, "cnn": cnn, "mlp": mlp, "vae": vae}


class Activation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What turns the logits `start` to `start + size` into answers."""

    kind: str  # "sigmoid", "softmax" or, for numbers, "linear"
    start: int
    size: int

    def __post_init__(self) -> None:
        if self.kind not in ("sigmoid", "softmax", "linear") or self.start < 0 or self.size < 1:
            raise ValueError("an activation is a sigmoid, a softmax or linear, of at least one logit")


class Trunk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The network's kind and shape, its state's size and the names and shapes of its weights.

    What the state `(S,)` holds, the kind's module in `nearsight.networks` says. Zeros are an empty history. With `skip`
    the heads read the newest row as well: what just happened needn't pass through the state to be seen. Of an LSTM,
    `rank` says that its kernel is the product of two thinner matrices (see `networks.lstm`).
    """

    code_sizes: tuple[int, ...]
    embedding_sizes: tuple[int, ...]
    numbers: int
    filters: int
    units: int
    activations: tuple[Activation, ...]
    kind: Kind = "cnn_lstm"
    skip: bool = False
    rank: int = 0

    def __post_init__(self) -> None:
        sizes = (*self.code_sizes, *self.embedding_sizes, self.numbers, self.filters, self.units)
        if len(self.code_sizes) != len(self.embedding_sizes) or min(*sizes, self.given_size) < 1:
            raise ValueError("the network's sizes don't fit each other")
        if max(*self.code_sizes, self.row_size, self.state_size, self.outputs, self.units) > _LARGEST:
            raise ValueError(f"the network has sizes of more than {_LARGEST}")
        if self.rank and ("lstm_bias" not in self.weight_shapes or not 0 < self.rank <= _LARGEST):
            raise ValueError("a rank must be that of an LSTM's kernel, and at least 1")
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
        return _NETWORKS[self.kind].state_size(self)

    @property
    def given_size(self) -> int:
        """How many numbers the network gives the heads: the embedding, without the anomaly score of a `vae`."""
        return self.units - (self.kind == "vae")

    @property
    def read_size(self) -> int:
        """How many numbers the heads read."""
        return self.given_size + (self.row_size if self.skip else 0)

    @property
    def outputs(self) -> int:
        """O, how many numbers the heads give."""
        return sum(activation.size for activation in self.activations)

    @property
    def answers(self) -> tuple[Activation, ...]:
        """The activations as a step runs them, each with a product of its own: neighbours of one kind are one.

        Every softmax stays apart. Products apart are quantised apart, so that a few yes/no answers don't share the
        scale of hundreds of names.
        """
        found: list[Activation] = []
        for part in self.activations:
            if found and found[-1].kind == part.kind != "softmax":
                found[-1] = msgspec.structs.replace(found[-1], size=found[-1].size + part.size)
            else:
                found.append(part)
        return tuple(found)

    @property
    def pieces(self) -> dict[str, tuple[str, slice]]:
        """The weights as a step holds them, by a name each: which canonical one it is cut from, and what columns.

        They are the canonical ones but for the heads', which are cut where there are several `answers`.
        """
        found = {name: (name, slice(None)) for name in self.weight_shapes}
        if len(self.answers) > 1:
            for name in ("head_kernel", "head_bias"):
                del found[name]
                found |= {f"{name}_{at}": (name, _columns(part)) for at, part in enumerate(self.answers)}
        return found

    def cut(self, weights: Weights) -> dict[str, NDArray[np.float32]]:
        """Canonical weights in `pieces`."""
        return {name: weights[whole][..., columns] for name, (whole, columns) in self.pieces.items()}

    @property
    def weight_shapes(self) -> Shapes:
        """Every weight's name and shape."""
        embeddings = zip(self.code_sizes, self.embedding_sizes, strict=True)
        shapes: Shapes = {f"embedding_{k}": shape for k, shape in enumerate(embeddings)}
        heads: Shapes = {"head_kernel": (self.read_size, self.outputs), "head_bias": (self.outputs,)}
        return shapes | _NETWORKS[self.kind].weight_shapes(self) | heads


def step(ops: Ops, trunk: Trunk, weights: Tensors, codes: Any, numbers: Any, state: Any) -> tuple[Any, ...]:
    """Feed one event to the network.

    `codes (B, K) int32, numbers (B, N) float32, state (B, S) float32` → `heads (B, O)`, `embedding (B, U)`,
    `next_state (B, S)`, all float32.
    """
    row = embedded(ops, trunk, weights, codes, numbers)
    given, embedding, next_state = _NETWORKS[trunk.kind].moved(ops, trunk, weights, row, state)
    read = ops.concat([given, row]) if trunk.skip else given
    return heads(ops, trunk, weights, read), embedding, next_state


def embedded(ops: Ops, trunk: Trunk, weights: Tensors, codes: Any, numbers: Any) -> Any:
    """Rows `(B, D)`: the codes' embeddings, then the numbers."""
    tables = [weights[f"embedding_{k}"] for k in range(len(trunk.code_sizes))]
    return ops.concat([*ops.lookups(tables, codes), numbers])


def heads(ops: Ops, trunk: Trunk, weights: Tensors, read: Any) -> Any:
    """The answers `(B, O)` to what the heads read, `(B, trunk.read_size)`."""
    functions = {"sigmoid": ops.sigmoid, "softmax": ops.softmax, "linear": _same}
    answers = [
        functions[part.kind](
            ops.dense(read, weights["head_kernel"][:, _columns(part)], weights["head_bias"][_columns(part)])
        )
        for part in trunk.answers
    ]
    return ops.concat(answers) if len(answers) > 1 else answers[0]


def _columns(part: Activation) -> slice:
    return slice(part.start, part.start + part.size)


def _same(x: Any) -> Any:
    return x
