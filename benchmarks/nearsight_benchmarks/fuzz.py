"""Damaged bundles, snapshots and stores and strange events, by the hundred thousand: only errors of ours may come.

`python -m nearsight_benchmarks.fuzz BUNDLE` damages a bundle that has `step.npz` (`nearsight export --numpy`), loads it
in NumPy and uses what still loads. Besides bytes it changes what an attacker would: the manifest and the weights, under
hashes that fit them, and a store's rows. What LiteRT and ONNX Runtime make of altered graphs, `exposure.py` counts.
With `--guided`, atheris (libFuzzer) draws the changes, and looks for those that reach new code.
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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

import nearsight
from nearsight import InputError, NearsightError
from nearsight.bundle import write_atomically
from nearsight_benchmarks.mutation import Fed
from nearsight_benchmarks.store_victim import StoreVictim
from nearsight_benchmarks.usage import usual_events
from nearsight_benchmarks.victim import Act, Victim

__all__ = ["Fault", "Fuzzed", "Tally", "acts", "fuzzed", "outcome"]

_SLOW_SECONDS, _HANG_SECONDS = 1.0, 20
_MOST_BYTES = 1_000_000_000  # of address space beyond what the process has at its start
_MOST_FAULTS = 20


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


def acts(bundle: bytes) -> dict[str, Act]:
    """All that is done to a bundle and to what an app keeps with it, by kind.

    Raises `BundleError` where it has no `step.npz`.
    """
    about = Victim(bundle)
    insight = nearsight.load(bundle, runtime="numpy")
    return {**about.acts, **StoreVictim(insight, usual_events(insight.manifest.spec)).acts}


def fuzzed(acts: Mapping[str, Act], cases: int, seed: int) -> Fuzzed:
    """Run `cases` cases, all kinds in turn. Each has a seed of its own, with which it can be repeated."""
    tally, kinds = Tally(acts, seed), list(acts)
    for case in range(seed, seed + cases):
        tally.run(kinds[case % len(kinds)], f"seed {case}", random.Random(case))  # noqa: S311
    return tally.told()


class Tally:
    """What came of the cases so far."""

    def __init__(self, acts: Mapping[str, Act], seed: int) -> None:
        self._acts, self._seed, self._start = acts, seed, time.perf_counter()
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
                self._acts[kind](rng)
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


def _general(sentence: str) -> str:
    """An error without what differs from case to case."""
    return re.sub(r"\([^)]*\)|'[^']*'|/\S+|[\d.,]+", "…", sentence)[:100]


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


def _guided(acts: Mapping[str, Act], cases: int, seed: int, out: Path | None) -> None:
    """Let atheris draw the changes; it ends the process itself, after the figures."""
    try:
        import atheris
    except ImportError:
        raise InputError(
            "--guided needs atheris, which isn't installed: pip install atheris, or leave it out"
        ) from None
    tally, kinds = Tally(acts, seed), list(acts)

    def one(data: bytes) -> None:
        rng = Fed(data)
        tally.run(rng.choice(kinds), f"data {data.hex()}", rng)
        if tally.cases == cases:
            _tell(tally.told(), out)

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], f"-atheris_runs={cases}", f"-seed={seed}", "-max_len=512", "-len_control=0"], one)
    atheris.Fuzz()


def outcome(found: Fuzzed) -> str:
    """The figures in words, and whatever was a fault."""
    kinds = "\n".join(
        f"  {count:,} {kind}, {found.refused.get(kind, 0):,} of them refused" for kind, count in found.counts.items()
    )
    faults = "".join(f"\n{fault.kind}, {fault.case}\n{fault.said}" for fault in found.faults)
    return (
        f"{found.cases:,} cases in {found.seconds:.0f} s:\n{kinds}\n{len(found.errors)} distinct errors of ours, "
        f"the slowest case {1000 * found.slowest_seconds:.0f} ms ({found.slowest[:60]}), "
        f"{found.grown_megabytes:.0f} MB more at the peak, {len(found.faults)} faults{faults}"
    )


def _tell(found: Fuzzed, out: Path | None) -> None:
    """Print the figures, and write them where that was asked for."""
    sys.stdout.write(f"{outcome(found)}\n")
    sys.stdout.flush()
    if out:
        write_atomically(out, msgspec.json.format(msgspec.json.encode(found), indent=1))


def main(arguments: Sequence[str]) -> None:
    """Parse, damage, print, write. Ends with 1 where there was a fault."""
    parser = argparse.ArgumentParser("python -m nearsight_benchmarks.fuzz", description="Damage and strange input.")
    parser.add_argument("bundle", type=Path, help="a bundle with step.npz (nearsight export --numpy)")
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guided", action="store_true", help="let atheris draw (pip install atheris)")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    options = parser.parse_args(arguments)
    try:
        known = acts(options.bundle.read_bytes())
        _bounded()
        if options.guided:
            _guided(known, options.cases, options.seed, options.out)
    except NearsightError as error:
        parser.error(str(error))
    found = fuzzed(known, options.cases, options.seed)
    _tell(found, options.out)
    sys.exit(bool(found.faults))


if __name__ == "__main__":
    main(sys.argv[1:])
