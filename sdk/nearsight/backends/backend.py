"""A step graph that a runtime has loaded, and the memory by which it is given events."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.trunk import Trunk

__all__ = ["OUTPUTS", "Backend", "Binding", "Step", "Tensors", "bound", "tensors"]

Floats = NDArray[np.float32]
Step = Callable[[NDArray[np.int32], Floats, Floats], tuple[Floats, Floats, Floats]]
Tensors = Mapping[str, NDArray[Any]]
OUTPUTS = ("heads", "embedding", "next_state")


class Binding:
    """The tensors of a batch at the place where a runtime reads and writes them, so that a step passes no arrays.

    Write `codes (B, K)` int32, `numbers (B, N)` and `state (B, S)`, call `run`, and read `heads (B, O)`,
    `embedding (B, U)` and `next_state (B, S)`, all float32. The next call writes over them. `row_bytes` are the memory
    of codes and numbers, `state_bytes` that of the state.
    """

    __slots__ = ("codes", "embedding", "heads", "next_state", "numbers", "row_bytes", "run", "state", "state_bytes")

    def __init__(self, tensors: Tensors, run: Callable[[], object]) -> None:
        self.codes, self.numbers, self.state = tensors["codes"], tensors["numbers"], tensors["state"]
        self.heads, self.embedding, self.next_state = (tensors[name] for name in OUTPUTS)
        self.row_bytes = _bytes(self.codes), _bytes(self.numbers)
        self.state_bytes = _bytes(self.state)
        self.run = run


def _bytes(memory: NDArray[Any]) -> memoryview:
    return memoryview(memory.data).cast("B")


class Backend:
    """A step graph, loaded. One instance serves one thread at a time. `name` is the runtime's."""

    def __init__(self, name: str, new: Callable[[int], Binding]) -> None:
        self.name, self._new = name, new
        self._single = new(1)
        self._batch = self._single

    def bind(self, batch: int) -> Binding:
        """The binding for batches of that size; the one for single events and the last other one are kept."""
        if batch == 1:
            return self._single
        if len(self._batch.codes) != batch:
            self._batch = self._new(batch)
        return self._batch

    def step(self, codes: NDArray[np.int32], numbers: Floats, state: Floats) -> tuple[Floats, Floats, Floats]:
        """`codes (B, K), numbers (B, N), state (B, S)` → `heads (B, O), embedding (B, U), next_state (B, S)`, fresh."""
        binding = self.bind(len(codes))
        binding.codes[:], binding.numbers[:], binding.state[:] = codes, numbers, state
        binding.run()
        return binding.heads.copy(), binding.embedding.copy(), binding.next_state.copy()


def bound(step: Step, trunk: Trunk) -> Callable[[int], Binding]:
    """Bindings for a `step` that takes and returns arrays of its own."""

    def new(batch: int) -> Binding:
        memory = tensors(trunk, batch)

        def run() -> None:
            results = step(memory["codes"], memory["numbers"], memory["state"])
            memory["heads"][:], memory["embedding"][:], memory["next_state"][:] = results

        return Binding(memory, run)

    return new


def tensors(trunk: Trunk, batch: int) -> dict[str, NDArray[Any]]:
    """Memory for a step's inputs and outputs, by the names that they have in every graph.

    All is zero but the codes, which are the largest, so that a first run finds out a graph with smaller tables.
    """
    widths = {
        "numbers": trunk.numbers,
        "state": trunk.state_size,
        "heads": trunk.outputs,
        "embedding": trunk.units,
        "next_state": trunk.state_size,
    }
    floats: dict[str, NDArray[Any]] = {name: np.zeros((batch, width), np.float32) for name, width in widths.items()}
    return {"codes": np.tile(np.array(trunk.code_sizes, np.int32) - 1, (batch, 1)), **floats}
