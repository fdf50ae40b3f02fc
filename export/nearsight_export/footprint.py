"""How many bytes a step artifact takes: its weights, counted from the network's shape, and the graph around them."""

from dataclasses import dataclass

import numpy as np

from nearsight.trunk import Trunk
from nearsight_export.grid import Grid, grid_of, shapes

__all__ = ["Footprint"]

_ALIGNMENT = 16  # bytes, to which each weight is filled up
_FLOAT, _BIAS = 4, 8  # bytes of a number where it isn't rounded, and of a bias in an integer graph
_COLUMN = 12  # bytes of a column's own scale and zero point
_RANGED = 16  # bytes of a column's scale, of its bias's, and of the zero point that both share
_BITS = {"int8": 8, "int8-full": 8, "int4": 4}


@dataclass(frozen=True)
class Footprint:
    """What `step.tflite` takes of one kind of network at one precision, whatever its filters and units.

    `graph` are the bytes that aren't weights: operators, tensors, and scales.
    """

    variant: str
    graph: int

    @classmethod
    def of(cls, trunk: Trunk, variant: str, content: bytes) -> "Footprint":
        """That of a network's own artifact `content`."""
        return cls(variant, len(content) - _weighed(trunk, variant))

    def bytes(self, trunk: Trunk) -> int:
        """What the artifact of another shape takes. It may be some 100 bytes less where more matrices stay floats."""
        return self.graph + _weighed(trunk, self.variant)


def _weighed(trunk: Trunk, variant: str) -> int:
    """The bytes of all weights."""
    sizes = (_size(name, shape, variant) for name, shape in shapes(trunk).items())
    return sum(size + -size % _ALIGNMENT for size in sizes)


def _size(name: str, shape: tuple[int, ...], variant: str) -> int:
    numbers = int(np.prod(shape))
    if variant == "int8-full" and name.endswith("_kernel") and not name.startswith("head"):
        return numbers + _RANGED * shape[1] + _FLOAT * shape[0]
    match variant:
        case "int8" | "int4" | "int8-full":
            grid = grid_of(shape, _BITS[variant], is_product="_kernel" in name)
            return _FLOAT * numbers if grid is None else _rounded(shape, grid)
        case "int16x8":
            return numbers if len(shape) == 2 else _BIAS * numbers
        case "fp16":
            return _FLOAT // 2 * numbers
    return _FLOAT * numbers


def _rounded(shape: tuple[int, ...], grid: Grid) -> int:
    scales = _COLUMN * shape[1] if grid.by_column else 0
    return int(np.prod(shape)) * grid.bits // 8 + scales
