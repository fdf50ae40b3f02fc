"""What LiteRT and tflite-runtime have in common: the TFLite `Interpreter` and the step graph's tensors in it."""

import ctypes
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.backends.backend import Backend, Binding, tensors
from nearsight.backends.greeting import without_greeting
from nearsight.errors import BundleError
from nearsight.trunk import Trunk

__all__ = ["load_interpreter"]


def load_interpreter(name: str, interpreter: Callable[..., Any], model: bytes, trunk: Trunk) -> Backend:
    """Load a TFLite step graph: one interpreter for each binding. Raises `BundleError` where it can't be."""
    new = partial(interpreter, model_content=model, num_threads=1)
    with without_greeting():
        return Backend(name, partial(_binding, new, trunk))


def _binding(new: Callable[[], Any], trunk: Trunk, batch: int) -> Binding:
    """An interpreter's tensors where they lie, found by name.

    Copying them in and out call by call took two fifths of a step. Their place is fixed: an interpreter moves tensors
    only when it allocates them anew, which nothing asks of it, or in its first run, which is over.
    """
    expected = tensors(trunk, batch)
    try:
        interpreter = new()
        indices = {detail["name"]: detail["index"] for detail in interpreter.get_input_details()}
        for name in indices:
            interpreter.resize_tensor_input(indices[name], expected[name].shape)
        interpreter.allocate_tensors()
        for name, index in indices.items():  # what lies there would be codes outside of their tables
            interpreter.set_tensor(index, expected[name])
        interpreter.invoke()
        indices |= {detail["name"]: detail["index"] for detail in interpreter.get_output_details()}
        found = {name: _in_place(interpreter.tensor(indices[name])()) for name in expected}
    except (KeyError, MemoryError, RuntimeError, ValueError) as error:
        raise BundleError(_refusal(str(error))) from error
    if any((found[name].shape, found[name].dtype) != (expected[name].shape, expected[name].dtype) for name in expected):
        raise BundleError("step.tflite doesn't have the manifest's inputs and outputs: export it again")
    return Binding(found, interpreter.invoke)


def _refusal(said: str) -> str:
    """One sentence about a graph that can't be loaded."""
    unknown = re.search(r"builtin opcode '(\w+)' version '(\d+)'", said)
    if unknown:
        return (
            f"step.tflite needs {unknown[1]} in version {unknown[2]}, which this runtime is too old for: run it with "
            "pip install 'nearsight[litert]', or export it as int8"
        )
    return f"step.tflite can't be loaded ({' '.join(said.split())}): export it again"


def _in_place(view: NDArray[Any]) -> NDArray[Any]:
    """The memory of `view` without its reference to the interpreter, which refuses to run while there is one."""
    address = view.__array_interface__["data"][0]
    buffer = memoryview((ctypes.c_char * view.nbytes).from_address(address))
    return np.ndarray(view.shape, view.dtype, buffer)
