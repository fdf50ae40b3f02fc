"""One artifact after another from the same weights."""

from collections.abc import Callable
from functools import cached_property

from nearsight.trunk import Trunk, Weights
from nearsight_export import onnx_graphs
from nearsight_export.ort import quantised
from nearsight_export.samples import Samples
from nearsight_export.tflite import converted
from nearsight_export.tracing import Traced, step_function, unrolled_window_function, window_function
from nearsight_export.variants import FUSED

__all__ = ["Maker"]


class Maker:
    """Makes artifacts of one model; graphs are traced once and shared by the precisions.

    Besides `variants.MEMBERS` there is `window_fused.tflite`, whose LSTM is TFLite's single operator. That operator
    keeps its state from call to call unless the caller resets the interpreter's variables, it is slower than the same
    cells unrolled (100 µs against 80 at 32 events, 81 against 40 with 8-bit weights), and integer kernels for it are
    slower still: it is a benchmark's peer and ships in no bundle.
    """

    def __init__(self, trunk: Trunk, weights: Weights, window: int, samples: Samples) -> None:
        self._trunk, self._weights, self._window_size, self._samples = trunk, weights, window, samples

    def make(self, artifact: str) -> bytes:
        """The file that `VARIANT/MEMBER` names."""
        precision, member = artifact.split("/")
        makers: dict[str, Callable[[str], bytes]] = {
            "step.tflite": lambda precision: converted(self._step, precision, self._samples.steps()),
            "window.tflite": lambda precision: converted(self._window, precision, self._samples.windows()),
            FUSED: lambda precision: converted(self._fused_window, precision, self._samples.windows()),
            "step.onnx": lambda precision: _onnx(self._step_onnx, precision),
            "window.onnx": lambda precision: _onnx(self._window_onnx, precision),
        }
        return makers[member](precision)

    @cached_property
    def _step(self) -> Traced:
        return step_function(self._trunk, self._weights)

    @cached_property
    def _window(self) -> Traced:
        return unrolled_window_function(self._trunk, self._weights, self._window_size)

    @cached_property
    def _fused_window(self) -> Traced:
        return window_function(self._trunk, self._weights, self._window_size)

    @cached_property
    def _step_onnx(self) -> bytes:
        return onnx_graphs.step_model(self._trunk, self._weights)

    @cached_property
    def _window_onnx(self) -> bytes:
        return onnx_graphs.window_model(self._trunk, self._weights)


def _onnx(model: bytes, precision: str) -> bytes:
    return quantised(model) if precision == "int8" else model
