"""The float32 step with its tensors kept, as the reference for those within an artifact."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nearsight.backends.reference import NumpyOps
from nearsight.trunk import Weights

__all__ = ["Tape"]

Floats = NDArray[np.float32]


class Tape:
    """`nearsight.trunk.Ops` in NumPy that keeps the tensors which every runtime's graph has as well, in `signals`.

    They have the names of their kernels, or say what they are: "row", "pooled", "gates", "candidate", "cells", and for
    each of the trunk's `answers` "logits", "logits_1" and so on. A product counts after its relu, where it has one:
    converters make one operator of both.
    """

    def __init__(self, weights: Weights) -> None:
        self.signals: dict[str, Floats] = {}
        self._names = {id(weight): name.removesuffix("_kernel") for name, weight in weights.items()}
        self._head, self._answers = weights["head_kernel"], 0

    def lookups(self, tables: Sequence[Floats], codes: NDArray[np.int32]) -> Sequence[Floats]:
        """See `Ops`."""
        return NumpyOps.lookups(tables, codes)

    def concat(self, parts: Sequence[Floats]) -> Floats:
        """See `Ops`; the first one joins the row."""
        return self._kept("row", NumpyOps.concat(parts))

    def split(self, x: Floats, widths: Sequence[int]) -> Sequence[Floats]:
        """See `Ops`."""
        return NumpyOps.split(x, widths)

    def dense(self, x: Floats, kernel: Floats, bias: Floats | None = None) -> Floats:
        """See `Ops`; a product with constants that are no weights has no name."""
        product, name = NumpyOps.dense(x, kernel, bias), self._names.get(id(kernel))
        if np.shares_memory(kernel, self._head):
            name, self._answers = f"logits_{self._answers}" if self._answers else "logits", self._answers + 1
        return self._kept(name, product) if name else product

    def maximum(self, x: Floats, y: Floats) -> Floats:
        """See `Ops`; it pools."""
        result: Floats = np.maximum(x, y)
        return self._kept("pooled", result)

    def relu(self, x: Floats) -> Floats:
        """See `Ops`; it takes its product's place."""
        result: Floats = np.maximum(x, 0.0)
        self.signals |= {name: result for name, signal in self.signals.items() if signal is x}
        return result

    def sigmoid(self, x: Floats) -> Floats:
        """See `Ops`; before the logits it opens an LSTM's gates, after them it answers."""
        result = NumpyOps.sigmoid(x)
        return result if "logits" in self.signals else self._kept("gates", result)

    def tanh(self, x: Floats) -> Floats:
        """See `Ops`; the first is of an LSTM's candidate, the second of its cells."""
        if "candidate" in self.signals:
            self._kept("cells", x)
        result: Floats = np.tanh(x)
        return self._kept("candidate", result)

    def softmax(self, x: Floats) -> Floats:
        """See `Ops`."""
        return NumpyOps.softmax(x)

    def _kept(self, name: str, signal: Floats) -> Floats:
        self.signals.setdefault(name, signal)
        return signal
