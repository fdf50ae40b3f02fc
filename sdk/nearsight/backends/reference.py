"""NumPy alone: runs everywhere, needs the bundle's `step.npz`, and is the oracle that other runtimes are held to."""

import io
import math
import zipfile
import zlib
from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.backends.backend import Backend, bound
from nearsight.errors import BundleError
from nearsight.operations import Shapes
from nearsight.trunk import Trunk, Weights, step

__all__ = ["NumpyBackend", "NumpyOps", "load"]

Floats = NDArray[np.float32]
_FLOAT_BYTES = 4
_LARGEST_HEADER = 1024  # bytes; NumPy writes 128 for such arrays


class NumpyOps:
    """The operations of `nearsight.trunk.Ops` on float32 arrays."""

    relu = staticmethod(lambda x: np.maximum(x, 0.0))
    maximum = staticmethod(np.maximum)
    tanh = staticmethod(np.tanh)

    @staticmethod
    def lookups(tables: Sequence[Floats], codes: NDArray[np.int32]) -> Sequence[Floats]:
        """See `Ops.lookups`."""
        return [table[column] for table, column in zip(tables, codes.T, strict=True)]

    @staticmethod
    def concat(parts: Sequence[Floats]) -> Floats:
        """See `Ops.concat`."""
        return np.concatenate(parts, 1)

    @staticmethod
    def split(x: Floats, widths: Sequence[int]) -> list[Floats]:
        """See `Ops.split`; the pieces are views."""
        return [x[:, end - width : end] for width, end in zip(widths, accumulate(widths), strict=True)]

    @staticmethod
    def dense(x: Floats, kernel: Floats, bias: Floats | None = None) -> Floats:
        """See `Ops.dense`."""
        product: Floats = np.dot(x, kernel)
        if bias is not None:
            product += bias
        return product

    @staticmethod
    def sigmoid(x: Floats) -> Floats:
        """The logistic function by way of tanh, which doesn't overflow."""
        half: Floats = np.tanh(x * np.float32(0.5))
        half += 1.0
        half *= 0.5
        return half

    @staticmethod
    def softmax(x: Floats) -> Floats:
        """See `Ops.softmax`; the largest logit is subtracted first."""
        powers: Floats = np.exp(x - x.max(1, keepdims=True))
        powers /= powers.sum(1, keepdims=True)
        return powers


class NumpyBackend(Backend):
    """The step of `nearsight.trunk` on canonical weights."""

    def __init__(self, weights: Weights, trunk: Trunk) -> None:
        super().__init__("numpy", bound(partial(step, NumpyOps, trunk, weights), trunk))


def load(model: bytes, trunk: Trunk) -> NumpyBackend:
    """Load a bundle's `step.npz`. Raises `BundleError` where a weight is missing or has another shape."""
    try:
        weights = _weights(model, trunk.weight_shapes)
    except (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise BundleError(f"step.npz can't be read ({error}): export it again") from error
    if weights is None:
        raise BundleError("step.npz doesn't hold the weights that its manifest describes: export it again")
    return NumpyBackend(weights, trunk)


def _weights(model: bytes, shapes: Shapes) -> Weights | None:
    """The arrays of these shapes, or None where there are others. Never reads more than the shapes need."""
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        if sorted(archive.namelist()) != sorted(f"{name}.npy" for name in shapes):
            return None
        weights = {}
        for name, shape in shapes.items():
            size = _FLOAT_BYTES * math.prod(shape)
            with archive.open(f"{name}.npy") as member:
                content = io.BytesIO(member.read(_LARGEST_HEADER + size))
            if _header(content) != (shape, False, np.dtype("<f4")) or len(content.getbuffer()) - content.tell() != size:
                return None
            weights[name] = np.frombuffer(content.read(), "<f4").astype(np.float32).reshape(shape)
        return weights


def _header(content: io.BytesIO) -> tuple[Any, ...]:
    """An array's shape, whether it is stored by columns, and its type."""
    if np.lib.format.read_magic(content) != (1, 0):
        raise ValueError("an array has another format than NumPy's first")
    found: tuple[Any, ...] = np.lib.format.read_array_header_1_0(content)
    return found
