"""The report: one HTML page that needs nothing but itself."""

import msgspec

from nearsight_benchmarks.cost import said
from nearsight_benchmarks.groups import grouped
from nearsight_benchmarks.maps import COLOURS, charted
from nearsight_benchmarks.observing import LATE
from nearsight_benchmarks.pareto import front
from nearsight_benchmarks.plots import Point, Shape, scatter
from nearsight_benchmarks.results import Entry, Results
from nearsight_benchmarks.verdict import duration, kilobytes, times
from nearsight_training.metrics import Interval

__all__ = ["KINDS", "METRICS", "render"]

METRICS = ("auc", "average_precision", "log_loss", "expected_calibration_error")
KINDS = {"ask": "asked at a moment without an event", "event": "asked after every event"}
_WIDE, _NARROW = (1088, 560), (358, 430)


def render(results: Results) -> str:
    """The whole page as HTML with its styles and plots inside; it loads nothing."""
    import jinja2
    from markupsafe import Markup

    loader = jinja2.PackageLoader("nearsight_benchmarks", "")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"duration": duration, "kilobytes": kilobytes, "times": times, "interval": _interval}
    environment.filters |= {"share": _share}
    page: str = environment.get_template("report.html.jinja").render(
        results=results,
        groups=grouped(results.entries),
        kinds=KINDS,
        metrics=METRICS,
        colours=COLOURS,
        spent=said(results.costs),
        observed=results.ratios[0].fast if results.ratios else "",
        plots={name: Markup(svg) for name, svg in _plots(results).items()},  # noqa: S704  # drawn here, text escaped
    )
    return page


def _plots(results: Results) -> dict[str, str]:
    auc = "AUC (higher is better)"
    drawn: dict[str, str] = {}
    for form, (width, height) in {"wide": _WIDE, "narrow": _NARROW}.items():
        is_narrow = form == "narrow"
        latency = Shape(name=f"latency-{form}", width=width, height=height, x_label="median latency (µs)", y_label=auc)
        drawn[f"latency_{form}"] = scatter(_latency_points(results, is_narrow), latency)
        size = Shape(name=f"size-{form}", width=width, height=height, x_label="artifact (bytes)", y_label=auc)
        drawn[f"size_{form}"] = scatter(_size_points(results, is_narrow), size)
        if results.market:
            axes = {"x_label": "first main axis of the embedding", "y_label": "second main axis"}
            shape = Shape(name=f"market-{form}", width=width, height=height, logarithmic=False, **axes)
            drawn[f"market_{form}"] = charted(results.market.kinds, results.market.places, shape)
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
            is_labelled = not is_short and (is_key or not is_narrow)
            points.append(_point(results, entry, entry.latency.p50_us, auc, is_labelled, is_short))
    return _with_front(points)


def _size_points(results: Results, is_narrow: bool) -> list[Point]:
    shown = [entry for entry in results.entries if entry.family in ("step", "peer") or entry.runtime == "Keras"]
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
        family=entry.family,
        runtime=entry.runtime,
        x=x,
        y=auc,
        is_pick=entry.name == results.pick,
        with_interval=entry.name == results.pick or entry.family == "peer",
        hollow=hollow,
        is_labelled=is_labelled,
    )


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


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    return f"{interval.value:.3f} ({interval.low:.3f}–{interval.high:.3f})"
