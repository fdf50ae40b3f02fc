"""A whole benchmark: everybody gathered, asked, timed side by side, started afresh, compared and reported."""

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from nearsight.bundle import write_atomically
from nearsight_benchmarks import page
from nearsight_benchmarks.caveats import caveats
from nearsight_benchmarks.conclusion import concluded, protocol
from nearsight_benchmarks.config import BenchConfig
from nearsight_benchmarks.contestants import Answers, Candidate, Exam
from nearsight_benchmarks.host import load_average
from nearsight_benchmarks.lineup import lined_up
from nearsight_benchmarks.machine import costs
from nearsight_benchmarks.material import Material, gathered
from nearsight_benchmarks.observing import throughputs
from nearsight_benchmarks.remote import checked
from nearsight_benchmarks.results import Entry, Quality, Results, write_results
from nearsight_benchmarks.scoring import quality
from nearsight_benchmarks.starts import footprints
from nearsight_benchmarks.timing import interleaved, summary, timer_cost
from nearsight_training.progress import SILENT, Progress

__all__ = ["PAGE", "RESULTS", "answered", "bench"]

RESULTS, PAGE = "results.json", "report.html"
_ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


def bench(run_path: Path, bundle_path: Path, config: BenchConfig, out: Path, progress: Progress = SILENT) -> Results:
    """Measure a run's artifacts and a bundle beside their peers; write `OUT/results.json` and `OUT/report.html`.

    Raises `InputError` or `BundleError` where the run, its artifacts or the bundle can't be used; nothing is then
    written.
    """
    load = load_average()
    is_one_thread = "tensorflow" not in sys.modules
    device = checked(config.tflite_python) if config.tflite_python else {}
    material = gathered(run_path, bundle_path, config)
    with _one_thread(), lined_up(material, bundle_path, config, progress) as lineup:
        answers = answered(lineup.candidates, material.exam, progress)
        timer = timer_cost()
        entries = _timed(lineup.candidates, config, progress)
        machine, spent = costs(material, entries, progress)
        rates = throughputs(material, config.replays, progress)
    entries = _scored(entries, answers, material, config, progress)
    programs = {each.entry.name: each.program for each in lineup.candidates if each.program}
    bare, footing = footprints(programs, config.processes, progress)
    results = concluded(
        material,
        config,
        [msgspec.structs.replace(entry, footprint=footing.get(entry.name)) for entry in entries],
        answers,
        rates,
        machine,
        spent,
        protocol(material, config, timer, bare, load),
        skipped=lineup.skipped,
        caveats=caveats(config, timer, is_one_thread, device),
        device=device,
        bundle=bundle_path.name,
        command=_command(run_path, bundle_path, config),
    )
    write_results(out / RESULTS, results)
    write_atomically(out / PAGE, page.render(results).encode())
    return results


def _command(run_path: Path, bundle_path: Path, config: BenchConfig) -> str:
    """What repeats the benchmark at a terminal."""
    plain = BenchConfig()
    words = ["nearsight", "bench", str(run_path), str(bundle_path), *(["--quick"] if config.quick else [])]
    words += ["--head", config.head] if config.head else []
    if config.windows != plain.windows:
        words += [word for size in config.windows for word in ("--window", str(size))]
    words += ["--seed", str(config.seed)] if config.seed != plain.seed else []
    words += ["--tflite-python", str(config.tflite_python)] if config.tflite_python else []
    return shlex.join(words)


@contextmanager
def _one_thread() -> Iterator[None]:
    """TensorFlow, where it isn't loaded yet, and the linear algebra below NumPy on one thread."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it comes with scikit-learn

    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        with threadpool_limits(1):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def answered(candidates: Sequence[Candidate], exam: Exam, progress: Progress = SILENT) -> dict[str, Answers]:
    """Every candidate's answers, two at a time: nothing is timed here, and each binary is asked once."""
    progress.start("asking the test questions", len(candidates))
    answers: dict[str, Answers] = {}
    with ThreadPoolExecutor(2) as cores:
        distinct = {id(each.answer): each.answer for each in candidates}
        asked = {key: cores.submit(answer, exam) for key, answer in distinct.items()}
        for candidate in candidates:
            answers[candidate.entry.name] = asked[id(candidate.answer)].result()
            progress.advance(candidate.entry.name)
    progress.finish(f"{sum(map(len, exam.kinds)):,} questions each")
    return answers


def _timed(candidates: Sequence[Candidate], config: BenchConfig, progress: Progress) -> list[Entry]:
    contestants = [candidate.contestant for candidate in candidates]
    times = interleaved(contestants, config.plan, seed=config.seed, progress=progress)
    return [
        msgspec.structs.replace(candidate.entry, latency=summary(times[candidate.entry.name]))
        for candidate in candidates
    ]


def _scored(
    entries: Sequence[Entry],
    answers: dict[str, Answers],
    material: Material,
    config: BenchConfig,
    progress: Progress,
) -> list[Entry]:
    """Entries with their figures; those that answered alike to the last bit share them."""
    progress.start("resampling users", len(entries))
    known: dict[bytes, dict[str, Quality]] = {}
    scored = []
    for entry in entries:
        given = answers[entry.name]
        key = b"".join(given[kind].tobytes() for kind in sorted(given))
        if key not in known:
            known[key] = quality(material.exam.kinds, given, config.resamples, config.seed)
        scored.append(msgspec.structs.replace(entry, quality=known[key]))
        progress.advance(entry.name)
    progress.finish()
    return scored
