"""TFLite files whose products read and give 8-bit integers of ranges that were measured ahead: static quantisation.

TensorFlow's converter would give 8 bits to everything, the state among it, which then drifts from event to event. Here
only the products that make the state and the embedding compute with integers. What they are added up in stays floats:
an LSTM's cells, the parity, and the answers.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise, starmap
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight_export.rewriting import Floats, Rewriting
from nearsight_export.tensors import interpreted

__all__ = ["ranged"]

Inputs = Mapping[str, NDArray[Any]]
# Where a sigmoid and a tangent hardly move any more, so that 8 bits are better spent within. The sigmoid's is the wider
# one: a gate that forgets 1/256 at each event has forgotten nearly all after 1,000.
_FLAT = {"LOGISTIC": 10.0, "TANH": 5.0}
_LEVELS, _LOWEST, _MOST = 255, -128, 127


def ranged(content: bytes, floats: bytes, samples: Sequence[Inputs]) -> bytes:
    """An 8-bit file whose inner products have ranges, calibrated on `samples`: the inputs by name, n rows each.

    `floats` is the same graph as it was converted without rounding: its weights are rounded once, and its numbers are
    what ranges are measured on.
    """
    file, source = Rewriting(content), Rewriting(floats)
    rows = ((each, slice(at, at + 1)) for each in samples for at in range(len(each["codes"])))
    seen = interpreted(floats, [{name: x[row] for name, x in each.items()} for each, row in rows])
    inner, pairs = _inner(file), zip(file.products(), source.products(), strict=True)
    _rewrite(file, {id(each): _Product(source, twin, seen) for each, twin in pairs if id(each) in inner})
    return file.packed()


class _Range(msgspec.Struct, frozen=True):
    """What 8-bit integers stand for: `(whole - zero) * scale`."""

    scale: float
    zero: int

    @classmethod
    def of(cls, numbers: Floats, most: float = np.inf) -> "_Range":
        """From the smallest number to the largest, with 0 among them and nothing beyond `most`."""
        low, high = max(min(float(numbers.min()), 0.0), -most), min(max(float(numbers.max()), 0.0), most)
        scale = (high - low) / _LEVELS or 1.0
        return cls(scale, int(np.clip(round(_LOWEST - low / scale), _LOWEST, _MOST)))


class _Product:
    """A product of the float graph with its inputs balanced: `x · W = (x / r) · (r · W)`.

    `r` evens out how large each input gets and how large its weights are (SmoothQuant, Xiao et al. 2023, with α = ½),
    so that small inputs don't vanish in the steps of large ones.
    """

    def __init__(self, source: Rewriting, product: Any, seen: Mapping[int, Floats]) -> None:
        read, weights, *bias = (int(tensor) for tensor in product.inputs if tensor >= 0)
        kernel, inputs = source.floats(weights), seen[read]
        largest, heaviest = np.abs(inputs).max(0), np.abs(kernel).max(0)
        even = np.sqrt(np.where((largest > 0) & (heaviest > 0), largest / np.maximum(heaviest, 1e-9), 1))
        self.balance = (1 / even).astype(np.float32)[np.newaxis, :]
        self.read = _Range.of(inputs * self.balance)
        self.given = seen[int(product.outputs[0])]
        self._kernel, self._bias = kernel * even, source.floats(bias[0]) if bias else None

    def weights(self, file: Rewriting, columns: slice) -> list[int]:
        """The constants that some of its results come from: weights with a scale for each, and what is added."""
        kernel = self._kernel[columns]
        largest = np.abs(kernel).max(1, keepdims=True)
        scales = np.where(largest == 0, 1, largest / _MOST).astype(np.float32)
        found = [file.constant(np.rint(kernel / scales).astype(np.int8), scales[:, 0])]
        if self._bias is not None:
            sums = scales[:, 0] * np.float32(self.read.scale)
            found.append(file.constant(np.rint(self._bias[columns] / sums).astype(np.int32), sums))
        return found


class _Part(msgspec.Struct, frozen=True):
    """Some of a product's results: where they belong, and the most that matters of their numbers."""

    tensor: int
    columns: slice
    most: float


def _inner(file: Rewriting) -> set[int]:
    """The ids of the operators that the state and the embedding come from."""
    outputs, found = file.outputs(), set[int]()
    wanted = {outputs["embedding"], outputs["next_state"]}
    for each in reversed(file.operators):
        if wanted.intersection(each.outputs):
            wanted.update(each.inputs)
            found.add(id(each))
    return found


def _rewrite(file: Rewriting, products: Mapping[int, _Product]) -> None:
    """Put integers into the place of products, by their operators' ids."""
    readers: dict[int, list[Any]] = {}
    for each in file.operators:
        for tensor in each.inputs:
            readers.setdefault(int(tensor), []).append(each)
    operators, cuts = file.operators.copy(), set[int]()
    file.operators.clear()
    for each in operators:
        if id(each) in products:
            parts, cut = _parts(file, int(each.outputs[0]), readers)
            cuts.add(id(cut))
            _round(file, each, products[id(each)], parts)
        elif id(each) not in cuts:
            file.operators.append(each)


def _parts(file: Rewriting, results: int, readers: Mapping[int, Sequence[Any]]) -> tuple[list[_Part], Any]:
    """A product's results, and what cuts them up where that is all that is done to them, for sigmoids and tangents."""
    cut, *others = readers[results]
    pieces = [int(tensor) for tensor in cut.outputs]
    flat = [_FLAT.get("".join({file.name(then) for then in readers.get(piece, ())})) for piece in pieces]
    if others or "SPLIT" not in file.name(cut) or None in flat:
        return [_Part(results, slice(None), np.inf)], None
    ends = accumulate((int(file.tensors[piece].shape[-1]) for piece in pieces), initial=0)
    found = zip(pieces, starmap(slice, pairwise(ends)), flat, strict=True)
    return [_Part(piece, columns, most or np.inf) for piece, columns, most in found], cut


def _round(file: Rewriting, product: Any, source: _Product, parts: Sequence[_Part]) -> None:
    """Round what a product reads once, multiply integers for each part, and make floats of what comes out."""
    read = int(product.inputs[0])
    even, whole = file.like(read), file.like(read, source.read.scale, source.read.zero)
    file.add("MUL", [read, file.constant(source.balance)], even)
    file.add("QUANTIZE", [even], whole)
    for part in parts:
        given = _Range.of(source.given[:, part.columns], part.most)
        found = file.like(part.tensor, given.scale, given.zero)
        weights = source.weights(file, part.columns)
        file.add("FULLY_CONNECTED", [whole, *weights], found, product.builtinOptions)
        file.add("DEQUANTIZE", [found], part.tensor)
