"""What LiteRT and tflite-runtime have in common: the TFLite `Interpreter` and the step graph's tensors in it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.backends.greeting import without_greeting
from nearsight.errors import BundleError
from nearsight.trunk import Trunk

__all__ = ["InterpreterBackend"]

Floats = NDArray[np.float32]


class InterpreterBackend:
    """A TFLite step graph: one interpreter for single events and, once asked for, another for batches."""

    def __init__(self, name: str, interpreter: Callable[..., Any], model: bytes, trunk: Trunk) -> None:
        self.name = name
        self._new, self._trunk = partial(interpreter, model_content=model, num_threads=1), trunk
        with without_greeting():
            self._batch = self._single = _Loaded(self._new, trunk, 1)

    def step(self, codes: NDArray[np.int32], numbers: Floats, state: Floats) -> tuple[Floats, Floats, Floats]:
        """See `Backend.step`; the interpreter of the last batch size is kept."""
        size = len(codes)
        loaded = self._single if size == 1 else self._batch
        if loaded.size != size:
            loaded = self._batch = _Loaded(self._new, self._trunk, size)
        put, get = loaded.put, loaded.get
        put(loaded.codes, codes)
        put(loaded.numbers, numbers)
        put(loaded.state, state)
        loaded.invoke()
        return get(loaded.heads), get(loaded.embedding), get(loaded.next_state)


class _Loaded:
    """An interpreter's methods, with tensors allocated for `size` events; inputs and outputs are found by name."""

    def __init__(self, new: Callable[[], Any], trunk: Trunk, size: int) -> None:
        self.size = size
        widths = {"codes": len(trunk.code_sizes), "numbers": trunk.numbers, "state": trunk.state_size}
        try:
            interpreter = new()
            inputs = {detail["name"]: detail["index"] for detail in interpreter.get_input_details()}
            for name, width in widths.items():
                interpreter.resize_tensor_input(inputs[name], [size, width])
            interpreter.allocate_tensors()
            outputs = {detail["name"]: detail for detail in interpreter.get_output_details()}
            found = [outputs[name]["shape"][-1] for name in ("heads", "embedding", "next_state")]
        except (KeyError, RuntimeError, ValueError) as error:
            raise BundleError(f"step.tflite can't be loaded ({error}): export it again") from error
        if found != [trunk.outputs, trunk.units, trunk.state_size]:
            raise BundleError("step.tflite doesn't have the manifest's outputs: export it again")
        self.codes, self.numbers, self.state = (inputs[name] for name in widths)
        self.heads, self.embedding = outputs["heads"]["index"], outputs["embedding"]["index"]
        self.next_state = outputs["next_state"]["index"]
        self.put, self.get, self.invoke = interpreter.set_tensor, interpreter.get_tensor, interpreter.invoke
