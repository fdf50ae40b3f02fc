"""What LiteRT and tflite-runtime have in common: the TFLite `Interpreter` and the step graph's tensors in it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.errors import BundleError
from nearsight.trunk import Trunk

__all__ = ["InterpreterBackend"]

Floats = NDArray[np.float32]


class InterpreterBackend:
    """A TFLite step graph: one interpreter for single events and, once asked for, another for batches."""

    def __init__(self, name: str, interpreter: Callable[..., Any], model: bytes, trunk: Trunk) -> None:
        self.name = name
        self._new, self._trunk = partial(interpreter, model_content=model, num_threads=1), trunk
        self._batch = self._single = _Loaded(self._new, trunk, 1)

    def step(self, codes: NDArray[np.int32], numbers: Floats, state: Floats) -> tuple[Floats, Floats, Floats]:
        """See `Backend.step`; the interpreter of the last batch size is kept."""
        size = len(codes)
        if size == 1:
            return self._single.run(codes, numbers, state)
        if self._batch.size != size:
            self._batch = _Loaded(self._new, self._trunk, size)
        return self._batch.run(codes, numbers, state)


class _Loaded:
    """An interpreter with its tensors allocated for `size` events.

    The graph's inputs are found by name; its outputs stand in the alphabetical order of theirs.
    """

    def __init__(self, new: Callable[[], Any], trunk: Trunk, size: int) -> None:
        self.size = size
        try:
            interpreter = new()
            inputs = [_input_index(interpreter, name) for name in ("codes", "numbers", "state")]
            widths = (len(trunk.code_sizes), trunk.numbers, trunk.state_size)
            for index, width in zip(inputs, widths, strict=True):
                interpreter.resize_tensor_input(index, [size, width])
            interpreter.allocate_tensors()
        except (KeyError, RuntimeError, ValueError) as error:
            raise BundleError(f"step.tflite can't be loaded ({error}): export it again") from error
        outputs = interpreter.get_output_details()
        if [detail["shape"][-1] for detail in outputs] != [trunk.units, trunk.outputs, trunk.state_size]:
            raise BundleError("step.tflite doesn't have the manifest's outputs: export it again")
        self._codes, self._numbers, self._state = inputs
        self._embedding, self._heads, self._next_state = [detail["index"] for detail in outputs]
        self._set, self._get, self._invoke = interpreter.set_tensor, interpreter.get_tensor, interpreter.invoke

    def run(self, codes: NDArray[np.int32], numbers: Floats, state: Floats) -> tuple[Floats, Floats, Floats]:
        """Set, invoke, get; what comes back is copied out of the interpreter."""
        put, get = self._set, self._get
        put(self._codes, codes)
        put(self._numbers, numbers)
        put(self._state, state)
        self._invoke()
        return get(self._heads), get(self._embedding), get(self._next_state)


def _input_index(interpreter: Any, name: str) -> int:
    """The index of the input called `name`, whatever prefix and suffix the converter gave it."""
    for detail in interpreter.get_input_details():
        if detail["name"].removeprefix("serving_default_").split(":")[0] == name:
            index: int = detail["index"]
            return index
    raise KeyError(f"no input is called {name}")
