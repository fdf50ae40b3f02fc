"""The numbers within a step artifact: its weights, and what lies between them when it reads an event."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import onnx
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray
from onnx import numpy_helper

from nearsight_export.flatbuffer import constants
from nearsight_export.held import Held
from nearsight_export.ort import loaded
from nearsight_export.rewriting import Rewriting

__all__ = ["Inside", "interpreted", "opened"]

Floats = NDArray[np.float32]
Inputs = Mapping[str, NDArray[Any]]
_NUMBERS = (np.float32, np.int8, np.int16)


class Inside(msgspec.Struct, frozen=True):
    """A step artifact's weights, and its other tensors: those of one event after another, `(n, W)` each.

    `outputs` are by name, `between` all, the outputs among them.
    """

    weights: tuple[Held, ...]
    between: tuple[Floats, ...]
    outputs: dict[str, Floats]


def opened(member: str, content: bytes, events: Sequence[Inputs]) -> Inside:
    """Look into a step artifact while it reads single `events`, each the graph's inputs by name."""
    return (_tflite if member.endswith(".tflite") else _onnx)(content, events)


def _tflite(content: bytes, events: Sequence[Inputs]) -> Inside:
    """In TFLite's own kernels: XNNPACK, which is quicker, keeps what lies between to itself.

    It also runs a few graphs that these kernels refuse, of which only the weights are told then.
    """
    fixed = constants(content)
    weights = tuple(_unbalanced(content, fixed))
    try:
        rows, outputs = _interpreted(content, fixed, events)
    except RuntimeError:
        return Inside(weights, (), {})
    return Inside(weights, tuple(rows.values()), outputs)


def _unbalanced(content: bytes, fixed: Mapping[int, Held]) -> Iterator[Held]:
    """The constants; weights and biases that `static_range` has balanced and cut into parts as they were before."""
    file, parts = Rewriting(content), dict[int, list[Sequence[int]]]()
    makers = {int(each.outputs[0]): each for each in file.operators}
    for product in file.products():
        rounded = makers.get(int(product.inputs[0]))
        even = makers.get(int(rounded.inputs[0])) if rounded and file.name(rounded) == "QUANTIZE" else None
        if even and file.name(even) == "MUL" and int(even.inputs[1]) in fixed:
            parts.setdefault(int(even.inputs[1]), []).append([int(tensor) for tensor in product.inputs[1:]])
    for balance, products in parts.items():
        kernel, *bias = (_joined([fixed[tensor] for tensor in each]) for each in zip(*products, strict=True))
        yield msgspec.structs.replace(kernel, numbers=kernel.numbers * fixed[balance].numbers)
        yield from bias
    done = {tensor for products in parts.values() for each in products for tensor in each}
    yield from (held for tensor, held in fixed.items() if tensor not in done)


def _joined(parts: Sequence[Held]) -> Held:
    """Rows that were cut from one."""
    return Held(np.concatenate([each.numbers for each in parts]), parts[0].bits, max(each.step for each in parts))


def interpreted(content: bytes, events: Sequence[Inputs]) -> dict[int, Floats]:
    """A TFLite step's tensors by their numbers, those of one of the single `events` after another: `(n, W)` each.

    Raises `RuntimeError` where TFLite's own kernels refuse the graph.
    """
    return _interpreted(content, constants(content), events)[0]


def _interpreted(
    content: bytes, fixed: Collection[int], events: Sequence[Inputs]
) -> tuple[dict[int, Floats], dict[str, Floats]]:
    """The tensors that aren't `fixed`, by their numbers, and the outputs among them by name. Raises `RuntimeError`."""
    interpreter = Interpreter(
        model_content=content,
        num_threads=1,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    inputs = {each["name"]: each["index"] for each in interpreter.get_input_details()}
    interpreter.allocate_tensors()
    details = [each for each in interpreter.get_tensor_details() if each["index"] not in fixed and _is_row(each)]
    seen: list[list[Floats]] = [[] for _ in details]
    for event in events:
        for name, index in inputs.items():
            interpreter.set_tensor(index, event[name])
        interpreter.invoke()
        for found, each in zip(seen, details, strict=True):
            found.append(_row(interpreter.get_tensor(each["index"]), *each["quantization"]))
    rows = {each["index"]: np.concatenate(found) for found, each in zip(seen, details, strict=True)}
    return rows, {each["name"]: rows[each["index"]] for each in interpreter.get_output_details()}


def _is_row(detail: Mapping[str, Any]) -> bool:
    """Whether a tensor holds numbers, one row for one event."""
    return len(detail["shape"]) == 2 and detail["shape"][0] == 1 and detail["dtype"] in _NUMBERS


def _row(array: NDArray[Any], scale: float, zero_point: int) -> Floats:
    return (array.astype(np.float32) - zero_point) * np.float32(scale) if scale else array.astype(np.float32)


def _onnx(content: bytes, events: Sequence[Inputs]) -> Inside:
    """As the graph is written: what ONNX Runtime would fuse stays apart where each tensor is asked for."""
    model = onnx.load_from_string(content)
    borders = {value.name for value in model.graph.output}
    names = [name for node in model.graph.node for name in node.output if name and name not in borders]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    session, every = loaded(model.SerializeToString()), [*sorted(borders), *names]
    seen = zip(every, *(session.run(every, event) for event in events), strict=True)
    rows = {name: np.concatenate(arrays) for name, *arrays in seen if _is_floats(arrays[0])}
    outputs = {name: rows[name] for name in borders}
    return Inside(tuple(_initialisers(model)), tuple(rows.values()), outputs)


def _is_floats(array: NDArray[Any]) -> bool:
    return array.ndim == 2 and len(array) == 1 and array.dtype == np.float32


def _initialisers(model: onnx.ModelProto) -> Iterator[Held]:
    """Constants; integers with a scale beside them under the names that onnxruntime's tools give are dequantised."""
    arrays = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    for name, array in arrays.items():
        stem, _, suffix = name.rpartition("_")
        if suffix == "quantized" and f"{stem}_scale" in arrays:
            scale = arrays[f"{stem}_scale"]
            zero = arrays.get(f"{stem}_zero_point", np.zeros(1)).astype(np.float32)
            bits = 4 if "int4" in str(array.dtype) else 8 * array.dtype.itemsize
            yield Held(((array.astype(np.float32) - zero) * scale).astype(np.float32), bits, float(np.max(scale)))
        elif array.dtype in (np.float32, np.float16):
            yield Held(array.astype(np.float32), 8 * array.dtype.itemsize, 0.0)
