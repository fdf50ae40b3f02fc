"""`benchmarks/RESULTS.md` from figures: `python -m nearsight_benchmarks.results_page RESULTS.json CDNOW.json RUN ...`.

`RESULTS.json` is what `nearsight bench` wrote, `CDNOW.json` what `python -m nearsight_benchmarks.cdnow --out` wrote,
and each `RUN` what `nearsight train` wrote of a public data set.
Every sentence is computed from them, so that the page says nothing that wasn't measured.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from nearsight.bundle import write_atomically
from nearsight.errors import InputError, NearsightError
from nearsight_benchmarks.audit import Audits, tables
from nearsight_benchmarks.cdnow import CrossFit
from nearsight_benchmarks.exposure import Exposure
from nearsight_benchmarks.exposure import outcome as exposed
from nearsight_benchmarks.fuzz import Fuzzed
from nearsight_benchmarks.fuzz import outcome as damaged
from nearsight_benchmarks.groups import grouped
from nearsight_benchmarks.privacy import Privacy
from nearsight_benchmarks.privacy import table as noise_table
from nearsight_benchmarks.private_training import PrivateTraining
from nearsight_benchmarks.private_training import table as private_table
from nearsight_benchmarks.results import Entry, Results, read_results
from nearsight_benchmarks.scale import Scale
from nearsight_benchmarks.soak import Soak, outcome
from nearsight_benchmarks.verdict import duration, kilobytes, times
from nearsight_export.beside import outlined
from nearsight_export.questions import asked
from nearsight_training.gate import compared, verdict
from nearsight_training.metrics import Interval
from nearsight_training.run import Run, load_run

__all__ = ["read_figures", "render"]

_INTRODUCTION = """\
# Results

Figures of one host, with the commands that give them. Ratios carry over to other machines better than times do.
`nearsight demo` makes the run that they are about, and `python -m nearsight_benchmarks.results_page results.json
cdnow.json runs/cdnow runs/eshop2008 runs/online_retail runs/bpic2012` makes this page of them."""


_CALIBRATED = ("expected_calibration_error", "calibration_error_by_chance")

More = Scale | Privacy | PrivateTraining | Audits | Soak | Fuzzed | Exposure
Figures = TypeVar("Figures", bound=CrossFit | More)


def read_figures(path: Path, kind: type[Figures], maker: str) -> Figures:
    """Read what the module `maker` wrote. Raises `InputError` where it is missing or something else."""
    maker = f"nearsight_benchmarks.{maker}"
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}): pass what {maker} wrote") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} isn't what {maker} writes ({error}): run python -m {maker}") from error


def render(
    results: Results,
    crossfit: CrossFit,
    runs: Sequence[Run] = (),
    more: Sequence[More] = (),
) -> str:
    """The whole page as Markdown; `runs` are of public data sets, and `more` has sections of its own."""
    found = {kind: [each for each in more if isinstance(each, kind)] for kind in _SECTIONS}
    parts = [
        _INTRODUCTION,
        _host(results),
        *_cross_fitted(crossfit),
        *_public(runs),
        *_latency(results),
        *_ratios(results),
        *_starts(results),
        *(part for kind, write in _SECTIONS.items() if found[kind] for part in write(*found[kind])),
        *_caveats(results),
    ]
    return "\n\n".join(parts) + "\n"


def _host(results: Results) -> str:
    host = results.host
    libraries = ", ".join(f"{name} {version}" for name, version in host.versions.items() if name != "nearsight")
    said = f"Host: {host.processor}, {host.cores} cores, {host.memory_gigabytes:.0f} GB, {host.system}, {host.python}; "
    load = results.protocol.load_average
    busy = "" if load is None else f" The load average was {load:.1f} when the benchmark began."
    return f"{said}{libraries}.{busy}"


def _cross_fitted(found: CrossFit) -> Iterator[str]:
    yield "## Will a customer buy again? CDNOW, cross-fitted"
    yield _code(found.command)
    yield (
        f"Each of {found.customers:,} customers is asked on 1997-09-30 whether another purchase follows by 1998-06-30 "
        f"({100 * found.yes_share:.1f} % yes), and is scored by models that were fitted on the other customers "
        f"({found.folds} folds, {found.resamples:,} resamples of customers)."
    )
    rows = [
        [name, _interval(auc, 4), _difference(found.network_less[name]) if name in found.network_less else ""]
        for name, auc in found.auc.items()
    ]
    yield _table(["model", "AUC", "network less the model, paired"], rows)
    telling = round(found.customers * min(found.yes_share, 1 - found.yes_share))
    said = (compared(name, change, telling) for name, change in found.network_less.items())
    yield " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in said)


def _public(runs: Sequence[Run]) -> Iterator[str]:
    if not runs:
        return
    yield "## Every question of the public data sets, beside simpler models"
    yield _code("nearsight datasets NAME --out data    # NAME is one of those below; it prints the train command")
    yield (
        "Each run is one training with its defaults; the test users were kept apart, and all models were asked the "
        "same questions, 20,000 of them at most. More is better for a yes/no question (AUC), less for a next event "
        "(log loss, nats) and a number (root mean squared error)."
    )
    rows = [row for run in runs for row in _gated(run)]
    yield _table(["data set", "question", "network", "model", "its figure", "network less the model, paired"], rows)
    yield "\n".join(f"- {run.source.name}: {sentence}" for run in runs for sentence in _sentences(run))


def _gated(run: Run) -> Iterator[list[str]]:
    for head in run.heads:
        gate = run.gates[head.name]
        for rival in gate.rivals:
            figure, network = rival.figures[gate.figure], run.metrics[head.name][gate.figure]
            change = _difference(rival.ahead[gate.figure])
            yield [
                run.source.name,
                f"{head.name}: {asked(head)}",
                _interval(network, 3),
                rival.name,
                _interval(figure, 3),
                change,
            ]


def _sentences(run: Run) -> Iterator[str]:
    for name, gate in run.gates.items():
        yield from verdict(name, gate)
    for name, figures in run.metrics.items():
        if "expected_calibration_error" in figures:
            error, chance = (figures[each].value for each in _CALIBRATED)
            yield f"{name}: calibration error {error:.3f}, where a perfect model would have {chance:.3f} by chance."
    yield from outlined(run.beside)


def _latency(results: Results) -> Iterator[str]:
    yield "## Latency against accuracy"
    yield _code(results.command)
    yield from results.verdict
    yield (
        "The whole Python call. In bold: what to ship. "
        f"AUC: {results.protocol.questions[results.primary]:,} test questions."
    )
    columns = ["p50", "p95", "p99", "calls", "kB", "kB gzipped", "AUC"]
    for title, entries in grouped(results.entries):
        yield _table([title, *columns], [_row(entry, results) for entry in entries])


def _row(entry: Entry, results: Results) -> list[str]:
    latency, weight = entry.latency, entry.weight
    return [
        f"**{entry.name}**" if entry.name == results.pick else entry.name,
        *([duration(each) for each in (latency.p50_us, latency.p95_us, latency.p99_us)] if latency else [""] * 3),
        f"{latency.calls:,}" if latency else "",
        *([kilobytes(weight.raw), kilobytes(weight.gzipped)] if weight else [""] * 2),
        _interval(auc, 3) if (auc := results.auc(entry)) else "",
    ]


def _ratios(results: Results) -> Iterator[str]:
    if results.ratios:
        yield "## How many times faster"
        rows = [[ratio.slow, times(ratio.times)] for ratio in results.ratios]
        yield _table(["instead of", f"{results.ratios[0].fast} is faster by"], rows)


def _starts(results: Results) -> Iterator[str]:
    about = results.protocol
    yield "## A fresh process, and many users at once"
    yield (
        "Up to the first answer, less a process that only imports NumPy "
        f"({about.numpy_seconds:.2f} s, {about.numpy_megabytes:.0f} MB); medians."
    )
    rows = [
        [entry.name, f"{foot.seconds:.3f} s", f"{foot.megabytes:.1f} MB", str(foot.processes)]
        for _, entries in grouped(results.entries)
        for entry in entries
        if (foot := entry.footprint)
    ]
    yield _table(["", "start-up", "peak memory", "processes"], rows)
    rates = ", ".join(f"{rate.runtime} {rate.events_per_second:,.0f} events/s" for rate in results.throughput)
    yield f"`score_many`, features included, one core: {rates}."


def _scaled(scale: Scale) -> Iterator[str]:
    read, trained = scale.sequences, scale.epochs
    yield "## A large log, and an epoch"
    yield _code(scale.command)
    stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in read.seconds.items())
    yield (
        f"From a CSV file of {read.events:,} events of {read.users:,} users ({read.file_megabytes:.0f} MB) to encoded, "
        f"labelled and split histories with {read.questions:,} questions: {stages}; {read.cpu_seconds:.1f} s of all "
        f"cores together, {read.peak_megabytes:,.0f} MB at the peak of the process. Medians of {read.processes}."
    )
    yield (
        f"An epoch over {trained.histories:,} histories of {trained.length} events, the check of validation included: "
        f"{trained.median_seconds:.1f} s, {trained.cpu_seconds_per_epoch:.1f} s of all cores together, "
        f"{trained.peak_megabytes:,.0f} MB at the peak."
    )
    if (large := scale.parted) is not None:
        yield (
            f"From a CSV file of {large.events:,} events of {large.users:,} users ({large.file_megabytes:,.0f} MB) to "
            f"histories, as a whole: {large.whole_seconds:.0f} s, {large.whole_megabytes:,.0f} MB at the peak of the "
            f"process; in the {large.parts} parts of `--memory {large.memory}`: {large.parts_seconds:.0f} s, "
            f"{large.parts_megabytes:,.0f} MB."
        )


def _noised(found: Privacy) -> Iterator[str]:
    yield "## What noise costs"
    yield _code(found.command)
    yield (
        "Invented users answer through `nearsight.report`, and `nearsight aggregate`'s estimates are compared with "
        f"what is true of these users. The error that 95 % of {found.trials} trials stay within, in percent of users "
        "(segments: the worst of six) or of the distance between the bounds (mean); in brackets what the noise's "
        "variance says."
    )
    yield noise_table(found).strip()
    yield "![Error against ε](privacy.svg)"
    most = max(each.users for each in found.accuracies)
    yield " ".join(
        f"A yes/no count over {each.users:,} users at ε = {each.epsilon:g} is off by at most 3 % of the users in "
        f"{100 * each.within_3:.1f} % of trials."
        for each in found.accuracies
        if (each.kind, each.users, each.epsilon) == ("count", most, 1)
    )
    times = ", ".join(f"{kind} {duration(microseconds)}" for kind, microseconds in found.report_us.items())
    yield f"A report, paid for, drawn with the system's generator and encoded (median): {times}."


def _trained_privately(found: PrivateTraining) -> Iterator[str]:
    yield "## What private training costs"
    yield _code(found.command)
    made = next(point.guarantee for point in found.points if point.guarantee)
    yield (
        f"Will a CDNOW customer buy again? Trained on {made.users:,} customers with `--private` ((ε, δ)-differentially "
        f"private for each: gradients clipped to {made.clip_norm:g}, {made.sampling_rate * made.users:,.0f} customers "
        f"a step on average) and without, no trees teaching, and asked about {found.customers:,} others. One training "
        "each; the noise is the system's, so another call gives somewhat other figures."
    )
    yield private_table(found).strip()
    pace = found.pace
    busy = "" if found.load_average is None else f"; the load average was {found.load_average:.1f}"
    yield (
        f"A private step over one crop each of {pace.users} customers takes {pace.private_ms:.0f} ms, an ordinary one "
        f"{pace.ordinary_ms:.0f} ms: {pace.private_ms / pace.ordinary_ms:.1f} times as long (medians of {pace.repeats} "
        f"in turn{busy})."
    )


def _audited(audit: Audits) -> Iterator[str]:
    yield "## What a model and a state give away"
    yield _code(audit.command)
    yield (
        "An attacker has the 8-bit step graph that ships. Which of two users was trained on? The AUC of four attacks, "
        "0.5 being chance, with 95 % intervals over users, and of trees that see the histories but never the model: "
        "what these tell lies in the users. Then what is told of held-out users' states: how often the name of each of "
        "the last events is right, and which share of the variance of numbers' logarithms is explained, beside what "
        "the answers that an app shows tell anyway."
    )
    yield from tables(audit)


def _soaked(soak: Soak) -> Iterator[str]:
    yield "## A store over a long time"
    yield (
        "A process that writes to a store is killed at random moments, and what is left is held to the store's bounds; "
        "`observe` of a store, with its share of the writes, takes turns with that of plain sessions; and one process "
        f"observes on and on. {soak.host.processor}, {soak.host.cores} cores; the load average was "
        f"{soak.load_average[0]} before and {soak.load_average[1]} after."
    )
    yield _code("\n".join([f"$ {soak.command}", *outcome(soak)]))


def _damaged(fuzz: Fuzzed) -> Iterator[str]:
    yield "## Damage and strange input"
    yield "Bundles, snapshots, stores and events, damaged by chance, in NumPy: what isn't an error of ours is a fault."
    yield _code(f"$ python -m nearsight_benchmarks.fuzz shop.nsight --cases {fuzz.cases}\n{damaged(fuzz)}")


def _exposed(*exposures: Exposure) -> Iterator[str]:
    yield "## Altered graphs under hashes that fit"
    yield (
        "A bundle without a signature vouches for nothing, and its graph goes to the runtime's own parser. Half of the "
        "graphs have bytes changed anywhere, half have numbers rewritten in their structure."
    )
    for each in exposures:
        yield _code(f"$ {each.command}\n{exposed(each)}")


def _caveats(results: Results) -> Iterator[str]:
    yield "## Protocol and caveats"
    left_out = [f"Left out: {name}, because {reason}." for name, reason in results.skipped.items()]
    yield "\n".join(f"- {text}" for text in (*results.caveats, *left_out))


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: str) -> str:
    return f"```\n{text}\n```"


def _interval(interval: Interval, digits: int) -> str:
    return f"{interval.value:.{digits}f} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def _difference(interval: Interval) -> str:
    return f"{interval.value:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})".replace("-", "−")


_SECTIONS: Mapping[type[More], Callable[..., Iterator[str]]] = {
    Scale: _scaled,
    Privacy: _noised,
    PrivateTraining: _trained_privately,
    Audits: _audited,
    Soak: _soaked,
    Fuzzed: _damaged,
    Exposure: _exposed,
}
_MAKERS: Mapping[type[More], str] = {
    Scale: "scale",
    Privacy: "privacy",
    PrivateTraining: "private_training",
    Audits: "audit",
    Soak: "soak",
    Fuzzed: "fuzz",
    Exposure: "exposure",
}


def main(arguments: Sequence[str]) -> None:
    """Parse, read, write."""
    parser = argparse.ArgumentParser("python -m nearsight_benchmarks.results_page", description="RESULTS.md anew.")
    parser.add_argument("results", type=Path, metavar="RESULTS.json", help="what nearsight bench wrote")
    parser.add_argument("crossfit", type=Path, metavar="CDNOW.json", help="what nearsight_benchmarks.cdnow wrote")
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUN", help="what nearsight train wrote of public data")
    for kind, maker in _MAKERS.items():
        count = "+" if kind is Exposure else 1
        wrote = f"what nearsight_benchmarks.{maker} wrote"
        parser.add_argument(f"--{maker}", type=Path, nargs=count, default=(), metavar="FIGURES.json", help=wrote)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/RESULTS.md"), help="the page")
    options = parser.parse_args(arguments)
    try:
        runs = [load_run(path) for path in options.runs]
        crossfit = read_figures(options.crossfit, CrossFit, "cdnow")
        more = [read_figures(path, kind, maker) for kind, maker in _MAKERS.items() for path in getattr(options, maker)]
        page = render(read_results(options.results), crossfit, runs, more)
    except NearsightError as error:
        parser.error(str(error))
    write_atomically(options.out, page.encode())


if __name__ == "__main__":
    main(sys.argv[1:])
