"""A constant of a graph's file."""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Held"]

Floats = NDArray[np.float32]


class Held(msgspec.Struct, frozen=True):
    """A constant, dequantised, with how many bits each of its numbers has there.

    `step` is the largest between two neighbouring ones, 0 for floats.
    """

    numbers: Floats
    bits: int
    step: float

    def shaped(self, shape: tuple[int, ...]) -> Iterator["Held"]:
        """As it is and transposed, where that gives `shape`; leading dimensions of one aside."""
        bare = self.numbers.reshape(self.numbers.shape[-len(shape) :]) if self._fits(shape) else None
        if bare is None:
            return
        for turned in (bare, bare.T) if bare.ndim > 1 else (bare,):
            if turned.shape == shape:
                yield msgspec.structs.replace(self, numbers=turned)

    def parted(self, shapes: Sequence[tuple[int, int]]) -> Iterator["Held"]:
        """The tables of these shapes, where it is all of them in one row."""
        sizes = [rows * width for rows, width in shapes]
        if self.numbers.shape == (sum(sizes),):
            parts = np.split(self.numbers, np.cumsum(sizes)[:-1])
            for part, shape in zip(parts, shapes, strict=True):
                yield msgspec.structs.replace(self, numbers=part.reshape(shape))

    def _fits(self, shape: tuple[int, ...]) -> bool:
        return self.numbers.ndim >= len(shape) and set(self.numbers.shape[: -len(shape)]) <= {1}
