"""TFLite files whose matrix products have weights of fewer than 8 bits, which TensorFlow's converter doesn't make."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from nearsight_export.grid import Grid, grid_of
from nearsight_export.rewriting import Rewriting

__all__ = ["narrowed"]

_TYPES = {4: schema.TensorType.INT4, 2: schema.TensorType.INT2}
_VERSION = 12  # of FULLY_CONNECTED: the first whose weights have a scale for each output


def narrowed(content: bytes, floats: bytes, bits: int) -> bytes:
    """An 8-bit file with the weights of its products rounded to `bits` bits where they have such a grid.

    `floats` is the same graph as it was converted without rounding: its weights are rounded once. LiteRT runs such
    products in XNNPACK, with activations of 8 bits that are quantised as they come.
    """
    file, source = Rewriting(content), Rewriting(floats)
    for product, origin in zip(file.products(), source.products(), strict=True):
        kernel = source.floats(origin.inputs[1]).T
        grid = grid_of(kernel.shape, bits)
        if grid is not None and grid.bits == bits:
            code = file.code(product)
            code.version = max(code.version, _VERSION)
            _replace(file, file.tensors[product.inputs[1]], kernel, grid)
    return file.packed()


def _replace(file: Rewriting, tensor: Any, kernel: NDArray[np.float32], grid: Grid) -> None:
    """Give a tensor a kernel's whole numbers, the first of a byte in its lowest bits, and the scale of each output."""
    share = 8 // grid.bits
    whole = grid.whole(kernel).T.reshape(-1, share).astype(np.uint8) & (2**grid.bits - 1)
    file.model.buffers[tensor.buffer].data = np.bitwise_or.reduce(
        whole << (grid.bits * np.arange(share, dtype=np.uint8)), axis=1, dtype=np.uint8
    )
    tensor.type = _TYPES[grid.bits]
    tensor.quantization.scale = grid.scales(kernel)[0]
    tensor.quantization.zeroPoint = np.zeros(kernel.shape[1], np.int64)
    tensor.quantization.quantizedDimension = 0
