"""ONNX Runtime with its telemetry switched off, which has to happen before it is imported."""

import logging
import math
import tempfile
from pathlib import Path

from nearsight.backends.onnx import REFUSALS  # switches it off

# isort: split
import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from nearsight_export.grid import FEWEST, Grid

__all__ = ["REFUSALS", "loaded", "optimised", "quantised"]

_GRID, _ZERO = Grid(8, by_column=False), 128


def loaded(content: bytes) -> onnxruntime.InferenceSession:
    """A session on one thread."""
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
    all to one side, against 0.0006 with unsigned weights. Matrices are those of TFLite's 8-bit graphs, 128 being 0: the
    tool's own grid would round once more what a pass has put on that one. Few weights stay floats, as the converter of
    TFLite has it: the nodes that turn numbers into bytes and back would take longer than that saves.
    """
    graph = onnx.load_from_string(model)
    for node in graph.graph.node:
        node.name = node.output[0]  # by which a node can be excluded
    # The quantiser takes a Gemm apart before it looks at names, and calls its product by this one.
    excluded = [name for light in _light(graph.graph) for name in (light, f"{light}_MatMul")]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.onnx"), Path(folder, "target.onnx")
        source.write_bytes(graph.SerializeToString())
        logging.disable(logging.WARNING)  # it advises to pre-process graphs; these have nothing to infer
        try:
            quantize_dynamic(
                source,
                target,
                weight_type=QuantType.QUInt8,
                nodes_to_exclude=excluded,
                extra_options={"MatMulConstBOnly": True},
            )
        finally:
            logging.disable(logging.NOTSET)
        content: bytes = _regridded(onnx.load(target), graph).SerializeToString()
        return content


def _light(graph: onnx.GraphProto) -> list[str]:
    """The nodes whose constants are all small."""
    large = {constant.name for constant in graph.initializer if math.prod(constant.dims) >= FEWEST}
    return [node.name for node in graph.node if large.isdisjoint(node.input)]


def _regridded(model: onnx.ModelProto, floats: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the matrices of `floats` on their `Grid`; the layers of window graphs hold theirs otherwise."""
    held = {each.name: each for each in model.graph.initializer}
    for source in floats.graph.initializer:
        if len(source.dims) == 2 and f"{source.name}_quantized" in held:
            matrix = numpy_helper.to_array(source)
            parts = {
                "quantized": (_GRID.whole(matrix).astype(np.int16) + _ZERO).astype(np.uint8),
                "scale": _GRID.scales(matrix).reshape(()),
                "zero_point": np.array(_ZERO, np.uint8),
            }
            for part, numbers in parts.items():
                name = f"{source.name}_{part}"
                held[name].CopyFrom(numpy_helper.from_array(numbers, name))
    return model
