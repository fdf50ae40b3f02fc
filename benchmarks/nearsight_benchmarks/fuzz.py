"""Damaged bundles and snapshots and strange events, by the hundred thousand: all that may come is an error of ours.

`python -m nearsight_benchmarks.fuzz BUNDLE` damages a bundle that has `step.npz` (`nearsight export --numpy`), loads it
in NumPy and uses what still loads. Besides bytes it changes what an attacker would: the manifest and the weights, under
hashes that fit them. The parsers of LiteRT and ONNX Runtime aren't exercised: what keeps hostile graphs from them is a
signature. With `--guided`, atheris (libFuzzer) draws the changes, and looks for those that reach new code.
"""

import argparse
import random
import re
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import nearsight
from nearsight import BundleError, Insight, NearsightError
from nearsight.archive import packed
from nearsight.bundle import MANIFEST, read_bundle, sealed, write_atomically
from nearsight_benchmarks.mutation import Fed, altered_bytes, altered_tree, strange_event

__all__ = ["Fault", "Fuzzed", "Tally", "Victim", "fuzzed"]

_SLOW_SECONDS, _HANG_SECONDS = 1.0, 20
_MOST_BYTES = 1_000_000_000  # of address space beyond what the process has at its start
_MOST_FAULTS = 20
_Act = Callable[[random.Random], None]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something other than an error of ours: which case of which kind, and what happened."""

    kind: str
    case: str  # a seed, or the bytes that were drawn from
    said: str


class Fuzzed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of `cases` cases: how many errors of ours by kind of case, and by sentence."""

    cases: int
    seed: int
    seconds: float
    counts: dict[str, int]
    refused: dict[str, int]
    errors: dict[str, int]
    slowest_seconds: float
    slowest: str
    grown_megabytes: float
    faults: tuple[Fault, ...]


class Victim:
    """A bundle and a session of it, and the ways to damage either: `acts` by kind; each raises what comes of it."""

    def __init__(self, bundle: bytes) -> None:
        self._bundle, opened = bundle, read_bundle(bundle)
        if "step.npz" not in opened.members:
            raise BundleError("a bundle to damage must hold step.npz: export it with --numpy")
        self._members = dict(opened.members)
        self._manifest = msgspec.json.decode(msgspec.json.encode(opened.manifest))
        self._insight = nearsight.load(bundle, runtime="numpy")
        self._events = _usual(opened.manifest.spec.event.vocabulary, opened.manifest.spec.fields)
        session = self._insight.session()
        for event in self._events:
            _observe(session, event)
        self._snapshot = session.snapshot()
        self.acts: dict[str, _Act] = {
            "bytes of a bundle": self._bytes,
            "members of a bundle": self._swapped,
            "a manifest that fits": self._sealed_manifest,
            "weights that fit": self._sealed_weights,
            "bytes of a snapshot": self._snapshot_bytes,
            "parts of a snapshot": self._snapshot_parts,
            "events, one by one": self._observed,
            "events, at once": self._scored,
        }

    def _bytes(self, rng: random.Random) -> None:
        self._used(altered_bytes(self._bundle, rng))

    def _swapped(self, rng: random.Random) -> None:
        """Members left out, doubled in name, or with each other's content."""
        names = [MANIFEST, *self._members]
        content = {MANIFEST: msgspec.json.encode(self._manifest), **self._members}
        kept = {name: content[rng.choice(names)] for name in names if rng.randrange(4)}
        kept |= {rng.choice(("../x", "signature", "step.onnx", "x" * 300)): bytes(rng.randrange(100))}
        self._used(packed(kept))

    def _sealed_manifest(self, rng: random.Random) -> None:
        self._used(packed({MANIFEST: msgspec.json.encode(altered_tree(self._manifest, rng)), **self._members}))

    def _sealed_weights(self, rng: random.Random) -> None:
        weights = altered_bytes(self._members["step.npz"], rng)
        members = self._members | {"step.npz": weights}
        manifest = self._manifest | {"members": msgspec.to_builtins(sealed(members, {}))}
        self._used(packed({MANIFEST: msgspec.json.encode(manifest), **members}))

    def _used(self, content: bytes) -> None:
        _use(nearsight.load(content, runtime="numpy"), self._events)

    def _snapshot_bytes(self, rng: random.Random) -> None:
        self._restored(altered_bytes(self._snapshot, rng))

    def _snapshot_parts(self, rng: random.Random) -> None:
        tree = altered_tree(msgspec.msgpack.decode(self._snapshot, strict=False), rng)
        self._restored(msgspec.msgpack.encode(tree))

    def _restored(self, snapshot: bytes) -> None:
        session = self._insight.session(snapshot)
        _observe(session, self._events[0])
        self._insight.session(session.snapshot())
        session.profile()

    def _observed(self, rng: random.Random) -> None:
        session = self._insight.session()
        _observe(session, self._events[0])
        before = session.snapshot()
        try:
            _observe(session, strange_event(self._events[1], rng))
        except NearsightError:
            if session.snapshot() != before:
                raise AssertionError("an event that was refused has changed the session") from None
            raise
        finally:
            session.snapshot()

    def _scored(self, rng: random.Random) -> None:
        history = [strange_event(event, rng) if rng.randrange(3) == 0 else event for event in self._events]
        self._insight.score_many([history, self._events[: rng.randrange(3)], history])


def fuzzed(victim: Victim, cases: int, seed: int) -> Fuzzed:
    """Run `cases` cases, all kinds in turn. Each has a seed of its own, with which it can be repeated."""
    tally, kinds = Tally(victim, seed), list(victim.acts)
    for case in range(seed, seed + cases):
        tally.run(kinds[case % len(kinds)], f"seed {case}", random.Random(case))  # noqa: S311
    return tally.told()


class Tally:
    """What came of the cases so far."""

    def __init__(self, victim: Victim, seed: int) -> None:
        self._victim, self._seed, self._start = victim, seed, time.perf_counter()
        self._counts, self._refused, self._errors = Counter[str](), Counter[str](), Counter[str]()
        self._slowest, self._faults = (0.0, ""), list[Fault]()
        self._memory = _peak_megabytes()

    @property
    def cases(self) -> int:
        """How many there were."""
        return self._counts.total()

    def run(self, kind: str, case: str, rng: random.Random) -> None:
        """One more: an error of ours is counted, anything else is a fault, and so is a case of more than a second."""
        self._counts[kind] += 1
        start = time.perf_counter()
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"), _ending():
                warnings.simplefilter("ignore")
                self._victim.acts[kind](rng)
        except NearsightError as error:
            self._refused[kind] += 1
            self._errors[f"{type(error).__name__}: {_general(str(error))}"] += 1
        except Exception:  # noqa: BLE001 - which ones come is what is asked
            self._fault(kind, case, traceback.format_exc(limit=-3))
        took = time.perf_counter() - start
        self._slowest = max(self._slowest, (took, f"{kind}, {case}"))
        if took > _SLOW_SECONDS:
            self._fault(kind, case, f"took {took:.1f} s")

    def told(self) -> Fuzzed:
        """The figures."""
        return Fuzzed(
            cases=self.cases,
            seed=self._seed,
            seconds=time.perf_counter() - self._start,
            counts=dict(self._counts),
            refused=dict(self._refused),
            errors=dict(self._errors.most_common()),
            slowest_seconds=self._slowest[0],
            slowest=self._slowest[1],
            grown_megabytes=_peak_megabytes() - self._memory,
            faults=tuple(self._faults),
        )

    def _fault(self, kind: str, case: str, said: str) -> None:
        if len(self._faults) < _MOST_FAULTS:
            self._faults.append(Fault(kind=kind, case=case, said=said))


def _usual(names: Sequence[str], fields: Sequence[str]) -> list[tuple[str, float, dict[str, Any]]]:
    """Five events with a number in every field."""
    return [(names[turn % len(names)], 1.7e9 + 5000.0 * turn, dict.fromkeys(fields, turn)) for turn in range(5)]


def _observe(session: nearsight.Session, event: Any) -> None:
    match event:
        case (name, time, dict(fields)):
            reading = session.observe(name, time, **fields)
            _read(reading)
        case _:
            session.observe(event)


def _read(reading: nearsight.Reading) -> None:
    for name in reading:
        reading.decides(name)
    with suppress(KeyError):  # a model without a head for what comes next says so
        reading.next(3)
    reading.segment, reading.surprise, reading.unusual  # noqa: B018 - they are computed when they are asked for


def _use(insight: Insight, events: Sequence[Any]) -> None:
    """All that an app would do with what was loaded."""
    session = insight.session()
    for event in events:
        _observe(session, event)
    insight.session(session.snapshot()).profile()
    if insight.manifest.spec.clock is not None:
        _read(session.score(1.8e9))
    insight.score_many([events, events[:2]])


def _general(sentence: str) -> str:
    """An error without what differs from case to case."""
    return re.sub(r"\([^)]*\)|'[^']*'|[\d.,]+", "…", sentence)[:100]


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


@contextmanager
def _ending() -> Iterator[None]:
    """Turn a hang into an error."""
    signal.setitimer(signal.ITIMER_REAL, _HANG_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _hung(*_: object) -> None:
    raise TimeoutError(f"not over after {_HANG_SECONDS} s")


def _bounded() -> None:
    """Make an error of memory without bounds, and of a hang."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + _MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    signal.signal(signal.SIGALRM, _hung)


def _guided(victim: Victim, cases: int, seed: int) -> None:
    """Let atheris draw the changes; it ends the process itself, after the figures."""
    import atheris

    tally, kinds = Tally(victim, seed), list(victim.acts)

    def one(data: bytes) -> None:
        rng = Fed(data)
        tally.run(rng.choice(kinds), f"data {data.hex()}", rng)
        if tally.cases == cases:
            _print(tally.told())

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], f"-atheris_runs={cases}", f"-seed={seed}", "-max_len=512", "-len_control=0"], one)
    atheris.Fuzz()


def _print(found: Fuzzed) -> None:
    kinds = "\n".join(
        f"  {count:,} {kind}, {found.refused.get(kind, 0):,} of them refused" for kind, count in found.counts.items()
    )
    faults = "\n".join(f"{fault.kind}, {fault.case}\n{fault.said}" for fault in found.faults)
    sys.stdout.write(
        f"{found.cases:,} cases in {found.seconds:.0f} s:\n{kinds}\n{len(found.errors)} distinct errors of ours, "
        f"the slowest case {1000 * found.slowest_seconds:.0f} ms ({found.slowest[:60]}), "
        f"{found.grown_megabytes:.0f} MB more at the peak, {len(found.faults)} faults\n{faults}"
    )
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> None:
    """Parse, damage, print, write. Ends with 1 where there was a fault."""
    parser = argparse.ArgumentParser("python -m nearsight_benchmarks.fuzz", description="Damage and strange input.")
    parser.add_argument("bundle", type=Path, help="a bundle with step.npz (nearsight export --numpy)")
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guided", action="store_true", help="let atheris draw (pip install atheris)")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    options = parser.parse_args(arguments)
    victim = Victim(options.bundle.read_bytes())
    _bounded()
    if options.guided:
        _guided(victim, options.cases, options.seed)
    found = fuzzed(victim, options.cases, options.seed)
    _print(found)
    if options.out:
        write_atomically(options.out, msgspec.json.format(msgspec.json.encode(found), indent=1))
    sys.exit(bool(found.faults))


if __name__ == "__main__":
    main(sys.argv[1:])
