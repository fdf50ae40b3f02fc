"""Window graphs as other tools run them: the last T events anew at every call, one thread."""

import importlib
import os
import tempfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nearsight.errors import BundleError
from nearsight.trunk import Trunk, Weights
from nearsight_export.variants import FUSED

__all__ = ["KerasWindow", "OnnxWindow", "TfliteWindow", "WindowGraph", "named", "window_graph"]

Floats = NDArray[np.float32]
Codes = NDArray[np.int32]
_INTERPRETERS = {"litert": "ai_edge_litert.interpreter", "tflite": "tflite_runtime.interpreter"}


class WindowGraph(Protocol):
    """A window graph that a runtime has loaded; one call takes up to `batch` histories."""

    batch: int

    def run(self, codes: Codes, numbers: Floats, length: Codes) -> Floats:
        """`codes (B, T, K)`, `numbers (B, T, N)`, `length (B,)` → `heads (B, O)`."""
        ...


def named(precision: str, member: str, size: int, runtime: str) -> str:
    """What a window graph is called in every table."""
    return f"{'fused ' if member == FUSED else ''}window {size} {precision} · {runtime}"


def window_graph(runtime: str, member: str, model: bytes) -> WindowGraph:
    """A window graph in the runtime "litert", "tflite" or "onnx". Raises `BundleError` where it can't be loaded."""
    if runtime == "onnx":
        return OnnxWindow(model)
    try:
        return TfliteWindow(model, runtime, keeps_state=member == FUSED)
    except (RuntimeError, ValueError) as error:
        raise BundleError(f"it can't be loaded there ({' '.join(str(error).split())})") from error


class TfliteWindow:
    """A TFLite window graph in LiteRT or tflite-runtime, one history per call; its one output, or "heads", answers.

    The fused LSTM `keeps_state` from call to call, so that each call must begin with a reset to be right.
    """

    batch = 1

    def __init__(self, model: bytes, runtime: str = "litert", *, keeps_state: bool = False) -> None:
        self._keeps_state = keeps_state
        interpreter = importlib.import_module(_INTERPRETERS[runtime]).Interpreter
        self._interpreter = interpreter(model_content=model, num_threads=1)
        self._interpreter.allocate_tensors()
        inputs = {_plain(detail["name"]): detail["index"] for detail in self._interpreter.get_input_details()}
        self._codes, self._numbers, self._length = (inputs[name] for name in ("codes", "numbers", "length"))
        outputs = {_plain(detail["name"]): detail["index"] for detail in self._interpreter.get_output_details()}
        self._heads = outputs["heads"] if len(outputs) > 1 else next(iter(outputs.values()))

    def run(self, codes: Codes, numbers: Floats, length: Codes) -> Floats:
        """See `WindowGraph.run`."""
        if self._keeps_state:
            self._interpreter.reset_all_variables()
        self._interpreter.set_tensor(self._codes, codes)
        self._interpreter.set_tensor(self._numbers, numbers)
        self._interpreter.set_tensor(self._length, length)
        self._interpreter.invoke()
        heads: Floats = self._interpreter.get_tensor(self._heads)
        return heads


class OnnxWindow:
    """An ONNX window graph in ONNX Runtime, one history per call: a quantised graph's scales span a batch."""

    batch = 1

    def __init__(self, model: bytes) -> None:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # it is on by default, and only read at import
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(self, codes: Codes, numbers: Floats, length: Codes) -> Floats:
        """See `WindowGraph.run`."""
        heads: Floats = self._session.run(["heads"], {"codes": codes, "numbers": numbers, "length": length})[0]
        return heads


class KerasWindow:
    """The trained Keras model itself, called as `model(x)` (`run`) or as `model.predict(x)` (`predict`)."""

    batch = 256

    def __init__(self, trunk: Trunk, weights: Weights, size: int) -> None:
        from nearsight_training.network import window_model

        self.model: Any = window_model(trunk, weights, size, batch=None)

    def run(self, codes: Codes, numbers: Floats, length: Codes) -> Floats:
        """See `WindowGraph.run`."""
        heads: Floats = self.model([codes, numbers, length], training=False)[0].numpy()
        return heads

    def predict(self, codes: Codes, numbers: Floats, length: Codes) -> Floats:
        """The same through Keras's batching machinery."""
        heads: Floats = self.model.predict([codes, numbers, length], verbose=0)[0]
        return heads

    def saved(self) -> bytes:
        """The model as the file that Keras saves and loads."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.keras")
            self.model.save(path)
            return path.read_bytes()


def _plain(name: str) -> str:
    return name.removeprefix("serving_default_").split(":")[0]
