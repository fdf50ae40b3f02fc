"""The report: one HTML page that needs nothing but itself."""

from collections.abc import Iterator

import msgspec

from nearsight_benchmarks.axes import Shape
from nearsight_benchmarks.cost import said
from nearsight_benchmarks.groups import grouped
from nearsight_benchmarks.maps import COLOURS, charted
from nearsight_benchmarks.observing import LATE
from nearsight_benchmarks.pareto import front
from nearsight_benchmarks.plots import COLOURS as RUNTIME_COLOURS
from nearsight_benchmarks.plots import FAMILIES, MARKERS, Point, scatter
from nearsight_benchmarks.results import Entry, Results
from nearsight_benchmarks.verdict import duration, kilobytes, signed, times
from nearsight_training.metrics import Interval

__all__ = ["KINDS", "METRICS", "render"]

METRICS = ("auc", "average_precision", "log_loss", "expected_calibration_error")
KINDS = {"ask": "asked at a moment without an event", "event": "asked after every event"}
_WEIGHED = ("step", "rival", "peer")
_WIDE, _NARROW = (1088, 560), (358, 430)


def render(results: Results) -> str:
    """The whole page as HTML with styles, script and plots inside; it loads nothing, and no figure needs the script."""
    import jinja2
    from markupsafe import Markup

    loader = jinja2.PackageLoader("nearsight_benchmarks", "")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"duration": duration, "kilobytes": kilobytes, "times": times, "interval": _interval}
    environment.filters |= {"share": _share, "signed": _signed}
    page: str = environment.get_template("report.html.jinja").render(
        results=results,
        groups=grouped(results.entries),
        kinds=KINDS,
        metrics=METRICS,
        colours=COLOURS,
        legend=_legend(results),
        spent=said(results.costs),
        observed=results.ratios[0].fast if results.ratios else "",
        plots={name: Markup(svg) for name, svg in _plots(results).items()},  # noqa: S704  # drawn here, text escaped
    )
    return page


def _legend(results: Results) -> dict[str, dict[str, str]]:
    """What the plots' markers and colours stand for, as far as they occur."""
    families = {entry.family for entry in results.entries}
    runtimes = {entry.runtime for entry in results.entries}
    return {
        "markers": {FAMILIES[name]: way for name, way in MARKERS.items() if name in families},
        "colours": {name: colour for name, colour in RUNTIME_COLOURS.items() if name in runtimes},
    }


def _plots(results: Results) -> dict[str, str]:
    auc = "AUC (higher is better)"
    drawn: dict[str, str] = {}
    for form, (width, height) in {"wide": _WIDE, "narrow": _NARROW}.items():
        is_narrow = form == "narrow"
        latency = Shape(width=width, height=height, x_label="median latency", y_label=auc)
        drawn[f"latency_{form}"] = scatter(_latency_points(results, is_narrow), latency, "µs")
        size = Shape(width=width, height=height, x_label="artifact's bytes", y_label=auc)
        drawn[f"size_{form}"] = scatter(_size_points(results, is_narrow), size, "bytes")
        if results.market:
            first, second = "first main axis of the embedding", "second main axis"
            market = Shape(width=width, height=height, x_label=first, y_label=second)
            drawn[f"market_{form}"] = charted(results.market.kinds, results.market.places, market)
    return drawn


def _latency_points(results: Results, is_narrow: bool) -> list[Point]:
    longest = max((entry.window or 0 for entry in results.entries), default=0)
    points = []
    for entry in results.entries:
        auc = results.auc(entry)
        is_repeated = entry.family == "observe" and not entry.name.endswith(f"{LATE:,}")
        if auc and entry.latency and not is_repeated:
            is_short = entry.family == "window" and entry.window != longest
            is_key = entry.family == "peer" or entry.name in (results.pick, *(ratio.slow for ratio in results.ratios))
            is_labelled = not is_short and (is_key or (not is_narrow and entry.family in ("observe", "rival")))
            points.append(_point(results, entry, entry.latency.p50_us, auc, is_labelled, is_short))
    return _with_front(points)


def _size_points(results: Results, is_narrow: bool) -> list[Point]:
    shown = [entry for entry in results.entries if entry.family in _WEIGHED or entry.runtime == "Keras"]
    points, seen = [], set()
    for entry in shown:
        auc = results.auc(entry)
        weight = entry.weight
        if auc and weight and (entry.runtime, weight.raw) not in seen:
            seen.add((entry.runtime, weight.raw))
            is_labelled = not is_narrow or entry.family == "peer" or entry.name == results.pick
            points.append(_point(results, entry, weight.raw, auc, is_labelled, False))
    return _with_front(points)


def _with_front(points: list[Point]) -> list[Point]:
    best = set(front([point.x for point in points], [point.y.value for point in points]))
    return [msgspec.structs.replace(point, on_front=place in best) for place, point in enumerate(points)]


def _point(results: Results, entry: Entry, x: float, auc: Interval, is_labelled: bool, hollow: bool) -> Point:
    return Point(
        label=_short(entry),
        told=f"{entry.name}: {', '.join(_told(entry, auc))}",
        family=entry.family,
        runtime=entry.runtime,
        x=x,
        y=auc,
        is_pick=entry.name == results.pick,
        with_interval=entry.name == results.pick or entry.family == "peer",
        hollow=hollow,
        is_labelled=is_labelled,
    )


def _told(entry: Entry, auc: Interval) -> Iterator[str]:
    """An entry's figures as a plot tells them."""
    if entry.latency:
        yield f"{duration(entry.latency.p50_us)} a call"
    if entry.weight:
        yield f"{kilobytes(entry.weight.raw)} kB"
    yield f"AUC {_interval(auc)}"


def _short(entry: Entry) -> str:
    """A label for a plot, where colour says the runtime and shape says the family."""
    if entry.family == "peer":
        return entry.name
    name = entry.name.split(", event")[0].removeprefix("window ").removeprefix("step ")
    return name.replace("ONNX Runtime", "ORT").replace(", window ", ", ")


def _share(share: Interval | float | None) -> str:
    """A share in percent, with its interval where it has one."""
    if share is None:
        return "–"
    if isinstance(share, Interval):
        return f"{100 * share.value:.1f} % ({100 * share.low:.1f}–{100 * share.high:.1f})"
    return f"{100 * share:.1f} %"


def _signed(change: float | None) -> str:
    """A change with its sign, to four decimals."""
    return "–" if change is None else signed(change)


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    return f"{interval.value:.3f} ({interval.low:.3f}–{interval.high:.3f})"
