"""Graphs that show what a runtime takes for next to nothing, for one operator more, and for arithmetic alone.

Each is a step like any other, so that it is made, loaded and called as those under test are.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.operations import Ops
from nearsight.trunk import Activation, Trunk
from nearsight_export.onnx_graphs import step_model
from nearsight_export.ort import quantised
from nearsight_export.tflite import converted
from nearsight_export.tracing import step_function

__all__ = ["ARITHMETIC", "MEMBERS", "ROWS", "SQUARE", "WIDTH", "idle", "multiplying"]

ROWS, WIDTH = 64, 256  # of the product: enough rows that arithmetic counts and not the reading of the matrix
SQUARE = Trunk(
    code_sizes=(2,),
    embedding_sizes=(1,),
    numbers=WIDTH,
    filters=1,
    units=WIDTH,
    activations=(Activation(kind="linear", start=0, size=1),),
    kind="mlp",
)
MEMBERS = {"litert": "step.tflite", "onnx": "step.onnx"}
# By runtime, each arithmetic of products (see `Work`) and the variant that has it.
ARITHMETIC = {
    "litert": {"fp32": "fp32", "int8": "int8", "int16x8": "int16x8"},
    "onnx": {"fp32": "fp32", "int8": "int8"},
}


def idle(runtime: str, trunk: Trunk, computes: int = 0, moves: int = 0) -> bytes:
    """A step that reads and gives what the trunk's does and computes next to nothing, but for some operators more.

    `computes` of them add numbers, `moves` exchange two.
    """
    return _made(runtime, "fp32", trunk, partial(_idle, computes=computes, moves=moves))


def multiplying(runtime: str, variant: str) -> bytes:
    """A step of the trunk `SQUARE` that multiplies its numbers with a square matrix."""
    return _made(runtime, variant, SQUARE, _product)


def _idle(
    ops: Ops, trunk: Trunk, weights: Any, codes: Any, numbers: Any, state: Any, *, computes: int, moves: int
) -> tuple[Any, Any, Any]:
    number = first = _looked_up(ops, trunk, weights, codes) + _first(ops, numbers, 1, trunk.numbers)
    for _ in range(computes):
        number = number + first
    if moves:
        pair = ops.concat([number, first])
        for _ in range(moves):
            pair = ops.concat(list(reversed(ops.split(pair, (1, 1)))))
        number = _first(ops, pair, 1, 2)
    heads, embedding = (ops.dense(number, _flat(1, width), _flat(width)) for width in (trunk.outputs, trunk.units))
    return heads, embedding, state + number


def _product(ops: Ops, trunk: Trunk, weights: Any, codes: Any, numbers: Any, state: Any) -> tuple[Any, Any, Any]:
    square = np.random.default_rng(0).normal(size=(trunk.numbers, trunk.units)).astype(np.float32)
    embedding = ops.dense(numbers, square, _flat(trunk.units))
    return _first(ops, embedding, trunk.outputs, trunk.units), embedding, state + _looked_up(ops, trunk, weights, codes)


def _looked_up(ops: Ops, trunk: Trunk, weights: Any, codes: Any) -> Any:
    """A number for the first code."""
    return ops.lookups([weights["table"]], _first(ops, codes, 1, len(trunk.code_sizes)))[0]


def _first(ops: Ops, x: Any, width: int, whole: int) -> Any:
    """The first columns of so many."""
    return x if width == whole else ops.split(x, (width, whole - width))[0]


def _made(runtime: str, variant: str, trunk: Trunk, body: Callable[..., Any]) -> bytes:
    table = {"table": _flat(trunk.code_sizes[0], 1)}
    if runtime == "onnx":
        model = step_model(trunk, table, body)
        return quantised(model) if variant == "int8" else model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's calibrator warns of its own interpreter
        return converted(step_function(trunk, table, body), variant, [_sample(trunk)])


def _sample(trunk: Trunk) -> dict[str, NDArray[Any]]:
    """Inputs that calibrate an integer graph."""
    rng = np.random.default_rng(0)
    return {
        "codes": np.zeros((ROWS, len(trunk.code_sizes)), np.int32),
        "numbers": rng.normal(size=(ROWS, trunk.numbers)).astype(np.float32),
        "state": rng.normal(size=(ROWS, trunk.state_size)).astype(np.float32),
    }


def _flat(*shape: int) -> NDArray[np.float32]:
    """Numbers that no converter leaves out, as it would zeros and ones."""
    return np.full(shape, 0.5, np.float32)
