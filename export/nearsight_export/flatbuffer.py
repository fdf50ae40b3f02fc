"""Reading and tidying TFLite files: their operators, plain names at their borders, nothing that no device needs."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

__all__ = ["foreign_operators", "operators", "tidied"]

_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16  # bytes; the schema's `force_align` of a buffer, which the Python generator doesn't know of
_BUILTIN_NAMES = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int) and name.isupper()
}


def operators(content: bytes) -> Counter[str]:
    """How often each operator occurs in a TFLite file; custom ones, Flex among them, as `CUSTOM:NAME`."""
    model = schema.ModelT.InitFromPackedBuf(content)
    names = [_operator_name(code) for code in model.operatorCodes]
    return Counter(names[operator.opcodeIndex] for graph in model.subgraphs for operator in graph.operators or ())


def foreign_operators(content: bytes) -> list[str]:
    """The operators that a runtime with built-in kernels alone can't run, sorted; Flex operators belong to them."""
    return sorted(name for name in operators(content) if name.startswith("CUSTOM"))


def tidied(content: bytes) -> bytes:
    """The same graph with its border tensors named as its signature names them and every other name dropped.

    Inputs and outputs stand in the alphabetical order of their names. The converter's descriptions and metadata go;
    weights stay aligned to 16 bytes.
    """
    model = schema.ModelT.InitFromPackedBuf(content)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.name = None
    main, signature = model.subgraphs[0], model.signatureDefs[0]
    main.inputs = _named(main, signature.inputs)
    main.outputs = _named(main, signature.outputs)
    model.description, model.metadata, model.metadataBuffer = None, None, None
    builder = _AlignedBuilder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _named(graph: Any, border: Sequence[Any]) -> list[int]:
    """Name the tensors of one border, and give their indices in the alphabetical order of their names."""
    for entry in border:
        graph.tensors[entry.tensorIndex].name = entry.name
    return [entry.tensorIndex for entry in sorted(border, key=lambda entry: _text(entry.name))]


class _AlignedBuilder(flatbuffers.Builder):  # type: ignore[misc]  # the library has no types
    """Places byte vectors, which in this schema are buffers of weights, as the schema demands."""

    def CreateNumpyVector(self, x: NDArray[Any]) -> Any:  # noqa: N802  # the library's name
        if x.dtype != np.uint8:
            return super().CreateNumpyVector(x)
        self.StartVector(1, x.size, _ALIGNMENT)
        self.head -= x.size
        self.Bytes[self.head : self.head + x.size] = x.tobytes()
        self.vectorNumElems = x.size
        return self.EndVector()


def _operator_name(code: Any) -> str:
    builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
    if builtin == schema.BuiltinOperator.CUSTOM:
        return f"CUSTOM:{_text(code.customCode)}"
    return str(_BUILTIN_NAMES[builtin])


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
