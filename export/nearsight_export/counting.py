"""Counts what a step artifact has to do for one event, from its file."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import onnx
from onnx import TensorProto, shape_inference

from nearsight_export.flatbuffer import Operator, Tensor, operations
from nearsight_export.ort import optimised
from nearsight_export.work import Work

__all__ = ["work_of"]

# Operators that move numbers and compute nothing.
_MOVES = {"STRIDED_SLICE", "SLICE", "SPLIT", "SPLIT_V", "CONCATENATION", "GATHER", "RESHAPE", "PACK", "UNPACK"}
_MOVES |= {"PAD", "CAST", "Split", "Slice", "Concat", "Gather", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Cast"}
_BITS = {"float32": 32, "float16": 16, "int8": 8, "uint8": 8, "int16": 16, "int32": 32, "int64": 64, "int4": 4}
_BITS |= {"int2": 2, "uint4": 4, "bool": 8}
_KINDS = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.INT8: "int8",
    TensorProto.UINT8: "uint8",
    TensorProto.INT16: "int16",
    TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
    TensorProto.INT4: "int4",
    TensorProto.UINT4: "uint4",
    TensorProto.BOOL: "bool",
}
_PRECISIONS = {"float32": "fp32", "float16": "fp16", "uint8": "int8"}


def work_of(member: str, content: bytes) -> Work:
    """The work of a step artifact, `step.tflite` or `step.onnx`, for a batch of one."""
    if member.endswith(".tflite"):
        found = _unpacked(operations(content))
        names = [each.name for each in found]
    else:
        found = list(_nodes(onnx.load_from_string(content)))
        names = [node.op_type for node in onnx.load_from_string(optimised(content)).graph.node]
    products, weights = Counter[str](), Counter[str]()
    for each in found:
        products.update(_multiplications(each))
        for tensor in each.inputs:
            if tensor.is_constant and tensor.is_number:
                weights[_PRECISIONS.get(tensor.kind, tensor.kind)] += _bytes(_read(each, tensor))
    moves = sum(name in _MOVES for name in names)
    return Work(
        computes=len(names) - moves,
        moves=moves,
        multiplications=dict(products),
        weight_bytes=dict(weights),
        activation_bytes=sum(_bytes(tensor) for each in found for tensor in _passing(each)),
    )


def _unpacked(found: list[Operator]) -> list[Operator]:
    """Without the operators that unpack 16-bit weights; their results are constants."""
    unpacks = {id(each.outputs[0]) for each in found if _is_unpacking(each)}
    kept = [each for each in found if not _is_unpacking(each)]
    return [
        Operator(each.name, tuple(_constant(x) if id(x) in unpacks else x for x in each.inputs), each.outputs)
        for each in kept
    ]


def _is_unpacking(operator: Operator) -> bool:
    return operator.name == "DEQUANTIZE" and operator.inputs[0].is_constant


def _constant(tensor: Tensor) -> Tensor:
    return msgspec.structs.replace(tensor, is_constant=True)


def _multiplications(operator: Operator) -> dict[str, int]:
    """The multiply-accumulates of a product with a constant matrix, by its arithmetic."""
    if operator.name not in ("FULLY_CONNECTED", "Gemm", "MatMul", "MatMulInteger"):
        return {}
    rows, matrix = operator.inputs[:2]
    is_wide = matrix.kind == "int8" and rows.kind == "int16"
    arithmetic = "int16x8" if is_wide else "fp32" if matrix.kind == "float32" else "int8"
    return {arithmetic: math.prod(rows.shape[:-1]) * math.prod(matrix.shape)}


def _read(operator: Operator, tensor: Tensor) -> Tensor:
    """What an operator reads of a constant."""
    if operator.name not in ("GATHER", "Gather"):
        return tensor
    return msgspec.structs.replace(tensor, shape=operator.outputs[0].shape)


def _passing(operator: Operator) -> Iterator[Tensor]:
    yield from (tensor for tensor in operator.inputs if not tensor.is_constant)
    yield from operator.outputs


def _bytes(tensor: Tensor) -> int:
    return -(-math.prod(tensor.shape) * _BITS[tensor.kind] // 8)


def _nodes(model: onnx.ModelProto) -> Iterator[Operator]:
    """A graph's nodes with the shapes of a batch of one; tensors whose shape can't be inferred are left out."""
    for value in (*model.graph.input, *model.graph.output):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_value = 1
    graph = shape_inference.infer_shapes(model).graph
    tensors = {
        value.name: _inferred(value.type.tensor_type) for value in (*graph.input, *graph.value_info, *graph.output)
    }
    tensors |= {each.name: _held(each) for each in graph.initializer}
    for node in graph.node:
        borders = (node.input, node.output)
        yield Operator(node.op_type, *(tuple(tensors[name] for name in names if name in tensors) for names in borders))


def _inferred(kind: Any) -> Tensor:
    name = _KINDS[kind.elem_type]
    return Tensor(tuple(size.dim_value for size in kind.shape.dim), name, False, name.startswith("float"))


def _held(each: onnx.TensorProto) -> Tensor:
    """An initialiser; 8-bit and smaller integers are weights, larger ones indices."""
    name = _KINDS[each.data_type]
    return Tensor(tuple(each.dims), name, True, name.startswith("float") or _BITS[name] <= 8)
