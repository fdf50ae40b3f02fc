"""ONNX Runtime with its telemetry switched off, which has to happen before it is imported."""

import logging
import tempfile
from pathlib import Path

from nearsight.backends.onnx import REFUSALS  # switches it off

# isort: split
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic

__all__ = ["REFUSALS", "loaded", "optimised", "quantised"]


def loaded(content: bytes) -> onnxruntime.InferenceSession:
    """A session on one thread, as the SDK runs it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def optimised(content: bytes) -> bytes:
    """The graph as ONNX Runtime runs it on this machine, its nodes fused and its constants folded."""
    with tempfile.TemporaryDirectory() as folder:
        target, options = Path(folder, "target.onnx"), onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(target)
        options.log_severity_level = 3
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        return target.read_bytes()


def quantised(model: bytes) -> bytes:
    """The same graph with 8-bit weights and activations that are quantised as they come, by onnxruntime's tool.

    The weights are unsigned, as the activations are: without a processor's dot-product instructions (VNNI), products of
    signed and unsigned bytes are added in 16 bits, which overflow. Probabilities were then off by 0.0075 in the mean,
    all to one side, against 0.0006 with unsigned weights.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.onnx"), Path(folder, "target.onnx")
        source.write_bytes(model)
        logging.disable(logging.WARNING)  # it advises to pre-process graphs; these have nothing to infer
        try:
            quantize_dynamic(source, target, weight_type=QuantType.QUInt8, extra_options={"MatMulConstBOnly": True})
        finally:
            logging.disable(logging.NOTSET)
        return target.read_bytes()
