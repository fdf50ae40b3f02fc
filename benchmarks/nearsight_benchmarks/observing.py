"""The SDK itself: `session.observe` early and late in a history, and `score_many`, through every installed runtime."""

import statistics
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from nearsight.backends import RUNTIMES, choose
from nearsight.batch import Event
from nearsight.errors import RuntimeMissingError
from nearsight.insight import Insight
from nearsight.session import Model
from nearsight_benchmarks import contestants
from nearsight_benchmarks.contestants import Candidate, Found
from nearsight_benchmarks.material import Material
from nearsight_benchmarks.results import Entry, Throughput
from nearsight_benchmarks.starts import Program
from nearsight_benchmarks.tape import Tape
from nearsight_training.progress import SILENT, Progress

__all__ = ["EARLY", "LATE", "insights", "observers", "throughputs"]

EARLY, LATE = 10, 100_000
_BATCH_EVENTS = 60_000
_REASONS = {"tflite": "tflite-runtime can't share a process with NumPy 2 or TensorFlow (--tflite-python gives it one)"}
_WEIGHTS = RUNTIMES["numpy"][1]


def insights(material: Material, runtimes: Collection[str] = tuple(RUNTIMES)) -> Iterator[Insight | tuple[str, str]]:
    """The bundle through each of the runtimes that can run it here, or the runtime's name and why it can't.

    NumPy is given the weights where the bundle doesn't carry them.
    """
    members = {_WEIGHTS: material.archive, **material.bundle.members}
    for runtime in runtimes:
        try:
            backend = choose(runtime, members, material.run.trunk)
        except RuntimeMissingError as error:
            yield contestants.RUNTIMES[runtime], _REASONS.get(runtime, str(error))
            continue
        yield Insight(material.bundle.manifest, Model(backend, material.bundle.manifest))


def observers(material: Material, bundle_path: Path, runtimes: Collection[str] = tuple(RUNTIMES)) -> Iterator[Found]:
    """`observe` after 10 and after 100,000 events. The late state is made once, as runtimes exchange snapshots."""
    snapshots: dict[int, bytes] = {}
    for insight in insights(material, runtimes):
        if not isinstance(insight, Insight):
            yield insight
            continue
        step = _step(material, insight.runtime)
        for count in (EARLY, LATE):
            if count not in snapshots:
                snapshots[count] = material.tape.snapshot(insight, count)
            is_standing = count == EARLY and RUNTIMES[insight.runtime][1] in material.bundle.members
            program = _program(material, bundle_path, insight.runtime) if is_standing else None
            yield _observer(step, material.tape, insight, snapshots[count], count, program)


def throughputs(material: Material, repeats: int, progress: Progress = SILENT) -> tuple[Throughput, ...]:
    """Events per second of `score_many` over test users, repeated until there are about 60,000 events."""
    users = _batch(material)
    events = sum(map(len, users))
    found = [insight for insight in insights(material) if isinstance(insight, Insight)]
    progress.start("many users at once", len(found))
    rates = []
    for insight in found:
        rates.append(_rate(insight, users, events, repeats))
        progress.advance(f"{rates[-1].runtime}: {rates[-1].events_per_second:,.0f} events/s")
    progress.finish()
    return tuple(rates)


def _program(material: Material, bundle_path: Path, runtime: str) -> Program:
    event, time, fields = material.tape.event(0)
    arguments = (event, *(msgspec.json.encode(part).decode() for part in (time, fields)))
    return Program("observe", (str(bundle_path), runtime, *arguments))


def _step(material: Material, runtime: str) -> Candidate:
    """The step graph that the bundle has for a runtime."""
    member = RUNTIMES[runtime][1]
    seals = material.bundle.manifest.members
    content = material.bundle.members[member] if member in seals else material.archive
    precision = (seals[member].precision if member in seals else None) or "fp32"
    return contestants.step(precision, runtime, member, content, material.run.trunk, material.tape)


def _observer(
    step: Candidate, tape: Tape, insight: Insight, snapshot: bytes, count: int, program: Program | None
) -> Candidate:
    name = f"observe · {step.entry.runtime}, event {count:,}"
    entry: Entry = msgspec.structs.replace(step.entry, name=name, family="observe")
    return Candidate(entry, tape.observe(name, insight, snapshot, count), step.answer, program)


def _batch(material: Material) -> list[list[Event]]:
    held, has_clock = material.exam.histories, material.run.spec.clock is not None
    names, times = held.names.tolist(), held.times.tolist()
    columns = {name: column.tolist() for name, column in held.fields.items()}
    users = [
        [
            (names[i], times[i] if has_clock else None, {name: column[i] for name, column in columns.items()})
            for i in span
        ]
        for span in (range(start, start + length) for start, length in zip(held.starts, held.lengths, strict=True))
    ]
    times_over = max(1, round(_BATCH_EVENTS / max(len(names), 1)))
    return users * times_over


def _rate(insight: Insight, users: list[list[Event]], events: int, repeats: int) -> Throughput:
    insight.score_many(users[: len(users) // 8 + 1])
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        insight.score_many(users)
        seconds.append(time.perf_counter() - begin)
    rate = events / statistics.median(seconds)
    return Throughput(
        runtime=contestants.RUNTIMES[insight.runtime], events_per_second=rate, events=events, repeats=repeats
    )
