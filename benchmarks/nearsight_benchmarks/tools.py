"""The same network as other tools convert it, each used as its documentation tells.

`python -m nearsight_benchmarks.tools FOLDER` works off a job of `nearsight_export.conversion` in a process of its own,
so that a tool that dies names its artifact and takes nothing with it.

- TFLite's defaults: https://ai.google.dev/edge/litert/models/post_training_quantization, dynamic range
- onnxruntime: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
- ai-edge-quantizer: https://github.com/google-ai-edge/ai-edge-quantizer, the recipe for CPUs
"""

import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from nearsight.trunk import Trunk, Weights
from nearsight_export.conversion import work_off
from nearsight_export.errors import ConversionError
from nearsight_export.onnx_graphs import step_model
from nearsight_export.ort import REFUSALS as _REFUSALS  # noqa: F401  # switches telemetry off
from nearsight_export.samples import Samples

# isort: split
# After what switches its telemetry off.
from onnxruntime.quantization import CalibrationDataReader, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

__all__ = ["ARTIFACTS", "COMMAND", "STEPS", "Tools"]

COMMAND = (sys.executable, "-m", "nearsight_benchmarks.tools")
_TFLITE, _DYNAMIC, _STATIC, _EDGE = "TFLite defaults", "quantize_dynamic", "quantize_static", "ai-edge-quantizer"
STEPS = (f"{_TFLITE}/step.tflite", f"{_EDGE}/step.tflite", f"{_DYNAMIC}/step.onnx", f"{_STATIC}/step.onnx")
ARTIFACTS = (*STEPS, f"{_TFLITE}/window.tflite")


class Tools:
    """Makes the artifacts named `TOOL/MEMBER`; a tool is imported where it is used."""

    def __init__(self, trunk: Trunk, weights: Weights, window: int, samples: Samples) -> None:
        self._trunk, self._weights, self._window, self._samples = trunk, weights, window, samples

    def make(self, artifact: str) -> bytes:
        """The file that `TOOL/MEMBER` names. Raises `ConversionError` where the tool isn't installed."""
        makers = (self._tflite_step, self._edge_step, self._dynamic_step, self._static_step, self._tflite_window)
        return dict(zip(ARTIFACTS, makers, strict=True))[artifact]()

    def _tflite_step(self) -> bytes:
        return _optimised(self._step_converter())

    def _tflite_window(self) -> bytes:
        """The Keras model with its answers alone, the LSTM fused."""
        from nearsight_training.network import window_model
        from nearsight_training.tensorflow import tf, tf_keras

        model = window_model(self._trunk, self._weights, self._window)
        alone = tf_keras.Model(model.inputs, model.outputs[0])
        return _optimised(tf.lite.TFLiteConverter.from_keras_model(alone))

    def _edge_step(self) -> bytes:
        try:
            from ai_edge_quantizer import quantizer, recipe
        except ImportError:
            raise ConversionError("it needs pip install 'nearsight[benchmarks]'") from None
        tool = quantizer.Quantizer(bytearray(self._step_converter().convert()))
        tool.load_quantization_recipe(recipe.dynamic_wi8_afp32())
        return bytes(tool.quantize().quantized_model)

    def _dynamic_step(self) -> bytes:
        return self._quantised(quantize_dynamic)

    def _static_step(self) -> bytes:
        return self._quantised(partial(quantize_static, calibration_data_reader=_Reader(self._samples)))

    def _quantised(self, quantise: Callable[[Path, Path], None]) -> bytes:
        """The float graph pre-processed, then quantised from one file to another."""
        with tempfile.TemporaryDirectory() as folder:
            source, ready, target = (Path(folder, f"{name}.onnx") for name in ("source", "ready", "target"))
            source.write_bytes(step_model(self._trunk, self._weights))
            quant_pre_process(source, ready, skip_symbolic_shape=True)  # which is for transformers, and wants sympy
            quantise(ready, target)
            return target.read_bytes()

    def _step_converter(self) -> Any:
        from nearsight_export.tracing import step_function
        from nearsight_training.tensorflow import tf

        graph = step_function(self._trunk, self._weights)
        return tf.lite.TFLiteConverter.from_concrete_functions([graph.function], graph.owner)


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
    """Real steps with the states that they met."""

    def __init__(self, samples: Samples) -> None:
        self._left = iter(samples.steps())

    def get_next(self) -> Mapping[str, Any] | None:
        """The next batch, None after the last one."""
        return next(self._left, None)


def _optimised(converter: Any) -> bytes:
    from nearsight_training.tensorflow import tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return bytes(converter.convert())


if __name__ == "__main__":
    work_off(Path(sys.argv[1]), Tools)
