"""NumPy alone: runs everywhere, needs the bundle's `step.npz`, and is the oracle that other runtimes are held to."""

import io
import zipfile
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from nearsight.backends.backend import Backend, bound
from nearsight.errors import BundleError
from nearsight.trunk import Trunk, Weights, step

__all__ = ["NumpyBackend", "NumpyOps", "load"]

Floats = NDArray[np.float32]


class NumpyOps:
    """The operations of `nearsight.trunk.Ops` on float32 arrays."""

    relu = staticmethod(lambda x: np.maximum(x, 0.0))
    maximum = staticmethod(np.maximum)
    tanh = staticmethod(np.tanh)

    @staticmethod
    def lookup(table: Floats, codes: NDArray[np.int32], column: int) -> Floats:
        """See `Ops.lookup`."""
        rows: Floats = table[codes[:, column]]
        return rows

    @staticmethod
    def concat(parts: Sequence[Floats]) -> Floats:
        """See `Ops.concat`."""
        return np.concatenate(parts, 1)

    @staticmethod
    def slice(x: Floats, start: int, stop: int) -> Floats:
        """See `Ops.slice`."""
        return x[:, start:stop]

    @staticmethod
    def dense(x: Floats, kernel: Floats, bias: Floats) -> Floats:
        """See `Ops.dense`."""
        product: Floats = np.dot(x, kernel)
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
        with np.load(io.BytesIO(model), allow_pickle=False) as archive:
            weights = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(f"step.npz can't be read ({error}): export it again") from error
    shapes = {name: array.shape for name, array in weights.items()}
    if shapes != trunk.weight_shapes or any(array.dtype != np.float32 for array in weights.values()):
        raise BundleError("step.npz doesn't hold the weights that its manifest describes: export it again")
    return NumpyBackend(weights, trunk)
