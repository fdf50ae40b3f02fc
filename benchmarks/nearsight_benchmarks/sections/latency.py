"""What was timed: the host, every contestant, ratios, start-up and what the figures don't say."""

from collections.abc import Iterator

from nearsight_benchmarks.groups import grouped
from nearsight_benchmarks.results import Entry, Results
from nearsight_benchmarks.sections.markdown import code, interval, table
from nearsight_benchmarks.verdict import duration, kilobytes, times

__all__ = ["caveats", "host", "latency", "ratios", "starts"]


def host(results: Results) -> str:
    """The machine, its libraries, and how busy it was."""
    machine = results.host
    libraries = ", ".join(f"{name} {version}" for name, version in machine.versions.items() if name != "nearsight")
    parts = f"{machine.processor}, {machine.cores} cores, {machine.memory_gigabytes:.0f} GB"
    load = results.protocol.load_average
    busy = "" if load is None else f" The load average was {load:.1f} when the benchmark began."
    return f"Host: {parts}, {machine.system}, {machine.python}; {libraries}.{busy}"


def latency(results: Results) -> Iterator[str]:
    """Every contestant with its times, bytes and AUC."""
    yield "## Latency against accuracy"
    yield code(results.command)
    yield from results.verdict
    yield (
        "The whole Python call. In bold: what to ship. "
        f"AUC: {results.protocol.questions[results.primary]:,} test questions."
    )
    columns = ["p50", "p95", "p99", "calls", "kB", "kB gzipped", "AUC"]
    for title, entries in grouped(results.entries):
        yield table([title, *columns], [_row(entry, results) for entry in entries])


def _row(entry: Entry, results: Results) -> list[str]:
    calls, weight = entry.latency, entry.weight
    return [
        f"**{entry.name}**" if entry.name == results.pick else entry.name,
        *([duration(each) for each in (calls.p50_us, calls.p95_us, calls.p99_us)] if calls else [""] * 3),
        f"{calls.calls:,}" if calls else "",
        *([kilobytes(weight.raw), kilobytes(weight.gzipped)] if weight else [""] * 2),
        interval(auc, 3) if (auc := results.auc(entry)) else "",
    ]


def ratios(results: Results) -> Iterator[str]:
    """How many times faster what ships is."""
    if results.ratios:
        yield "## How many times faster"
        rows = [[ratio.slow, times(ratio.times)] for ratio in results.ratios]
        yield table(["instead of", f"{results.ratios[0].fast} is faster by"], rows)


def starts(results: Results) -> Iterator[str]:
    """Fresh processes, and many users at once."""
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
    yield table(["", "start-up", "peak memory", "processes"], rows)
    rates = ", ".join(f"{rate.runtime} {rate.events_per_second:,.0f} events/s" for rate in results.throughput)
    yield f"`score_many`, features included, one core: {rates}."


def caveats(results: Results) -> Iterator[str]:
    """What the figures don't say."""
    yield "## Protocol and caveats"
    left_out = [f"Left out: {name}, because {reason}." for name, reason in results.skipped.items()]
    yield "\n".join(f"- {text}" for text in (*results.caveats, *left_out))
