"""The report's plots as inline SVG: latency against accuracy, and size against accuracy."""

import io
import itertools
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from nearsight_benchmarks.labels import Box, place
from nearsight_training.metrics import Interval

__all__ = ["INK", "LINE", "Point", "Shape", "framed", "inline", "scatter"]

# Drawn in these two greys, which the page's style sheet then sets for light and for dark.
INK, LINE = "#123456", "#654321"
_COLOURS = {
    "LiteRT": "#2f7ed8",
    "TFLite": "#2aa198",
    "ONNX Runtime": "#e07b1a",
    "NumPy": "#7a8b2e",
    "Keras": "#d0435b",
    "LightGBM": "#8e5fd0",
    "lifetimes": "#b0703c",
}
_MARKERS = {"observe": "*", "step": "o", "window": "s", "peer": "D"}
_FAMILIES = {
    "observe": "whole SDK call",
    "step": "step, one event",
    "window": "window, history anew",
    "peer": "other kind of model",
}


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One contestant in a plot. The interval is drawn where `with_interval`; `hollow` marks the shorter windows."""

    label: str
    family: str
    runtime: str
    x: float
    y: Interval
    on_front: bool = False
    is_pick: bool = False
    with_interval: bool = False
    hollow: bool = False
    is_labelled: bool = True


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A plot's size in pixels and its words."""

    name: str
    width: int
    height: int
    x_label: str
    y_label: str
    logarithmic: bool = True


def scatter(points: Sequence[Point], shape: Shape) -> str:
    """Draw points with labels that don't overlap and the Pareto front as a line of steps: an `<svg>` element."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style = {"svg.fonttype": "none", "svg.hashsalt": shape.name, "font.size": 12, "text.color": INK}
    with mpl.rc_context(style):
        figure = Figure(figsize=(shape.width / 72, shape.height / 72), dpi=72, layout="constrained")
        FigureCanvasAgg(figure)  # measures the labels; at 72 dpi a point is a pixel of the SVG
        axes = figure.add_subplot()
        framed(axes, shape)
        for point in points:
            _draw(axes, point)
        _front(axes, points)
        _legend(axes, points, shape)
        _limits(axes, points, shape)
        figure.draw_without_rendering()
        _label(figure, axes, points)
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return inline(written.getvalue(), shape)


def framed(axes: Any, shape: Shape) -> None:
    """Labels, grid and spines in the page's colours."""
    if shape.logarithmic:
        axes.set_xscale("log")
    axes.set_xlabel(shape.x_label, color=INK)
    axes.set_ylabel(shape.y_label, color=INK)
    axes.tick_params(colors=INK, which="both", labelsize=11)
    axes.grid(color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(LINE)
    if shape.logarithmic:
        axes.xaxis.set_major_formatter(_unit(shape.x_label))


def _unit(label: str) -> Any:
    """Ticks in the unit that people say: 10 µs, 1 ms, 100 kB."""
    steps = ((1e6, "s"), (1e3, "ms"), (1, "µs")) if "µs" in label else ((1e6, "MB"), (1e3, "kB"), (1, "B"))

    def text(value: float, _: object) -> str:
        size, unit = next((step for step in steps if value >= step[0]), (1, steps[-1][1]))
        return f"{value / size:g} {unit}"

    return text


def _draw(axes: Any, point: Point) -> None:
    colour = _COLOURS.get(point.runtime, INK)
    if point.with_interval:
        axes.plot([point.x] * 2, [point.y.low, point.y.high], color=colour, linewidth=1.4, alpha=0.45, zorder=2)
    size = 15 if point.family == "observe" else 9
    face = "none" if point.hollow else colour
    marker = _MARKERS[point.family]
    axes.plot([point.x], [point.y.value], marker, ms=size, mfc=face, mec=colour, mew=1.5, zorder=4)
    if point.is_pick:
        axes.plot([point.x], [point.y.value], "o", ms=size + 9, mfc="none", mec=INK, mew=2, zorder=5)


def _front(axes: Any, points: Sequence[Point]) -> None:
    best = sorted((point.x, point.y.value) for point in points if point.on_front)
    if best:
        x, y = zip(*best, strict=True)
        axes.plot(x, y, color=INK, linewidth=1.2, linestyle="--", drawstyle="steps-post", zorder=3)


def _legend(axes: Any, points: Sequence[Point], shape: Shape) -> None:
    from matplotlib.lines import Line2D

    def handle(label: str, **style: Any) -> Any:
        return Line2D([], [], linestyle=style.pop("linestyle", "none"), label=label, **style)

    runtimes = [name for name in _COLOURS if any(point.runtime == name for point in points)]
    families = [name for name in _FAMILIES if any(point.family == name for point in points)]
    entries = [handle(_FAMILIES[name], marker=_MARKERS[name], color=INK, ms=8) for name in families]
    entries += [handle(name, marker="o", color=_COLOURS[name], ms=8) for name in runtimes]
    entries += [handle("Pareto front", linestyle="--", color=INK)]
    if any(point.is_pick for point in points):
        entries += [handle("to ship", marker="o", mfc="none", mec=INK, mew=2, ms=12)]
    if any(point.hollow for point in points):
        entries += [handle("shorter window", marker="s", mfc="none", mec=INK, ms=8)]
    columns = 2 if shape.width < 600 else 5
    axes.figure.legend(handles=entries, loc="outside upper left", ncols=columns, frameon=False, fontsize=10.5)


def _limits(axes: Any, points: Sequence[Point], shape: Shape) -> None:
    """Room for labels: the values' span and as much again, intervals included where they're drawn."""
    low = min(point.y.low if point.with_interval else point.y.value for point in points)
    high = max(point.y.high if point.with_interval else point.y.value for point in points)
    room = max((high - low) * 0.12, 0.002)
    axes.set_ylim(low - room, high + room)
    left, right = min(point.x for point in points), max(point.x for point in points)
    if shape.logarithmic:
        axes.set_xlim(left / 1.8, right * 2.6)
    else:
        axes.set_xlim(0, right * 1.2)


def _label(figure: Any, axes: Any, points: Sequence[Point]) -> None:
    named = sorted(
        (point for point in points if point.is_labelled), key=lambda point: (not point.is_pick, not point.on_front)
    )
    at = [tuple(axes.transData.transform((point.x, point.y.value))) for point in named]
    everything = [axes.transData.transform((point.x, point.y.value)) for point in points]
    taken = [Box(x - 9, y - 9, 18, 18) for x, y in everything] + _lines(axes, points)
    renderer = figure.canvas.get_renderer()
    sizes = [_extent(figure, renderer, point.label) for point in named]
    frame = axes.get_window_extent()
    boxes = place(at, sizes, Box(frame.x0, frame.y0, frame.width, frame.height), taken)
    for point, box in zip(named, boxes, strict=True):
        if box is not None:
            _write(axes, point, box)


def _lines(axes: Any, points: Sequence[Point]) -> list[Box]:
    """The intervals and the front's steps as thin boxes, so that no label is struck through."""

    def box(x: float, y: float, other_x: float, other_y: float) -> Box:
        (left, bottom), (right, top) = axes.transData.transform([(x, y), (other_x, other_y)])
        return Box(min(left, right) - 2, min(bottom, top) - 2, abs(right - left) + 4, abs(top - bottom) + 4)

    drawn = [box(point.x, point.y.low, point.x, point.y.high) for point in points if point.with_interval]
    best = sorted((point.x, point.y.value) for point in points if point.on_front)
    for (x, y), (next_x, next_y) in itertools.pairwise(best):
        drawn += [box(x, y, next_x, y), box(next_x, y, next_x, next_y)]
    return drawn


def _extent(figure: Any, renderer: Any, label: str) -> tuple[float, float]:
    text = figure.text(0, 0, label, fontsize=10.5)
    box = text.get_window_extent(renderer)
    text.remove()
    return box.width + 4, box.height + 2


def _write(axes: Any, point: Point, box: Box) -> None:
    middle = (box.left + box.width / 2, box.bottom + box.height / 2)
    axes.annotate(
        point.label,
        (point.x, point.y.value),
        axes.transData.inverted().transform(middle),
        ha="center",
        va="center",
        fontsize=10.5,
        fontweight="bold" if point.is_pick else "normal",
        arrowprops={"arrowstyle": "-", "color": INK, "alpha": 0.35, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 5},
    )


def inline(svg: str, shape: Shape) -> str:
    """The `<svg>` element alone, with colours from the page's style sheet and identifiers of its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id|clip-path|xlink:href)="(url\()?(#?)([^")]+)', rf'\1="\2\3{shape.name}-\4', svg)
    svg = svg.replace(INK, "currentColor").replace(LINE, "var(--line)")
    svg = re.sub(r"font: [^;\"]*?([\d.]+px)[^;\"]*", r"font-size: \1; font-family: inherit", svg)
    return re.sub(
        r'<svg [^>]*?viewBox="([^"]+)"[^>]*>',
        rf'<svg viewBox="\1" role="img" aria-label="{shape.y_label} against {shape.x_label}" xmlns:xlink="http://www.w3.org/1999/xlink">',
        svg,
        count=1,
    )
