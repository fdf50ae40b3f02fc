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
        ends = [helper.make_node("Identity", [value.name], [name]) for name, (value, _) in outputs.items()]
        shapes = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, (_, shape) in outputs.items()
        ]
        constants = [numpy_helper.from_array(np.asarray(array), name) for name, array in self._constants.values()]
        graph = helper.make_graph([*self._nodes, *ends], "nearsight", self._inputs, shapes, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _constant(self, array: NDArray[Any] | np.generic) -> str:
        # The array is kept beside its name, so that its id stays its own.
        return self._constants.setdefault(id(array), (f"c{len(self._constants)}", array))[0]


class OnnxOps:
    """`nearsight.trunk.Ops` over recorded values."""

    def lookup(self, table: NDArray[np.float32], codes: Value, column: int) -> Value:
        """See `Ops`."""
        column_codes = codes.recorder.node("Gather", [codes, np.int64(column)], axis=1)
        return codes.recorder.node("Gather", [table, column_codes], width=table.shape[1])

    def concat(self, parts: Sequence[Value]) -> Value:
        """See `Ops`."""
        widths = [part.width or 0 for part in parts]
        return parts[0].recorder.node("Concat", parts, width=sum(widths), axis=1)

    def split(self, x: Value, widths: Sequence[int]) -> Sequence[Value]:
        """See `Ops`."""
        return x.recorder.split(x, widths)

    def dense(self, x: Value, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> Value:
        """See `Ops`."""
        return x.recorder.node("Gemm", [x, kernel, bias], width=kernel.shape[1])

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
