"""Real histories as windows, and the graphs that read a window at once."""

from typing import Any, Protocol

import msgspec
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from nearsight_export.ort import loaded
from nearsight_training.histories import Histories

__all__ = ["LiteRtWindow", "OnnxWindow", "WindowGraph", "Windows", "drawn_windows", "joined", "loaded_window"]

Floats = NDArray[np.float32]


class Windows(msgspec.Struct, frozen=True):
    """M windows of T rows, padded on the right: codes `(M, T, K)`, numbers `(M, T, N)`, true lengths `(M,)` int32.

    `decisions` `(M,)` numbers the decision that each window ends in: an event's index, or E and a question's.
    """

    codes: NDArray[np.int32]
    numbers: Floats
    lengths: NDArray[np.int32]
    decisions: NDArray[np.int64]


class WindowGraph(Protocol):
    """A window graph that a runtime has loaded."""

    def answers(self, windows: Windows) -> Floats:
        """Heads `(M, O)` at the true lengths."""
        ...


def drawn_windows(
    histories: Histories, size: int, most: int, seed: int, only: NDArray[np.bool_] | None = None
) -> Windows:
    """Up to `most` decisions that a window of `size` rows holds whole, with the rows since the empty state.

    `only` `(E + Q,)` says which decisions may be drawn.
    """
    before = histories.since_fresh
    lengths = np.concatenate([before + 1, before[histories.ask_events] + 2])
    fits = lengths <= size
    if only is not None:
        fits &= only
    candidates = np.flatnonzero(fits)
    chosen = np.sort(np.random.default_rng(seed).permutation(candidates)[:most])
    return _windows(histories, chosen, lengths[chosen], size)


def joined(first: Windows, second: Windows) -> Windows:
    """Both, one behind the other."""
    both = zip(msgspec.structs.astuple(first), msgspec.structs.astuple(second), strict=True)
    return Windows(*(np.concatenate(pair) for pair in both))


def loaded_window(member: str, content: bytes) -> WindowGraph:
    """The graph in `window.tflite` or `window.onnx`, in the runtime that runs it."""
    return LiteRtWindow(content) if member.endswith(".tflite") else OnnxWindow(content)


class LiteRtWindow:
    """A TFLite window graph: one history per call."""

    def __init__(self, content: bytes) -> None:
        self._interpreter = Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        self._inputs = {detail["name"]: detail["index"] for detail in self._interpreter.get_input_details()}
        self._outputs = {detail["name"]: detail["index"] for detail in self._interpreter.get_output_details()}

    def answers(self, windows: Windows) -> Floats:
        """See `WindowGraph.answers`."""
        return np.concatenate([self._one(windows, slice(at, at + 1)) for at in range(len(windows.codes))])

    def _one(self, windows: Windows, at: slice) -> Any:
        put, inputs = self._interpreter.set_tensor, self._inputs
        put(inputs["codes"], windows.codes[at])
        put(inputs["numbers"], windows.numbers[at])
        put(inputs["length"], windows.lengths[at])
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._outputs["heads"])


class OnnxWindow:
    """An ONNX window graph: one history per call, as a quantised graph's scales span whatever is passed together."""

    def __init__(self, content: bytes) -> None:
        self._session = loaded(content)

    def answers(self, windows: Windows) -> Floats:
        """See `WindowGraph.answers`."""
        return np.concatenate([self._one(windows, slice(at, at + 1)) for at in range(len(windows.codes))])

    def _one(self, windows: Windows, at: slice) -> Any:
        inputs = {"codes": windows.codes[at], "numbers": windows.numbers[at], "length": windows.lengths[at]}
        return self._session.run(["heads"], inputs)[0]


def _windows(histories: Histories, decisions: NDArray[np.int64], lengths: NDArray[np.int64], size: int) -> Windows:
    events = len(histories.codes)
    codes = np.zeros((len(decisions), size, histories.codes.shape[1]), np.int32)
    numbers = np.zeros((len(decisions), size, histories.numbers.shape[1]), np.float32)
    for window, (decision, length) in enumerate(zip(decisions.tolist(), lengths.tolist(), strict=True)):
        asked = decision >= events
        last = int(histories.ask_events[decision - events]) if asked else decision
        rows = slice(last + 1 - (length - asked), last + 1)
        codes[window, : length - asked], numbers[window, : length - asked] = (
            histories.codes[rows],
            histories.numbers[rows],
        )
        if asked:
            codes[window, length - 1] = histories.ask_codes[decision - events]
            numbers[window, length - 1] = histories.ask_numbers[decision - events]
    return Windows(codes, numbers, lengths.astype(np.int32), decisions)
