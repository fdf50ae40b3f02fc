"""Latencies side by side: all contestants take turns in small blocks, so that the machine's drift hits them alike."""

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight_training.progress import SILENT, Progress

__all__ = ["Calls", "Contestant", "Latency", "Plan", "interleaved", "summary", "timer_cost"]

Nanoseconds = NDArray[np.int64]
Clock = Callable[[], int]
_WARMING = 20


def _nothing() -> None:
    """What most contestants need before a block."""


class Contestant(Protocol):
    """Something that times blocks of its own calls, in this process or in another one."""

    @property
    def name(self) -> str:
        """What its times are filed under."""
        ...

    def block(self, calls: int) -> Sequence[int]:
        """Make some calls that aren't counted, then `calls` more; return the nanoseconds of each."""
        ...


class Calls(msgspec.Struct, frozen=True):
    """A contestant in this process: `call` does one whole Python call, `prepare` comes untimed before each block.

    As many calls as are counted, at most 20, come first: they fetch back into the caches what the others drove out.
    The garbage collector rests during a block, as in the standard library's `timeit`.
    """

    name: str
    call: Callable[[], Any]
    prepare: Callable[[], None] = _nothing
    clock: Clock = time.perf_counter_ns

    def block(self, calls: int) -> list[int]:
        """See `Contestant.block`."""
        self.prepare()
        collecting = gc.isenabled()
        gc.disable()
        try:
            for _ in range(min(calls, _WARMING)):
                self.call()
            return _timed(self.call, calls, self.clock)
        finally:
            if collecting:
                gc.enable()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls each contestant gets.

    `calls` for a fast one; a slow one gets what fits `seconds`, but `fewest` at least. They're spread evenly over
    `rounds`, in each of which every contestant has one block. A block of one call and one of `warm_up` calls (fewer of
    a slow one) come before all and aren't counted.
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
    progress: Progress = SILENT,
) -> dict[str, Nanoseconds]:
    """Time every contestant round by round, in an order that is drawn anew for each round.

    Returns each name's nanoseconds per call `(calls,)` in the order of the calls.
    """
    blocks = [_size(contestant, plan) for contestant in contestants]
    times: dict[str, list[int]] = {contestant.name: [] for contestant in contestants}
    order = np.random.default_rng(seed)
    progress.start("timing side by side", plan.rounds)
    for _ in range(plan.rounds):
        for turn in order.permutation(len(contestants)):
            times[contestants[turn].name] += contestants[turn].block(blocks[turn])
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


def _size(contestant: Contestant, plan: Plan) -> int:
    """How many calls a contestant gets in each round, from how long it takes once it is warm."""
    pilot = contestant.block(1)
    affordable = int(plan.seconds * 1e9 / 4 / max(pilot[0], 1))
    if affordable > 1:
        pilot = contestant.block(min(plan.warm_up, affordable))
    typical = float(np.median(pilot)) / 1e9
    calls = min(plan.calls, max(plan.fewest, plan.seconds / typical if typical else plan.calls))
    return max(1, round(calls / plan.rounds))


def _timed(call: Callable[[], Any], count: int, clock: Clock) -> list[int]:
    times = []
    for _ in range(count):
        begin = clock()
        call()
        times.append(clock() - begin)
    return times
