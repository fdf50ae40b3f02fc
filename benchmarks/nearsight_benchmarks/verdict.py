"""What to ship and why: computed from the figures, in plain words."""

from collections.abc import Mapping, Sequence

from nearsight_benchmarks.results import Entry, Ratio, named
from nearsight_training.gate import compared
from nearsight_training.metrics import Interval

__all__ = ["best_window", "duration", "kilobytes", "pick", "ratios", "sentences", "signed", "times"]

TOLERANCE = 0.002  # of AUC: what export allows an artifact to lose against fp32
SLOWER = 1.5  # a smaller artifact is preferred until it costs more than this times the fastest one's time


def pick(entries: Sequence[Entry], kind: str) -> Entry:
    """The step artifact to ship: of those whose AUC is within 0.002 of the best one's, and that take at most 1.5 times
    as long as the fastest of these, the smallest; the faster one of two equally small ones.
    """
    steps = [entry for entry in entries if entry.family == "step" and entry.latency and entry.weight]
    best = max(_auc(entry, kind) for entry in steps)
    good = [entry for entry in steps if _auc(entry, kind) >= best - TOLERANCE]
    fastest = min(_p50(entry) for entry in good)
    quick = [entry for entry in good if _p50(entry) <= SLOWER * fastest]
    return min(quick, key=lambda entry: (_bytes(entry), _p50(entry)))


def best_window(entries: Sequence[Entry], size: int) -> Entry | None:
    """The fastest window graph of that size; None where none was timed."""
    windows = [entry for entry in entries if entry.family == "window" and entry.window == size and entry.latency]
    return min(windows, key=_p50, default=None)


def ratios(entries: Sequence[Entry], observed: Entry, sizes: Sequence[int]) -> tuple[Ratio, ...]:
    """How many times faster one whole `observe` call is than the best window of each size, Keras and the peers."""
    slow = [window for size in sizes if (window := best_window(entries, size))]
    slow += [entry for entry in entries if entry.runtime == "Keras" and entry.latency and entry.window == max(sizes)]
    slow += [entry for entry in entries if entry.family == "peer" and entry.latency]
    fast = _p50(observed)
    return tuple(Ratio(fast=observed.name, slow=entry.name, times=_p50(entry) / fast) for entry in slow)


def sentences(
    entries: Sequence[Entry],
    chosen: Entry,
    kind: str,
    found: Sequence[Ratio],
    against: Mapping[str, Interval],
    users: int,
) -> tuple[str, ...]:
    """The verdict; `against` holds, by entry, the chosen one's AUC less that entry's, paired, with its interval.

    `users` are those who gave the rarer answer.
    """
    return tuple(
        part
        for part in (
            _what(chosen),
            _accuracy(chosen, kind, _source(entries), against),
            _speed(entries, found),
            _rivals([entry for entry in entries if entry.family == "rival" and entry.name in against], against),
            *(_peer(entry, kind, against, users) for entry in entries if entry.family == "peer"),
        )
        if part
    )


def _what(chosen: Entry) -> str:
    weight = chosen.weight
    size = f"{weight.raw / 1000:.0f} kB, {weight.gzipped / 1000:.0f} kB gzipped" if weight else "of unknown size"
    return (
        f"Ship the {chosen.precision} step graph and run it in {chosen.runtime} ({size}): "
        f"it reads one event in {duration(_p50(chosen))}."
    )


def _source(entries: Sequence[Entry]) -> Entry | None:
    return next((e for e in entries if e.family == "step" and e.precision == "fp32" and e.runtime == "LiteRT"), None)


def _accuracy(chosen: Entry, kind: str, source: Entry | None, against: Mapping[str, Interval]) -> str:
    auc = chosen.quality[kind]["auc"]
    text = f"Its AUC is {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"
    if source is None or source.name == chosen.name or source.name not in against:
        return text + "."
    change = against[source.name].value
    if abs(change) < 0.00005:
        return text + ", the same as the fp32 graph's."
    return text + f", {abs(change):.4f} {'above' if change > 0 else 'below'} the fp32 graph's."


def _speed(entries: Sequence[Entry], found: Sequence[Ratio]) -> str:
    """The ratios against the longest windows, Keras's among them, in one sentence."""
    longest = max((entry.window or 0 for entry in entries), default=0)
    against = [ratio for ratio in found if named(entries, ratio.slow).window == longest]
    if not against:
        return ""
    parts = [
        f"{times(ratio.times)} faster than {_described(named(entries, ratio.slow))} "
        f"({duration(_p50(named(entries, ratio.slow)))})"
        for ratio in against
    ]
    observed = named(entries, against[0].fast)
    return f"A whole call of session.observe takes {duration(_p50(observed))}: " + _listed(parts) + "."


def _rivals(entries: Sequence[Entry], against: Mapping[str, Interval]) -> str:
    """The fastest and the smallest of what other tools make, each with what its AUC is above the chosen one's."""
    if not entries:
        return ""
    fastest, smallest = min(entries, key=_p50), min(entries, key=_bytes)
    said = f"Of what other tools make of the same network, {_figures(fastest, against)} is the fastest"
    return said + (" and the smallest." if smallest is fastest else f", {_figures(smallest, against)} the smallest.")


def _figures(entry: Entry, against: Mapping[str, Interval]) -> str:
    change = signed(-against[entry.name].value)
    return f"{entry.name} ({duration(_p50(entry))}, {kilobytes(_bytes(entry))} kB, AUC {change})"


def _described(window: Entry) -> str:
    if window.runtime == "Keras":
        return window.name.replace(", window ", " on ") + " events"
    return f"the {window.precision} window of {window.window} events in {window.runtime}"


def _peer(entry: Entry, kind: str, against: Mapping[str, Interval], users: int) -> str:
    if entry.name not in against or "auc" not in entry.quality.get(kind, {}):
        return ""
    auc, change = entry.quality[kind]["auc"].value, against[entry.name]
    span = f"difference {signed(change.value)}, {signed(change.low)} to {signed(change.high)}"
    text = compared(entry.name, change, users, f"AUC {auc:.3f}; {span}")
    text = text[0].upper() + text[1:]
    if entry.latency:
        text += f". {entry.name} needs the whole history and {duration(entry.latency.p50_us)} per call"
    return text + "."


def signed(change: float) -> str:
    """A change to four decimals: with its sign, but none before a zero that is only too small to show."""
    return f"{change:+.4f}".replace("-", "−") if round(change, 4) else "0.0000"


def duration(microseconds: float) -> str:
    """A time in the unit that people say."""
    if microseconds < 1000:
        return f"{microseconds:.1f} µs" if microseconds < 100 else f"{microseconds:.0f} µs"
    return f"{microseconds / 1000:.1f} ms" if microseconds < 100_000 else f"{microseconds / 1000:.0f} ms"


def kilobytes(count: int) -> str:
    """Bytes in thousands, to a tenth."""
    return f"{count / 1000:,.1f}"


def times(ratio: float) -> str:
    """A ratio with as many digits as it deserves."""
    return f"{ratio:.1f} times" if ratio < 10 else f"{float(f'{ratio:.2g}'):,.0f} times"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _auc(entry: Entry, kind: str) -> float:
    figures = entry.quality.get(kind, {})
    return figures["auc"].value if "auc" in figures else float("-inf")


def _p50(entry: Entry) -> float:
    return entry.latency.p50_us if entry.latency else float("inf")


def _bytes(entry: Entry) -> int:
    return entry.weight.raw if entry.weight else 0
