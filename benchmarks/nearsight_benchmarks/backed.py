"""`observe` of a store beside `observe` of a session: what keeping histories costs an event."""

import gc
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

import nearsight
from nearsight_benchmarks.stream import Stream
from nearsight_benchmarks.timing import Latency, Plan, interleaved, summary

__all__ = ["Backed", "backed"]

_ROUNDS = 20
_WARMING = 200  # calls in front of each block that aren't counted


class Backed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same events of `users` in turn, to plain sessions and to a store, in blocks that take turns.

    Each call of the store's has its share of the write that ends its block, beside those that happened within it.
    """

    users: int
    runtime: str
    plain: Latency
    store: Latency


class _Block:
    """Times blocks of calls; `finish` is timed as well and shared out evenly."""

    def __init__(self, name: str, call: Callable[[int], object], finish: Callable[[], object]) -> None:
        self.name, self._call, self._finish, self._number = name, call, finish, 0

    def block(self, calls: int) -> Sequence[int]:
        """See `Contestant.block`."""
        gc.disable()
        try:
            self._run(min(calls, _WARMING))
            self._finish()
            times = self._run(calls)
            begin = time.perf_counter_ns()
            self._finish()
            share = (time.perf_counter_ns() - begin) // calls
        finally:
            gc.enable()
        return [each + share for each in times]

    def _run(self, calls: int) -> list[int]:
        times, call, clock = [], self._call, time.perf_counter_ns
        for number in range(self._number, self._number + calls):
            begin = clock()
            call(number)
            times.append(clock() - begin)
        self._number += calls
        return times


def backed(bundle: str, users: int, calls: int, seed: int) -> Backed:
    """Time `calls` of each with the store's default bounds."""
    insight = nearsight.load(bundle)
    stream = Stream(insight.manifest.spec, seed)
    names = [f"user {number}" for number in range(users)]
    sessions = [insight.session() for _ in names]
    with tempfile.TemporaryDirectory() as folder:
        store = nearsight.open(bundle, Path(folder, "state.db"), key=bytes(range(32)))
        with store:
            for name in names:
                store.consent(name, "insight")

            def plain(number: int) -> None:
                name, moment, fields = stream.event(number)
                sessions[number % users].observe(name, moment, **fields)

            def kept(number: int) -> None:
                name, moment, fields = stream.event(number)
                store.observe(names[number % users], name, moment, **fields)

            contestants = [_Block("plain", plain, _nothing), _Block("store", kept, store.flush)]
            plan = Plan(calls=calls, fewest=calls, rounds=_ROUNDS)
            times = interleaved(contestants, plan, seed=seed)
    return Backed(users=users, runtime=insight.runtime, plain=summary(times["plain"]), store=summary(times["store"]))


def _nothing() -> None:
    """A session writes nothing."""
