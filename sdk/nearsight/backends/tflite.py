"""tflite-runtime 2.14, for boards that still need it: Linux, Python ≤ 3.11, NumPy < 2."""

import sys

import numpy as np

if np.lib.NumpyVersion(np.__version__) >= "2.0.0" or "tensorflow" in sys.modules:
    raise ImportError("tflite-runtime ends the process beside NumPy 2 or TensorFlow")

from tflite_runtime.interpreter import Interpreter

from nearsight.backends.backend import Backend
from nearsight.backends.interpreter import load_interpreter
from nearsight.trunk import Trunk

__all__ = ["load"]


def load(model: bytes, trunk: Trunk) -> Backend:
    """Load a TFLite step graph. Raises `BundleError` where it can't be."""
    return load_interpreter("tflite", Interpreter, model, trunk)
