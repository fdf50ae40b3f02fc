"""One artifact after another from the same weights."""

from collections.abc import Callable
from functools import cached_property

from nearsight.trunk import Trunk, Weights
from nearsight_export import onnx_graphs
from nearsight_export.samples import Samples
from nearsight_export.tflite import converted
from nearsight_export.tracing import Traced, step_function, unrolled_window_function, window_function

__all__ = ["Maker"]


class Maker:
    """Makes artifacts of one model; graphs are traced once and shared by the precisions."""

    def __init__(self, trunk: Trunk, weights: Weights, window: int, samples: Samples) -> None:
        self._trunk, self._weights, self._window, self._samples = trunk, weights, window, samples

    def make(self, artifact: str) -> bytes:
        """The file that `VARIANT/MEMBER` names."""
        precision, member = artifact.split("/")
        makers: dict[str, Callable[[str], bytes]] = {
            "step.tflite": self._step_tflite,
            "window.tflite": self._window_tflite,
            "step.onnx": lambda precision: _onnx(self._step_onnx, precision),
            "window.onnx": lambda precision: _onnx(self._window_onnx, precision),
        }
        return makers[member](precision)

    def _step_tflite(self, precision: str) -> bytes:
        # With 8 bits for the whole state, its cells drift (see `bounds`).
        return converted(self._step, precision, self._samples.steps(), wide=True)

    def _window_tflite(self, precision: str) -> bytes:
        # The fused LSTM's integer kernel is scalar on x86, six times slower than plain integer operators.
        if precision == "int8-full":
            return converted(
                unrolled_window_function(self._trunk, self._weights, self._window), precision, self._samples.windows()
            )
        return converted(self._fused_window, precision)

    @cached_property
    def _step(self) -> Traced:
        return step_function(self._trunk, self._weights)

    @cached_property
    def _fused_window(self) -> Traced:
        return window_function(self._trunk, self._weights, self._window)

    @cached_property
    def _step_onnx(self) -> bytes:
        return onnx_graphs.step_model(self._trunk, self._weights)

    @cached_property
    def _window_onnx(self) -> bytes:
        return onnx_graphs.window_model(self._trunk, self._weights)


def _onnx(model: bytes, precision: str) -> bytes:
    return onnx_graphs.quantised(model) if precision == "int8" else model
