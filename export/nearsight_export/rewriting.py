"""A TFLite file that is being rewritten."""

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from nearsight_export.flatbuffer import IDENTIFIER, operator_name

__all__ = ["Rewriting"]

Floats = NDArray[np.float32]
# By operator, the version that is written, which tflite-runtime 2.14 knows, and the schema's name of its options.
_KINDS = {
    "FULLY_CONNECTED": (4, "FullyConnectedOptions"),
    "DEQUANTIZE": (2, "DequantizeOptions"),
    "QUANTIZE": (1, "QuantizeOptions"),
    "MUL": (1, "MulOptions"),
}


class Rewriting:
    """The operators and tensors of a file's first subgraph; tensors are told by their numbers.

    `operators` are in the order in which they run: what is to be written may be cleared and added anew.
    """

    def __init__(self, content: bytes) -> None:
        self.model = schema.ModelT.InitFromPackedBuf(content)
        self._graph = self.model.subgraphs[0]

    @property
    def operators(self) -> list[Any]:
        """As the schema has them."""
        found: list[Any] = self._graph.operators
        return found

    @property
    def tensors(self) -> list[Any]:
        """As the schema has them."""
        found: list[Any] = self._graph.tensors
        return found

    def name(self, operator: Any) -> str:
        """An operator's kind, such as "FULLY_CONNECTED"."""
        return operator_name(self.code(operator))

    def code(self, operator: Any) -> Any:
        """Which kernel runs an operator."""
        return self.model.operatorCodes[operator.opcodeIndex]

    def products(self) -> list[Any]:
        """The products with constant matrices, in the order in which they run."""
        return [each for each in self.operators if self.name(each) == "FULLY_CONNECTED"]

    def floats(self, tensor: int) -> Floats:
        """A constant of floats."""
        content = bytes(self.model.buffers[self.tensors[tensor].buffer].data)
        return np.frombuffer(content, "<f4").reshape(self.tensors[tensor].shape).astype(np.float32)

    def outputs(self) -> dict[str, int]:
        """The graph's outputs by name."""
        return {entry.name.decode(): int(entry.tensorIndex) for entry in self.model.signatureDefs[0].outputs}

    def constant(self, array: NDArray[Any], scales: Floats | None = None) -> int:
        """A new tensor that the file holds: floats, or integers with a scale for each row."""
        made, buffer = schema.TensorT(), schema.BufferT()
        buffer.data = np.frombuffer(array.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        made.shape, made.buffer = np.array(array.shape, np.int32), len(self.model.buffers) - 1
        made.type = getattr(schema.TensorType, array.dtype.name.upper())
        if scales is not None:
            made.quantization = _scaled(scales, 0)
        return self._placed(made)

    def like(self, tensor: int, scale: float = 0.0, zero: int = 0) -> int:
        """A new tensor of another's shape: floats or, with a scale, 8-bit integers."""
        twin, made = self.tensors[tensor], schema.TensorT()
        made.shape, made.shapeSignature, made.buffer = twin.shape, twin.shapeSignature, 0
        made.type = schema.TensorType.INT8 if scale else schema.TensorType.FLOAT32
        if scale:
            made.quantization = _scaled(np.array([scale], np.float32), zero)
        return self._placed(made)

    def add(self, kind: str, inputs: Sequence[int], output: int, options: Any = None) -> None:
        """Write an operator behind those that are there."""
        version, name = _KINDS[kind]
        made = schema.OperatorT()
        made.inputs, made.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        made.opcodeIndex = self._kernel(getattr(schema.BuiltinOperator, kind), version)
        made.builtinOptions = options or getattr(schema, f"{name}T")()
        made.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        self.operators.append(made)

    def packed(self) -> bytes:
        """The file."""
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), file_identifier=IDENTIFIER)
        return bytes(builder.Output())

    def _placed(self, tensor: Any) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def _kernel(self, code: int, version: int) -> int:
        for at, each in enumerate(self.model.operatorCodes):
            if (each.builtinCode, each.version) == (code, version):
                return at
        made = schema.OperatorCodeT()
        made.builtinCode = made.deprecatedBuiltinCode = code
        made.version = version
        self.model.operatorCodes.append(made)
        return len(self.model.operatorCodes) - 1


def _scaled(scales: Floats, zero: int) -> Any:
    made = schema.QuantizationParametersT()
    made.scale, made.zeroPoint = scales, np.full(len(scales), zero, np.int64)
    made.quantizedDimension = 0
    return made
