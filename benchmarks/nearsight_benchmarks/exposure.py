"""Graphs altered under hashes that fit, as an attacker would: what do the runtimes' parsers make of them?

`python -m nearsight_benchmarks.exposure BUNDLE --runtime litert` loads and uses such bundles in processes that may
crash, and counts those that do. Half of the cases change bytes anywhere in the graph, half rewrite numbers where its
structure is, outside of its weights. That something crashes is a finding and no failure: what keeps hostile graphs from
a parser is a signature. An error that isn't of ours is a failure, and ends the command with 1.
"""

import argparse
import faulthandler
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import numpy as np

import nearsight
from nearsight import BundleError, NearsightError
from nearsight.archive import packed
from nearsight.backends import RUNTIMES
from nearsight.bundle import MANIFEST, read_bundle, sealed, write_atomically
from nearsight_benchmarks.host import Host, describe
from nearsight_benchmarks.mutation import altered_bytes, rewritten_bytes
from nearsight_benchmarks.usage import used, usual_events

__all__ = ["Case", "Exposure", "exposed", "outcome", "resealed", "structure"]

_HANG_SECONDS = 20.0
_REACH = 200  # bytes in which the changes of one case lie, where they are outside of weights
_MOST_BYTES = 4_000_000_000  # of address space beyond what the process has at its start
_LEAST_WEIGHTS = 64  # bytes; smaller tensors are shapes and the like
Case = Callable[[int], None]


class Exposure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came of `cases` graphs in one runtime.

    They were `refused` with an error of ours, `used` like any other, or ended the process: `crashed` counts by signal,
    and `hung` are those that were ended after 20 s. `strange` counts other errors by their names. `examples` has a seed
    of each outcome.
    """

    runtime: str
    cases: int
    seed: int
    seconds: float
    refused: int
    used: int
    crashed: dict[str, int]
    hung: int
    strange: dict[str, int]
    examples: dict[str, int]
    host: Host
    command: str


def exposed(case: Case, runtime: str, cases: int, seed: int, command: str = "") -> Exposure:
    """Call `case` with `cases` seeds in forked processes, a new one after each that ends."""
    start, outcomes, examples = time.perf_counter(), Counter[str](), dict[str, int]()
    for number, outcome in enumerate(_outcomes(case, seed, seed + cases), seed):
        outcomes[outcome] += 1
        examples.setdefault(outcome, number)
    signals = {name: count for name, count in outcomes.items() if name.startswith("SIG")}
    hung = signals.pop("SIGALRM", 0)
    plain = ("refused", "used")
    return Exposure(
        runtime=runtime,
        cases=cases,
        seed=seed,
        seconds=time.perf_counter() - start,
        refused=outcomes["refused"],
        used=outcomes["used"],
        crashed=signals,
        hung=hung,
        strange={name: count for name, count in outcomes.items() if not name.startswith("SIG") and name not in plain},
        examples=examples,
        host=describe(),
        command=command,
    )


def resealed(bundle: bytes, runtime: str) -> Case:
    """Loads and uses the bundle with its graph for `runtime` altered as a seed says, under a manifest that fits it.

    Raises `BundleError` where the bundle has no such graph.
    """
    opened, member = read_bundle(bundle), RUNTIMES[runtime][1]
    if member not in opened.members:
        raise BundleError(f"a bundle to expose to {runtime} must hold {member}: export it with that graph")
    graph = opened.members[member]
    places, events = structure(graph, member), usual_events(opened.manifest.spec)

    def case(seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311
        members = {member: _rewritten(graph, places, rng) if seed % 2 else altered_bytes(graph, rng)}
        manifest = msgspec.structs.replace(opened.manifest, members=sealed(members, {}))
        content = packed({MANIFEST: msgspec.json.encode(manifest), **members})
        used(nearsight.load(content, runtime=runtime), events)

    return case


def structure(graph: bytes, member: str) -> list[tuple[int, int]]:
    """Where the graph's bytes aren't weights: places and ends, in order."""
    spans, start = [], 0
    for first, end in sorted(_onnx_weights(graph) if member.endswith(".onnx") else _tflite_weights(graph)):
        if start < first:
            spans.append((start, first))
        start = max(start, end)
    return [*spans, (start, len(graph))] if start < len(graph) else spans


def _onnx_weights(graph: bytes) -> Iterator[tuple[int, int]]:
    import onnx

    for each in onnx.load_from_string(graph).graph.initializer:
        place = graph.find(each.raw_data)
        if len(each.raw_data) >= _LEAST_WEIGHTS and place >= 0:
            yield place, place + len(each.raw_data)


def _tflite_weights(graph: bytes) -> Iterator[tuple[int, int]]:
    """The data of the buffers: the model's fifth field, each one's first (TFLite's schema, version 3)."""
    buffers = _field(graph, _number(graph, 0), 4)
    for turn in range(_number(graph, buffers) if buffers else 0):
        place = buffers + 4 * (turn + 1)
        data = _field(graph, place + _number(graph, place), 0)
        size = _number(graph, data) if data else 0
        if size >= _LEAST_WEIGHTS:
            yield data + 4, data + 4 + size


def _field(graph: bytes, table: int, number: int) -> int:
    """Where a FlatBuffers table's field of that number points to; 0 where it has none."""
    names = table - _number(graph, table)
    place = 4 + 2 * number
    if place >= int.from_bytes(graph[names : names + 2], "little"):
        return 0
    offset = int.from_bytes(graph[names + place : names + place + 2], "little")
    return table + offset + _number(graph, table + offset) if offset else 0


def _number(graph: bytes, place: int) -> int:
    """A signed number of four bytes."""
    return int.from_bytes(graph[place : place + 4], "little", signed=True)


def _rewritten(graph: bytes, spans: Sequence[tuple[int, int]], rng: random.Random) -> bytes:
    (first, end), *_ = rng.choices(spans, [end - first for first, end in spans])
    place = rng.randrange(first, end)
    stop = min(end, place + _REACH)
    return graph[:place] + rewritten_bytes(graph[place:stop], rng) + graph[stop:]


def _outcomes(case: Case, seed: int, end: int) -> Iterator[str]:
    """What becomes of each seed's case, in order."""
    context = multiprocessing.get_context("fork")
    while seed < end:
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_work, args=(case, seed, end, theirs), daemon=True)
        child.start()
        theirs.close()
        while seed < end:
            try:
                if not ours.poll(2 * _HANG_SECONDS):  # its own alarm may be what a crash has left dead
                    child.kill()
                outcome: str = ours.recv()
            except EOFError:
                break
            yield outcome
            seed += 1
        child.join()
        if seed < end:
            yield signal.Signals(-child.exitcode).name if child.exitcode and child.exitcode < 0 else "exit"
            seed += 1


def _work(case: Case, seed: int, end: int, told: Connection) -> None:
    """Tell the outcome of each case, as far as the process comes."""
    warnings.simplefilter("ignore")
    faulthandler.disable()  # crashes are counted, not explained
    for stream in (1, 2):  # runtimes explain themselves at length
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    most = _MOST_BYTES + resource.getpagesize() * int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for number in range(seed, end):
        signal.setitimer(signal.ITIMER_REAL, _HANG_SECONDS)  # whose default is to end the process
        told.send(_outcome(case, number))


def _outcome(case: Case, seed: int) -> str:
    try:
        with np.errstate(all="ignore"):
            case(seed)
    except NearsightError:
        return "refused"
    except Exception as error:  # noqa: BLE001 - which ones come is what is asked
        return type(error).__name__
    return "used"


def outcome(found: Exposure) -> str:
    """The figures in words."""
    crashed = sum(found.crashed.values())
    by_signal = ", ".join(f"{name} {count:,}" for name, count in sorted(found.crashed.items()))
    strange = ", ".join(f"{name} {count:,}" for name, count in sorted(found.strange.items()))
    return (
        f"{found.runtime}: of {found.cases:,} altered graphs under hashes that fit, {found.refused:,} were refused, "
        f"{found.used:,} used, {crashed:,} ({crashed / found.cases:.1%}) crashed the process"
        f"{f' ({by_signal})' if by_signal else ''}, {found.hung:,} hung, {sum(found.strange.values()):,} gave another "
        f"error{f' ({strange})' if strange else ''}; {found.seconds:.0f} s"
    )


def main(arguments: Sequence[str]) -> int:
    """Parse, expose, print, write."""
    parser = argparse.ArgumentParser("python -m nearsight_benchmarks.exposure", description="Hostile graphs.")
    parser.add_argument("bundle", type=Path, help="a .nsight file")
    parser.add_argument("--runtime", choices=[name for name in RUNTIMES if name != "numpy"], default="litert")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    options = parser.parse_args(arguments)
    try:
        case = resealed(options.bundle.read_bytes(), options.runtime)
    except NearsightError as error:
        parser.error(str(error))
    command = " ".join(["python -m nearsight_benchmarks.exposure", *arguments])
    found = exposed(case, options.runtime, options.cases, options.seed, command)
    sys.stdout.write(f"{outcome(found)}\n")
    if options.out:
        write_atomically(options.out, msgspec.json.format(msgspec.json.encode(found), indent=1))
    return 1 if found.strange else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
