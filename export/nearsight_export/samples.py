"""What calibrates integer graphs: rows of real histories with the states that they met, and real windows."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.backends.reference import NumpyBackend
from nearsight.conformance import played
from nearsight.spec import Spec
from nearsight.trunk import Trunk, Weights
from nearsight_export.replay import BLOCK, replayed, streamed_states
from nearsight_export.vectors import drawn
from nearsight_export.windows import drawn_windows, joined
from nearsight_training.histories import Histories

__all__ = ["Samples", "collected"]

_MOST_EVENTS = 20_000  # their states and their questions' are all held at once
_STEPS, _WINDOWS, _STREAM = 2048, 128, 2000
_INVENTED = 8  # draws of histories, other than those that prove a bundle

Floats = NDArray[np.float32]


class Samples(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs of the step graph, row by row, and of the window graph, history by history."""

    step_codes: NDArray[np.int32]  # (n, K)
    step_numbers: NDArray[np.float32]  # (n, N)
    step_states: NDArray[np.float32]  # (n, S)
    window_codes: NDArray[np.int32]  # (m, T, K)
    window_numbers: NDArray[np.float32]  # (m, T, N)
    window_lengths: NDArray[np.int32]  # (m,)

    @classmethod
    def none(cls, trunk: Trunk) -> "Samples":
        """Nothing, which is enough for all but integer graphs."""
        codes, numbers = np.zeros((0, len(trunk.code_sizes)), np.int32), np.zeros((0, trunk.numbers), np.float32)
        return cls(
            step_codes=codes,
            step_numbers=numbers,
            step_states=np.zeros((0, trunk.state_size), np.float32),
            window_codes=codes[np.newaxis, :],
            window_numbers=numbers[np.newaxis, :],
            window_lengths=np.zeros(0, np.int32),
        )

    def steps(self) -> list[Mapping[str, Any]]:
        """The step graph's inputs in batches of one size, which the calibrator wants; the last one wraps around."""
        size = len(self.step_codes)
        batches = [np.arange(first, first + BLOCK) % size for first in range(0, size, BLOCK)]
        return [
            {"codes": self.step_codes[at], "numbers": self.step_numbers[at], "state": self.step_states[at]}
            for at in batches
        ]

    def windows(self) -> list[Mapping[str, Any]]:
        """The window graph's inputs, one history each."""
        return [
            {"codes": self.window_codes[at], "numbers": self.window_numbers[at], "length": self.window_lengths[at]}
            for at in (slice(history, history + 1) for history in range(len(self.window_codes)))
        ]


def collected(
    trunk: Trunk, weights: Weights, window: int, histories: Histories, seed: int, spec: Spec | None = None
) -> Samples:
    """Roll about 20,000 events out in float32 and keep up to 2,048 steps and 256 windows.

    The steps, and half of the windows at their ends, hold for every number and every part of the state those where it
    is smallest and largest, because a range that is calibrated too narrowly clips; the rest is drawn. Among them are
    the states of one stream of 2,000 events without an end, since devices stream for months. With a `spec` there are
    those of invented histories as well, which go to its bounds and a little past them, as a device's may.
    """
    histories = histories.limited(_MOST_EVENTS, seed)
    replay = replayed(NumpyBackend(weights, trunk), trunk, histories, keep=True)
    stream = np.arange(_STREAM) % len(histories.codes)
    codes = np.concatenate([histories.codes, histories.ask_codes, histories.codes[stream]])
    numbers = np.concatenate([histories.numbers, histories.ask_numbers, histories.numbers[stream]])
    long = streamed_states(NumpyBackend(weights, trunk), trunk, histories.codes[stream], histories.numbers[stream])
    states = np.concatenate([replay.states, replay.asked_states, long])
    rng = np.random.default_rng(seed)
    extremes = {int(row) for column in _columns(numbers, states) for row in (column.argmin(), column.argmax())}
    others = rng.permutation(len(codes))[: max(_STEPS - len(extremes), 0)]
    kept = np.array(sorted(extremes | set(others.tolist())))
    telling = np.isin(np.arange(len(replay.heads) + len(replay.asked)), list(extremes))
    windows = joined(
        drawn_windows(histories, window, _WINDOWS, seed, telling),
        drawn_windows(histories, window, _WINDOWS, seed, ~telling),
    )
    steps = [codes[kept], numbers[kept], states[kept]]
    if spec:
        steps = [np.concatenate(pair) for pair in zip(steps, _invented(spec, trunk, weights, seed), strict=True)]
    return Samples(
        step_codes=steps[0],
        step_numbers=steps[1],
        step_states=steps[2],
        window_codes=windows.codes,
        window_numbers=windows.numbers,
        window_lengths=windows.lengths,
    )


class _Overheard(NumpyBackend):
    """A backend that keeps what it is asked, in `steps`."""

    def __init__(self, weights: Weights, trunk: Trunk) -> None:
        super().__init__(weights, trunk)
        self.steps: list[tuple[NDArray[Any], ...]] = []

    def step(self, codes: NDArray[np.int32], numbers: Floats, state: Floats) -> tuple[Floats, Floats, Floats]:
        """See `Backend`."""
        self.steps.append((codes.copy(), numbers.copy(), state.copy()))
        return super().step(codes, numbers, state)


def _invented(spec: Spec, trunk: Trunk, weights: Weights, seed: int) -> list[NDArray[Any]]:
    """Rows of histories that nobody had, and the states that they met."""
    backend = _Overheard(weights, trunk)
    for number in range(_INVENTED):
        for history in drawn(spec, seed + 1 + number):
            deque(played(spec, trunk, backend, history), maxlen=0)
    return [np.concatenate(each) for each in zip(*backend.steps, strict=True)]


def _columns(*arrays: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    for array in arrays:
        yield from array.T
