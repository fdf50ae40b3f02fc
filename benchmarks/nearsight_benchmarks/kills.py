"""Kills a process that writes to a store, over and over, and holds what is left to what the store promises."""

import mmap
import multiprocessing
import random
import tempfile
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

import msgspec

import nearsight
from nearsight_benchmarks.stream import START, Stream

__all__ = ["Kills", "Ledger", "kills"]

_KEY = bytes(range(32))
_USERS, _GONER = 7, "goner"
_FLUSH_EVENTS, _FLUSH_SECONDS = 200, 0.05
_PACE_SECONDS = 0.002  # between events of every other life, so that time is up before there are too many
_RARELY = 0.002  # of the events are followed by a flush, and as many by an erasure
_WRITE_SECONDS = 1.0  # the most that a write may take on a busy machine
_LONGEST_SECONDS = 0.25  # that a life lasts once it has begun
_PATIENCE_SECONDS = 60.0


class Kills(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What so many kills left of `events` and `erasures`. `failures` say what wasn't as promised; there should be none.

    `most_lost_events` and `oldest_lost_seconds` are the worst of all, beside the bounds that the store was given.
    """

    trials: int
    events: int
    flush_events: int
    most_lost_events: int
    flush_seconds: float
    oldest_lost_seconds: float
    erasures: int
    failures: tuple[str, ...]


class Ledger:
    """What a process says it has done, in a file that outlives it: memory that the system shares between processes.

    `acknowledged` and `flushed` are numbers of events, `erased` counts erasures that have returned.
    """

    _HEAD, _TIMES = 3, 1 << 16

    def __init__(self, path: Path) -> None:
        path.touch()
        with open(path, "r+b") as file:
            file.truncate(8 * (self._HEAD + self._TIMES))
            self._memory = mmap.mmap(file.fileno(), 0)
        self._numbers = memoryview(self._memory).cast("q")  # each is set at once, or not at all
        self._moments = memoryview(self._memory).cast("d")

    def read(self) -> tuple[int, int, int]:
        """Acknowledged, flushed, erased."""
        acknowledged, flushed, erased = self._numbers[: self._HEAD].tolist()
        return acknowledged, flushed, erased

    def write(self, acknowledged: int, flushed: int, erased: int) -> None:
        """Set them."""
        self._numbers[0], self._numbers[1], self._numbers[2] = acknowledged, flushed, erased

    def acknowledge(self, count: int) -> None:
        """The event with the number `count` has been taken, now."""
        self._moments[self._place(count)] = time.monotonic()
        self._numbers[0] = count

    def moment(self, count: int) -> float:
        """When that was, if it was one of the last 65,536."""
        return self._moments[self._place(count)]

    def _place(self, count: int) -> int:
        return self._HEAD + count % self._TIMES

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._numbers.release()
        self._moments.release()
        self._memory.close()


def kills(bundle: str, trials: int, seed: int) -> Kills:
    """Let a process write, kill it at a random moment, open what it left, and go on from there, `trials` times."""
    chance = random.Random(seed)  # noqa: S311 - a moment, not a secret
    lost, oldest, failures, erasures = 0, 0.0, [], 0
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder, "ledger")) as ledger:
        for trial in range(trials):
            pace = _PACE_SECONDS * (trial % 2)
            child = _process()(target=_life, args=(bundle, folder, chance.getrandbits(32), pace))
            child.start()
            if chance.random() < 0.8:  # else also while it opens the store
                _await(ledger, ledger.read()[0])
            time.sleep(chance.uniform(0, _LONGEST_SECONDS))
            moment = time.monotonic()
            child.kill()
            child.join()
            found = _left(bundle, folder, ledger, moment)
            failures += [f"kill {trial + 1}: {failure}" for failure in found.failures]
            lost, oldest = max(lost, found.lost), max(oldest, found.seconds)
            erasures += ledger.read()[2]
            ledger.write(found.survived, found.survived, 0)
        events = ledger.read()[0]
    return Kills(
        trials=trials,
        events=events,
        flush_events=_FLUSH_EVENTS,
        most_lost_events=lost,
        flush_seconds=_FLUSH_SECONDS,
        oldest_lost_seconds=oldest,
        erasures=erasures,
        failures=tuple(failures),
    )


def _process() -> type[BaseProcess]:
    """A process that has everything loaded already, where the system can fork one."""
    if "fork" in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("fork").Process
    return multiprocessing.get_context("spawn").Process


class _Left(msgspec.Struct):
    """What one kill left: the last event that survived, how many didn't, and how long ago the first of these was."""

    survived: int
    lost: int
    seconds: float
    failures: list[str]


def _left(bundle: str, folder: str, ledger: Ledger, moment: float) -> _Left:
    acknowledged, flushed, erased = ledger.read()
    try:
        with _open(bundle, folder) as store:
            survived = max(_last(store, str(user)) for user in range(_USERS))
            is_back = bool(erased and store.export_user(_GONER))
    except nearsight.NearsightError as error:
        return _Left(0, 0, 0.0, [f"the store doesn't open: {error}"])
    lost = max(0, acknowledged - survived)
    seconds = moment - ledger.moment(survived + 1) if lost else 0.0
    checks = {
        f"{lost} events are lost": lost > _FLUSH_EVENTS,
        f"an event is lost that was {seconds:.3f} s old": seconds > _FLUSH_SECONDS + _WRITE_SECONDS,
        f"event {flushed} had been flushed, {survived} is the last": survived < flushed,
        f"event {survived} was never acknowledged": survived > acknowledged + 1,
        "whoever was erased is back": is_back,
    }
    return _Left(survived, lost, seconds, [failure for failure, holds in checks.items() if holds])


def _life(bundle: str, folder: str, seed: int, pace_seconds: float) -> None:
    """Write until killed."""
    chance = random.Random(seed)  # noqa: S311
    ledger = Ledger(Path(folder, "ledger"))
    number, flushed, _ = ledger.read()
    store = _open(bundle, folder)
    for user in (*map(str, range(_USERS)), _GONER):
        store.consent(user, "insight")
    stream = Stream(nearsight.load(bundle).manifest.spec, seed)
    erased = 0
    while True:
        name, event_time, fields = stream.event(number + 1)
        store.observe(str((number + 1) % _USERS), name, event_time, **fields)
        number += 1
        ledger.acknowledge(number)
        if chance.random() < _RARELY:
            store.flush()
            flushed = number
            ledger.write(number, flushed, erased)
        if not erased and chance.random() < _RARELY:
            store.erase_user(_GONER)
            erased = 1
            ledger.write(number, flushed, erased)
        if pace_seconds:
            time.sleep(pace_seconds)


def _open(bundle: str, folder: str) -> nearsight.Store:
    path = Path(folder, "state.db")
    return nearsight.open(bundle, path, key=_KEY, flush_events=_FLUSH_EVENTS, flush_seconds=_FLUSH_SECONDS)


def _last(store: nearsight.Store, user: str) -> int:
    """The number of a user's last event, which its time tells; 0 where there is none."""
    held = store.export_user(user)
    return round(held["history"]["last_time"] - START) if held and held["history"]["events"] else 0


def _await(ledger: Ledger, count: int) -> None:
    """Until the process has acknowledged an event."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while ledger.read()[0] == count and time.monotonic() < deadline:
        time.sleep(0.001)
