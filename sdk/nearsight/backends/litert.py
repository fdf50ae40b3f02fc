"""LiteRT (ai-edge-litert), TensorFlow Lite's maintained successor: the default runtime."""

from ai_edge_litert.interpreter import Interpreter

from nearsight.backends.backend import Backend
from nearsight.backends.interpreter import load_interpreter
from nearsight.trunk import Trunk

__all__ = ["load"]


def load(model: bytes, trunk: Trunk) -> Backend:
    """Load a TFLite step graph. Raises `BundleError` where it can't be."""
    return load_interpreter("litert", Interpreter, model, trunk)
