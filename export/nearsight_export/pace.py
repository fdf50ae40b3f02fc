"""How long a step takes: two artifacts in turn, so that the machine's drift hits them alike."""

import gc
import time
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.backends import Backend

__all__ = ["Pace", "raced"]

_ROUNDS, _CALLS, _WARMING = 20, 100, 20


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Median microseconds of one step of each, and the median over the rounds of their ratio, which is `ratio`."""

    p50_us: float
    reference_us: float
    ratio: float


def raced(
    backend: Backend,
    reference: Backend,
    codes: NDArray[np.int32],
    numbers: NDArray[np.float32],
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Pace:
    """Time 2,000 steps of each over the same rows, `codes (n, K)` and `numbers (n, N)`, one event at a time.

    Only the runtime's step is timed: the row and the state before it are written untimed. A block of 100 calls comes
    behind 20 that aren't counted and fetch back what the other one drove out of the caches.
    """
    rows = np.arange(_WARMING + _CALLS)
    times = np.empty((2, _ROUNDS, _CALLS))
    for turn in range(_ROUNDS):
        at = (turn * _CALLS + rows) % len(codes)
        for place in (0, 1) if turn % 2 else (1, 0):
            times[place, turn] = _block((backend, reference)[place], codes[at], numbers[at], clock)
    mine, its = np.median(times, axis=(1, 2)) / 1000
    each = np.median(times, axis=2)
    return Pace(p50_us=float(mine), reference_us=float(its), ratio=float(np.median(each[0] / each[1])))


def _block(
    backend: Backend, codes: NDArray[np.int32], numbers: NDArray[np.float32], clock: Callable[[], int]
) -> list[int]:
    """The nanoseconds of the counted steps of one history, the garbage collector at rest."""
    binding, times = backend.bind(1), list[int]()
    binding.state[:] = 0
    collecting = gc.isenabled()
    gc.disable()
    try:
        for row in range(len(codes)):
            binding.codes[:], binding.numbers[:] = codes[row], numbers[row]
            begin = clock()
            binding.run()
            times.append(clock() - begin)
            binding.state[:] = binding.next_state
    finally:
        if collecting:
            gc.enable()
    return times[_WARMING:]
