"""What a step is written in: the few operations that every runtime offers, and the sizes that shape a network."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

__all__ = ["Ops", "Shapes", "Sizes", "Tensors"]

Shapes = dict[str, tuple[int, ...]]
Tensors = Mapping[str, Any]  # weights by name, in the form that the library wants them


class Sizes(Protocol):
    """The widths that a network is built from."""

    @property
    def row_size(self) -> int:
        """D, of an embedded row."""
        ...

    @property
    def filters(self) -> int:
        """F, of a frame."""
        ...

    @property
    def units(self) -> int:
        """U, of the embedding."""
        ...

    @property
    def rank(self) -> int:
        """R, between the two matrices that an LSTM's kernel is the product of; 0 where it is one."""
        ...


class Ops(Protocol):
    """What a library must offer to run a step; tensors are 2-D, batch first, and know `+`, `-`, `*` and `/`."""

    def lookups(self, tables: Sequence[Any], codes: Any) -> Sequence[Any]:
        """Rows of K `tables` `(V, E)`, each for one column of `codes` `(B, K)`: parts to join, in the tables' order."""

    def concat(self, parts: Sequence[Any]) -> Any:
        """Join along the last axis."""

    def split(self, x: Any, widths: Sequence[int]) -> Sequence[Any]:
        """Cut all columns into pieces of these widths, in order."""

    def dense(self, x: Any, kernel: Any, bias: Any = None) -> Any:
        """`x @ kernel + bias`; None adds nothing."""

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
