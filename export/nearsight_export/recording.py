"""An ONNX graph recorded from operations on values that stand for its tensors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

__all__ = ["OPSET", "OnnxOps", "Recorder", "Value"]

OPSET = 17  # what onnxruntime 1.14 and later run
_IR_VERSION = 8
_MANY = 3  # tables from which on one lookup for all takes fewer nodes


class Value:
    """A tensor that a node will give; `+`, `-`, `*` and `/` record nodes."""

    def __init__(self, recorder: "Recorder", name: str, width: int | None = None) -> None:
        self.recorder, self.name, self.width = recorder, name, width

    def __add__(self, other: "Value | float") -> "Value":
        term = other if isinstance(other, Value) else np.float32(other)
        return self.recorder.node("Add", [self, term], width=self.width)

    def __sub__(self, other: "Value") -> "Value":
        return self.recorder.node("Sub", [self, other], width=self.width)

    def __truediv__(self, other: "Value") -> "Value":
        return self.recorder.node("Div", [self, other], width=self.width)

    def __mul__(self, other: "Value") -> "Value":
        wider = other if self.width == 1 else self
        return self.recorder.node("Mul", [self, other], width=wider.width)

    def __rsub__(self, other: float) -> "Value":
        return self.recorder.node("Sub", [np.float32(other), self], width=self.width)


class Recorder:
    """Collects nodes and constants."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[int, tuple[str, NDArray[Any] | np.generic]] = {}
        self._inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: type[np.generic], shape: Sequence[int | str]) -> Value:
        """An input of the graph; a string in `shape` names a free dimension."""
        dtype = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        self._inputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        return Value(self, name, shape[-1] if isinstance(shape[-1], int) else None)

    def node(
        self,
        kind: str,
        inputs: Sequence[Value | NDArray[Any] | np.generic | None],
        *,
        width: int | None = None,
        output: int = 0,
        **attributes: Any,
    ) -> Value:
        """Record a node; the value stands for its output number `output`. None is an optional input left out."""
        name = f"v{len(self._nodes)}"
        names = [*[""] * output, name]
        sources = ["" if x is None else x.name if isinstance(x, Value) else self._constant(x) for x in inputs]
        self._nodes.append(helper.make_node(kind, sources, names, **attributes))
        return Value(self, name, width)

    def split(self, x: Value, widths: Sequence[int]) -> list[Value]:
        """All columns of a 2-D value in pieces; one piece is the value."""
        if len(widths) == 1:
            return [x]
        names = [f"v{len(self._nodes)}_{place}" for place in range(len(widths))]
        sizes = self._constant(np.array(widths, np.int64))
        self._nodes.append(helper.make_node("Split", [x.name, sizes], names, axis=1))
        return [Value(self, name, width) for name, width in zip(names, widths, strict=True)]

    def model(self, outputs: Mapping[str, tuple[Value, Sequence[int | str]]]) -> onnx.ModelProto:
        """The recorded graph with float32 `outputs` under their names and shapes, checked by ONNX's own checker."""
        _rename(self._nodes, {value.name: name for name, (value, _) in outputs.items()})
        shapes = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, (_, shape) in outputs.items()
        ]
        constants = [numpy_helper.from_array(np.asarray(array), name) for name, array in self._constants.values()]
        graph = helper.make_graph(self._nodes, "nearsight", self._inputs, shapes, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _constant(self, array: NDArray[Any] | np.generic) -> str:
        # The array is kept beside its name, so that its id stays its own.
        return self._constants.setdefault(id(array), (f"c{len(self._constants)}", array))[0]


def _rename(nodes: Sequence[onnx.NodeProto], names: Mapping[str, str]) -> None:
    """Give tensors the names by which they leave the graph, which no node has to copy them for."""
    for node in nodes:
        for border in (node.input, node.output):
            border[:] = [names.get(name, name) for name in border]


def _looked_up(tables: Sequence[NDArray[np.float32]], codes: Value) -> Value:
    """The tables' rows for the columns of `codes (B, K)`, side by side: `(B, E)`, by their place among all numbers."""
    widths = np.array([table.shape[1] for table in tables], np.int32)
    starts = np.cumsum([0, *(table.size for table in tables[:-1])], dtype=np.int32)
    within = np.concatenate([np.arange(width, dtype=np.int32) for width in widths])
    node, column = codes.recorder.node, np.repeat(np.arange(len(tables)), widths)
    row = node("Mul", [node("Gather", [codes, column], axis=1), np.repeat(widths, widths)])
    place = node("Add", [row, np.repeat(starts, widths) + within])
    numbers = np.concatenate([table.ravel() for table in tables])
    return node("Gather", [numbers, place], width=len(within))


class OnnxOps:
    """`nearsight.trunk.Ops` over recorded values."""

    def lookups(self, tables: Sequence[NDArray[np.float32]], codes: Value) -> Sequence[Value]:
        """See `Ops`; many tables are one, whose numbers are found one by one, since a node costs more than they do."""
        if len(tables) >= _MANY:
            return [_looked_up(tables, codes)]
        columns = [codes.recorder.node("Gather", [codes, np.int64(column)], axis=1) for column in range(len(tables))]
        pairs = zip(tables, columns, strict=True)
        return [codes.recorder.node("Gather", [table, column], width=table.shape[1]) for table, column in pairs]

    def concat(self, parts: Sequence[Value]) -> Value:
        """See `Ops`."""
        widths = [part.width or 0 for part in parts]
        return parts[0].recorder.node("Concat", parts, width=sum(widths), axis=1)

    def split(self, x: Value, widths: Sequence[int]) -> Sequence[Value]:
        """See `Ops`."""
        return x.recorder.split(x, widths)

    def dense(self, x: Value, kernel: NDArray[np.float32], bias: NDArray[np.float32] | None = None) -> Value:
        """See `Ops`."""
        return x.recorder.node("Gemm", [x, kernel, *([] if bias is None else [bias])], width=kernel.shape[1])

    def maximum(self, x: Value, y: Value) -> Value:
        """See `Ops`."""
        return x.recorder.node("Max", [x, y], width=x.width)

    def relu(self, x: Value) -> Value:
        """See `Ops`."""
        return x.recorder.node("Relu", [x], width=x.width)

    def sigmoid(self, x: Value) -> Value:
        """See `Ops`."""
        return x.recorder.node("Sigmoid", [x], width=x.width)

    def tanh(self, x: Value) -> Value:
        """See `Ops`."""
        return x.recorder.node("Tanh", [x], width=x.width)

    def softmax(self, x: Value) -> Value:
        """See `Ops`."""
        return x.recorder.node("Softmax", [x], width=x.width, axis=-1)
