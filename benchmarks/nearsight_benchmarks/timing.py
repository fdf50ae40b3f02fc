"""Latencies side by side: all contestants take turns in small blocks, so that the machine's drift hits them alike."""

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight_training.progress import SILENT, Progress

__all__ = ["Contestant", "Latency", "Plan", "interleaved", "summary", "timer_cost"]

Nanoseconds = NDArray[np.int64]
Clock = Callable[[], int]


def _nothing() -> None:
    """What most contestants need before a block."""


class Contestant(msgspec.Struct, frozen=True):
    """Something whose calls are timed: `call` does one whole Python call, `prepare` comes untimed before each block."""

    name: str
    call: Callable[[], Any]
    prepare: Callable[[], None] = _nothing


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls each contestant gets.

    `calls` for a fast one; a slow one gets what fits `seconds`, but `fewest` at least. They're spread evenly over
    `rounds`, in each of which every contestant has one block. The first `warm_up` calls and the first of every block
    aren't counted.
    """

    calls: int = 1000
    fewest: int = 40
    seconds: float = 2.0
    rounds: int = 20
    warm_up: int = 20


class Latency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Microseconds of the whole Python call, and how many calls were timed."""

    p50_us: float
    p95_us: float
    p99_us: float
    calls: int


def interleaved(
    contestants: Sequence[Contestant],
    plan: Plan,
    *,
    seed: int = 0,
    clock: Clock = time.perf_counter_ns,
    progress: Progress = SILENT,
) -> dict[str, Nanoseconds]:
    """Time every contestant round by round, in an order that is drawn anew for each round.

    Returns each name's nanoseconds per call `(calls,)` in the order of the calls. The garbage collector rests during
    a block, as in the standard library's `timeit`.
    """
    blocks = [_block(contestant, plan, clock) for contestant in contestants]
    times: dict[str, list[int]] = {contestant.name: [] for contestant in contestants}
    order = np.random.default_rng(seed)
    progress.start("timing side by side", plan.rounds)
    for _ in range(plan.rounds):
        for turn in order.permutation(len(contestants)):
            times[contestants[turn].name] += _timed(contestants[turn], blocks[turn], clock)
        progress.advance(f"{len(contestants)} contestants in turn")
    progress.finish(f"{len(contestants)} contestants, {sum(map(len, times.values()))} calls")
    return {name: np.array(values, np.int64) for name, values in times.items()}


def summary(nanoseconds: Nanoseconds) -> Latency:
    """The percentiles of one contestant's calls; between two calls they're interpolated linearly."""
    p50, p95, p99 = np.percentile(nanoseconds, (50, 95, 99)) / 1000
    return Latency(p50_us=float(p50), p95_us=float(p95), p99_us=float(p99), calls=len(nanoseconds))


def timer_cost(clock: Clock = time.perf_counter_ns, readings: int = 2000) -> float:
    """What reading the clock adds to every call, in nanoseconds: the median gap of two readings in a row."""
    gaps = [-(clock() - clock()) for _ in range(readings)]
    return float(np.median(gaps))


def _block(contestant: Contestant, plan: Plan, clock: Clock) -> int:
    """How many calls a contestant gets in each round, from how long it takes once it is warm."""
    contestant.prepare()
    pilot: list[int] = []
    while len(pilot) < plan.warm_up and sum(pilot) < plan.seconds * 1e9 / 4:
        pilot += _calls(contestant.call, 1, clock)
    typical = float(np.median(pilot[len(pilot) // 2 :])) / 1e9
    affordable = plan.seconds / typical if typical else plan.calls
    calls = min(plan.calls, max(plan.fewest, affordable))
    return max(1, round(calls / plan.rounds))


def _timed(contestant: Contestant, block: int, clock: Clock) -> list[int]:
    contestant.prepare()
    collecting = gc.isenabled()
    gc.disable()
    try:
        contestant.call()
        return _calls(contestant.call, block, clock)
    finally:
        if collecting:
            gc.enable()


def _calls(call: Callable[[], Any], count: int, clock: Clock) -> list[int]:
    times = []
    for _ in range(count):
        begin = clock()
        call()
        times.append(clock() - begin)
    return times
