"""The grid that a matrix's weights are rounded to: the converter's with 8 bits, that of `narrowing` with fewer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearsight.operations import Shapes
from nearsight.trunk import Trunk

__all__ = ["FEWEST", "Grid", "grid_of", "grids", "shapes"]

FEWEST = 1024  # numbers: TFLite's converter leaves smaller matrices as they are, and so do the ONNX graphs
_WHOLE = 8


@dataclass(frozen=True)
class Grid:
    """Whole numbers of `bits` bits around 0, as many below it as above, times a scale.

    Each column of a kernel `(inputs, outputs)` has its own scale where `by_column`, else the whole kernel has one.
    """

    bits: int
    by_column: bool

    @property
    def most(self) -> int:
        """The largest whole number."""
        return int(2 ** (self.bits - 1)) - 1

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of a kernel that share a scale."""
        return (0,) if self.by_column else (0, 1)

    def scales(self, kernel: NDArray[np.float32]) -> NDArray[np.float32]:
        """What 1 means, `(1, outputs)` or `(1, 1)`: the largest weight becomes `most`, and zeros stay zeros."""
        largest = np.abs(kernel).max(self.axes, keepdims=True)
        return np.where(largest == 0, np.float32(1), largest / np.float32(self.most))

    def whole(self, kernel: NDArray[np.float32]) -> NDArray[np.int8]:
        """The whole numbers nearest to the weights, of the kernel's shape."""
        whole: NDArray[np.int8] = np.rint(kernel / self.scales(kernel)).astype(np.int8)
        return whole

    def rounded(self, kernel: NDArray[np.float32]) -> NDArray[np.float32]:
        """The weights that the grid has instead, of the kernel's shape. What lies on it stays."""
        return self.whole(kernel) * self.scales(kernel)


def grid_of(shape: tuple[int, ...], bits: int, *, is_product: bool = True) -> Grid | None:
    """The grid of a matrix of that shape in a step graph at `bits` bits, or None where its weights stay floats.

    With 8 bits there's one scale, since tflite-runtime 2.14 can't run products with more of them; with fewer there's
    one for each output. XNNPACK's kernels read weights below 8 bits by pairs, so a product with an odd number of inputs
    keeps 8, as an embedding does, which is no product.
    """
    if len(shape) != 2 or np.prod(shape) < FEWEST:
        return None
    whole = bits == _WHOLE or not is_product or bool(shape[0] % 2)
    return Grid(_WHOLE, by_column=False) if whole else Grid(bits, by_column=True)


def grids(trunk: Trunk, bits: int) -> dict[str, Grid]:
    """The grids of a network's weights, by the names of its `pieces`; those that stay floats are missing."""
    found = {name: grid_of(shape, bits, is_product="_kernel" in name) for name, shape in shapes(trunk).items()}
    return {name: grid for name, grid in found.items() if grid is not None}


def shapes(trunk: Trunk) -> Shapes:
    """The shapes of a network's `pieces`."""
    stand_ins = {name: np.broadcast_to(np.float32(0), shape) for name, shape in trunk.weight_shapes.items()}
    return {name: piece.shape for name, piece in trunk.cut(stand_ins).items()}
