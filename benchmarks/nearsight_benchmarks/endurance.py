"""Very many events through one process with a store: does it grow, does it slow down?"""

import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
import psutil
from numpy.typing import NDArray

import nearsight
from nearsight_benchmarks.stream import Stream

__all__ = ["Endurance", "Tenth", "endurance"]

_TENTHS, _WARM = 10, 2  # memory is judged after so many of the tenths
_SKEW = 1.3  # of how often users come (Zipf): most events are those of few
_TURNS = 1 << 16


class Tenth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tenth of the events: the whole call's microseconds, and the memory that the process held at its end."""

    p50_us: float
    p99_us: float
    resident_megabytes: float


class Endurance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Events of `users`, of whom `live_users` fit into memory at once.

    `loads_per_event` is the share of events whose user's history came from the disk. `growth_megabytes` is the slope
    of memory after the second tenth, per million events.
    """

    events: int
    users: int
    live_users: int
    loads_per_event: float
    seconds: float
    growth_megabytes: float
    file_megabytes: float
    tenths: tuple[Tenth, ...]

    @property
    def spread_megabytes(self) -> float:
        """Between the least and the most that the process held at a tenth's end, from the second one on."""
        held = [tenth.resident_megabytes for tenth in self.tenths[_WARM - 1 :]]
        return max(held) - min(held)


def endurance(bundle: str, events: int, users: int, live_users: int, seed: int) -> Endurance:
    """Run them through a store with its default bounds."""
    insight = nearsight.load(bundle)
    stream = Stream(insight.manifest.spec, seed)
    rng = np.random.default_rng(seed)
    weights = np.arange(1, users + 1) ** -_SKEW
    turns = rng.choice(users, _TURNS, p=weights / weights.sum()).tolist()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state.db")
        with nearsight.open(insight, path, key=bytes(range(32)), live_users=live_users) as store:
            for user in range(users):
                store.consent(str(user), "insight")
            begin = time.perf_counter()
            tenths = [_tenth(store, stream, turns, tenth, events // _TENTHS) for tenth in range(_TENTHS)]
            seconds = time.perf_counter() - begin
        megabytes = path.stat().st_size / 1e6
    memory = [tenth.resident_megabytes for tenth in tenths[_WARM - 1 :]]
    slope = np.polyfit(np.arange(len(memory)) * events / _TENTHS / 1e6, memory, 1)[0]
    return Endurance(
        events=events,
        users=users,
        live_users=live_users,
        loads_per_event=_misses(turns, live_users),
        seconds=seconds,
        growth_megabytes=float(slope),
        file_megabytes=megabytes,
        tenths=tuple(tenths),
    )


def _tenth(store: nearsight.Store, stream: Stream, turns: list[int], tenth: int, size: int) -> Tenth:
    times: NDArray[np.int64] = np.empty(size, np.int64)
    for place in range(size):
        number = tenth * size + place
        user = str(turns[number % _TURNS])
        name, moment, fields = stream.event(number)
        begin = time.perf_counter_ns()
        store.observe(user, name, moment, **fields)
        times[place] = time.perf_counter_ns() - begin
    p50, p99 = np.percentile(times, (50, 99)) / 1000
    del times
    memory = psutil.Process().memory_info().rss / 1e6
    return Tenth(p50_us=float(p50), p99_us=float(p99), resident_megabytes=memory)


def _misses(turns: list[int], size: int) -> float:
    """The share of turns whose user isn't among the last `size` different ones."""
    recent: dict[int, None] = {}
    misses = 0
    for user in turns:
        if user in recent:
            del recent[user]
        else:
            misses += 1
            if len(recent) == size:
                del recent[next(iter(recent))]
        recent[user] = None
    return misses / len(turns)
