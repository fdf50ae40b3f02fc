"""Reading and tidying TFLite files: their operators, plain names at their borders, nothing that no device needs."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import flatbuffers
import msgspec
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from nearsight_export.held import Held

__all__ = [
    "IDENTIFIER",
    "Operator",
    "Tensor",
    "constants",
    "foreign_operators",
    "operations",
    "operator_name",
    "operators",
    "tidied",
]

IDENTIFIER = b"TFL3"
_ALIGNMENT = 16  # bytes; the schema's `force_align` of a buffer, which the Python generator doesn't know of
_KINDS: dict[int, np.dtype[Any]] = {
    schema.TensorType.FLOAT32: np.dtype("<f4"),
    schema.TensorType.FLOAT16: np.dtype("<f2"),
    schema.TensorType.INT8: np.dtype("i1"),
    schema.TensorType.INT16: np.dtype("<i2"),
    schema.TensorType.INT32: np.dtype("<i4"),
    schema.TensorType.INT64: np.dtype("<i8"),
}
_FLOATS = (schema.TensorType.FLOAT32, schema.TensorType.FLOAT16)
_PACKED = {schema.TensorType.INT4: 4, schema.TensorType.INT2: 2}  # bits of each number, several to a byte
_KIND_NAMES = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
_BUILTIN_NAMES = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int) and name.isupper()
}


def operators(content: bytes) -> Counter[str]:
    """How often each operator occurs in a TFLite file; custom ones, Flex among them, as `CUSTOM:NAME`."""
    model = schema.ModelT.InitFromPackedBuf(content)
    names = [operator_name(code) for code in model.operatorCodes]
    return Counter(names[operator.opcodeIndex] for graph in model.subgraphs for operator in graph.operators or ())


class Tensor(msgspec.Struct, frozen=True):
    """A tensor of a TFLite file: its shape (a free dimension counts as one), its type, and whether the file holds it.

    `is_number` says that it isn't an index or a shape: a float, or an integer with a scale.
    """

    shape: tuple[int, ...]
    kind: str
    is_constant: bool
    is_number: bool


class Operator(msgspec.Struct, frozen=True):
    """An operator and its tensors; inputs that are left out are missing."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def operations(content: bytes) -> list[Operator]:
    """A TFLite file's operators in the order in which they run; the first subgraph's."""
    model = schema.ModelT.InitFromPackedBuf(content)
    graph, names = model.subgraphs[0], [operator_name(code) for code in model.operatorCodes]
    tensors = [_tensor(model, tensor) for tensor in graph.tensors]
    return [
        Operator(
            names[each.opcodeIndex],
            tuple(tensors[place] for place in each.inputs if place >= 0),
            tuple(tensors[place] for place in each.outputs),
        )
        for each in graph.operators
    ]


def _tensor(model: Any, tensor: Any) -> Tensor:
    shape = () if tensor.shape is None else tuple(int(abs(size)) for size in tensor.shape)
    is_scaled = tensor.quantization is not None and tensor.quantization.scale is not None
    kind = _KIND_NAMES[tensor.type]
    is_constant = model.buffers[tensor.buffer].data is not None
    return Tensor(shape, kind, is_constant, kind.startswith("float") or is_scaled)


def foreign_operators(content: bytes) -> list[str]:
    """The operators that a runtime with built-in kernels alone can't run, sorted; Flex operators belong to them."""
    return sorted(name for name in operators(content) if name.startswith("CUSTOM"))


def constants(content: bytes) -> dict[int, Held]:
    """The tensors that a TFLite file holds, by their numbers."""
    model = schema.ModelT.InitFromPackedBuf(content)
    tensors = model.subgraphs[0].tensors
    held = {number: (tensor, model.buffers[tensor.buffer].data) for number, tensor in enumerate(tensors)}
    return {
        number: _dequantised(tensor, np.asarray(data, np.uint8))
        for number, (tensor, data) in held.items()
        if data is not None and tensor.shape is not None and (tensor.type in _KINDS or tensor.type in _PACKED)
    }


def _dequantised(tensor: Any, data: NDArray[np.uint8]) -> Held:
    bits = _PACKED.get(tensor.type) or 8 * _KINDS[tensor.type].itemsize
    array = _unpacked(data, bits) if bits < 8 else data.view(_KINDS[tensor.type])
    found = array[: int(np.prod(tensor.shape))].reshape(tensor.shape).astype(np.float32)
    told = tensor.quantization
    if told is None or told.scale is None:
        return Held(found, bits, 0.0 if tensor.type in _FLOATS else 1.0)
    along = [1] * found.ndim
    if len(told.scale) > 1:
        along[told.quantizedDimension] = len(told.scale)
    zero = np.zeros(1) if told.zeroPoint is None else np.asarray(told.zeroPoint)
    zero = np.broadcast_to(zero, len(told.scale)).reshape(along)
    scale = np.asarray(told.scale, np.float32).reshape(along)
    return Held(((found - zero) * scale).astype(np.float32), bits, float(scale.max()))


def _unpacked(data: NDArray[np.uint8], bits: int) -> NDArray[np.int8]:
    """Signed numbers of 2 or 4 bits, the lowest bits of each byte first."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    raw = (data[:, None] >> shifts & (2**bits - 1)).astype(np.int8).ravel()
    signed: NDArray[np.int8] = np.where(raw >= 2 ** (bits - 1), raw - 2**bits, raw).astype(np.int8)
    return signed


def tidied(content: bytes) -> bytes:
    """The same graph with its border tensors named as its signature names them and every other name dropped.

    Inputs and outputs stand in the alphabetical order of their names. What no runtime reads goes: the converter's
    descriptions and metadata, empty quantisations and buffers, free sizes inside of the graph. What is alike is written
    once, and weights stay aligned to 16 bytes.
    """
    model = schema.ModelT.InitFromPackedBuf(content)
    main, signature = model.subgraphs[0], model.signatureDefs[0]
    border = {entry.tensorIndex for entry in (*signature.inputs, *signature.outputs)}
    for graph in model.subgraphs:
        for index, tensor in enumerate(graph.tensors):
            _strip(tensor, model.buffers, is_border=graph is main and index in border)
    main.inputs = _named(main, signature.inputs)
    main.outputs = _named(main, signature.outputs)
    for graph in model.subgraphs:
        _renumber(graph, model.signatureDefs if graph is main else ())
    _drop_unused(model)
    model.description, model.metadata, model.metadataBuffer = None, None, None
    builder = _SharingBuilder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _strip(tensor: Any, buffers: Sequence[Any], *, is_border: bool) -> None:
    """Take from a tensor what no runtime reads; one without data has the first buffer, which is empty by definition."""
    tensor.name = None
    if not is_border:
        tensor.shapeSignature = None
    if tensor.quantization is not None and tensor.quantization.scale is None:
        tensor.quantization = None
    if buffers[tensor.buffer].data is None:
        tensor.buffer = 0


def _renumber(graph: Any, signatures: Sequence[Any]) -> None:
    """Leave out the tensors that no operator has to do with."""
    ends = [*graph.operators, graph]
    used = sorted({int(tensor) for each in ends for tensor in (*each.inputs, *each.outputs) if tensor >= 0})
    place = {-1: -1, **{tensor: at for at, tensor in enumerate(used)}}
    graph.tensors = [graph.tensors[tensor] for tensor in used]
    for each in ends:
        each.inputs, each.outputs = (
            np.array([place[int(tensor)] for tensor in tensors], np.int32) for tensors in (each.inputs, each.outputs)
        )
    for entry in (each for signature in signatures for each in (*signature.inputs, *signature.outputs)):
        entry.tensorIndex = place[entry.tensorIndex]


def _drop_unused(model: Any) -> None:
    """Keep the first buffer and those that tensors use."""
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    used = sorted({0, *(tensor.buffer for tensor in tensors)})
    place = {buffer: index for index, buffer in enumerate(used)}
    model.buffers = [model.buffers[buffer] for buffer in used]
    for tensor in tensors:
        tensor.buffer = place[tensor.buffer]


def _named(graph: Any, border: Sequence[Any]) -> list[int]:
    """Name the tensors of one border, and give their indices in the alphabetical order of their names."""
    for entry in border:
        graph.tensors[entry.tensorIndex].name = entry.name
    return [entry.tensorIndex for entry in sorted(border, key=lambda entry: _text(entry.name))]


class _SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]  # the library has no types
    """Writes equal vectors and names once, and places byte vectors, here buffers of weights, as the schema demands."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._written: dict[tuple[str, bytes], Any] = {}

    def CreateNumpyVector(self, x: NDArray[Any]) -> Any:  # noqa: N802  # the library's name
        key = (x.dtype.str, x.tobytes())
        if key not in self._written:
            self._written[key] = self._aligned(x) if x.dtype == np.uint8 else super().CreateNumpyVector(x)
        return self._written[key]

    def CreateString(self, s: bytes | str, encoding: str = "utf-8", errors: str = "strict") -> Any:  # noqa: N802
        key = ("name", s if isinstance(s, bytes) else s.encode(encoding, errors))
        if key not in self._written:
            self._written[key] = super().CreateString(s, encoding, errors)
        return self._written[key]

    def _aligned(self, x: NDArray[np.uint8]) -> Any:
        self.StartVector(1, x.size, _ALIGNMENT)
        self.head -= x.size
        self.Bytes[self.head : self.head + x.size] = x.tobytes()
        self.vectorNumElems = x.size
        return self.EndVector()


def operator_name(code: Any) -> str:
    """The kind of operator that a code of the schema stands for; a custom one is `CUSTOM:NAME`."""
    builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
    if builtin == schema.BuiltinOperator.CUSTOM:
        return f"CUSTOM:{_text(code.customCode)}"
    return str(_BUILTIN_NAMES[builtin])


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
