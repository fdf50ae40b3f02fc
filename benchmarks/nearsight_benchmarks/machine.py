"""What this machine can do at best, as its runtimes show on graphs made for the purpose."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from nearsight.backends import Backend, choose
from nearsight.trunk import Trunk
from nearsight_benchmarks.contestants import RUNTIMES
from nearsight_benchmarks.cost import Cost, Limits, Machine
from nearsight_benchmarks.material import Material
from nearsight_benchmarks.probes import ARITHMETIC, MEMBERS, ROWS, SQUARE, WIDTH, idle, multiplying
from nearsight_benchmarks.results import Entry
from nearsight_benchmarks.tape import Tape
from nearsight_benchmarks.timing import Calls, Contestant, Plan, interleaved
from nearsight_export.counting import work_of
from nearsight_export.work import Work
from nearsight_training.progress import SILENT, Progress

__all__ = ["costs", "measured"]

_MORE: dict[str, dict[str, int]] = {"idle": {}, "computing": {"computes": 32}, "moving": {"moves": 16}}
_PLAN = Plan(calls=600, seconds=0.3, rounds=12)
_LEAST = 50_000  # bytes that are copied: fewer take less than the clock shows


def costs(
    material: Material, entries: Sequence[Entry], progress: Progress = SILENT
) -> tuple[Machine, tuple[Cost, ...]]:
    """The machine's limits, and what the step artifacts among the `entries` cost that were timed in this process."""
    works = {}
    for entry in entries:
        runtime = next((name for name in MEMBERS if RUNTIMES[name] == entry.runtime), None)
        if runtime is not None and entry.family == "step" and entry.latency is not None:
            member = MEMBERS[runtime]
            content = (material.artifacts / f"{entry.precision}" / member).read_bytes()
            works[entry.name] = (runtime, work_of(member, content), entry.latency.p50_us)
    sizes = [sum(work.weight_bytes.values()) for _, work, _ in works.values()]
    machine = measured(material.run.trunk, material.tape, sizes, progress)
    return machine, tuple(machine.cost(name, *each) for name, each in works.items())


def measured(trunk: Trunk, tape: Tape, sizes: Sequence[int], progress: Progress = SILENT) -> Machine:
    """Make the graphs and time them in turn; `sizes` are how many bytes of weights the steps under test read."""
    progress.start("the machine's limits", len(MEMBERS) + 1)
    contestants, works = list(_copies(sizes)), {}
    for runtime, member in MEMBERS.items():
        for name, more in _MORE.items():
            content = idle(runtime, trunk, **more)
            works[f"{runtime} {name}"] = work_of(member, content)
            backend = choose(runtime, {member: content}, trunk)
            contestants.append(tape.step(f"{runtime} {name}", backend, trunk.state_size))
        contestants += _products(runtime)
        progress.advance(runtime)
    times = interleaved(contestants, _PLAN)
    medians = {name: float(np.median(each)) / 1000 for name, each in times.items()}
    progress.finish()
    return Machine(
        limits={runtime: _limits(runtime, medians, works) for runtime in MEMBERS},
        bytes_per_us={size: _bandwidth(size, medians) for size in _sizes(sizes)},
    )


def _limits(runtime: str, medians: dict[str, float], works: dict[str, Work]) -> Limits:
    base, more, moved = (f"{runtime} {name}" for name in _MORE)
    compute = (medians[more] - medians[base]) / (works[more].computes - works[base].computes)
    move = (medians[moved] - medians[base]) / (works[moved].moves - works[base].moves)
    own = works[base].computes * compute + works[base].moves * move
    return Limits(
        call_us=medians[base] - own,
        compute_us=compute,
        move_us=move,
        multiplications_per_us={
            arithmetic: ROWS * WIDTH * WIDTH / medians[f"{runtime} {arithmetic}"] for arithmetic in ARITHMETIC[runtime]
        },
    )


def _products(runtime: str) -> Iterator[Contestant]:
    """A square matrix times many rows, in each arithmetic."""
    for arithmetic, variant in ARITHMETIC[runtime].items():
        member = MEMBERS[runtime]
        backend = choose(runtime, {member: multiplying(runtime, variant)}, SQUARE)
        numbers = backend.bind(ROWS).numbers
        numbers[:] = np.random.default_rng(1).normal(size=numbers.shape)
        yield Calls(f"{runtime} {arithmetic}", partial(_run, backend))


def _run(backend: Backend) -> None:
    """One product; the backend is held, since its binding owns the memory that a runtime reads and writes."""
    backend.bind(ROWS).run()


def _copies(sizes: Sequence[int]) -> Iterator[Contestant]:
    for size in (1, *_sizes(sizes)):
        source, target = np.zeros(size, np.uint8), np.ones(size, np.uint8)
        yield Calls(f"copy {size}", partial(np.copyto, target, source))


def _sizes(sizes: Sequence[int]) -> list[int]:
    return sorted({max(size, _LEAST) for size in sizes})


def _bandwidth(size: int, medians: dict[str, float]) -> float:
    """A copy reads and writes; what a copy of one byte takes is the call's."""
    return 2 * size / max(medians[f"copy {size}"] - medians["copy 1"], 1e-3)
