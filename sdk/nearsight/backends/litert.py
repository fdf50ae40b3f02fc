"""LiteRT (ai-edge-litert), TensorFlow Lite's maintained successor: the default runtime."""

from ai_edge_litert.interpreter import Interpreter

from nearsight.backends.interpreter import InterpreterBackend
from nearsight.trunk import Trunk

__all__ = ["load"]


def load(model: bytes, trunk: Trunk) -> InterpreterBackend:
    """Load a TFLite step graph. Raises `BundleError` where it can't be."""
    return InterpreterBackend("litert", Interpreter, model, trunk)
