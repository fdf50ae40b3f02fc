"""The report's plots as inline SVG: latency against accuracy, and size against accuracy.

The page's style sheet colours them (`dot`, `grid`, `front`, `lead`), and its script tells a point's figures.
"""

import itertools
from collections.abc import Iterator, Sequence
from html import escape

import msgspec

from nearsight_benchmarks.axes import LETTER, Axis, Shape, figure, framed, words
from nearsight_benchmarks.labels import Box, place
from nearsight_training.metrics import Interval

__all__ = ["COLOURS", "FAMILIES", "MARKERS", "Point", "scatter"]

COLOURS = {
    "LiteRT": "#2f7ed8",
    "TFLite": "#2aa198",
    "ONNX Runtime": "#e07b1a",
    "NumPy": "#7a8b2e",
    "Keras": "#d0435b",
    "LightGBM": "#8e5fd0",
    "lifetimes": "#b0703c",
}
MARKERS = {
    "observe": "M0-9 2.2-3 8.6-2.8 3.5 1.1 5.3 7.3 0 3.7-5.3 7.3-3.5 1.1-8.6-2.8-2.2-3z",
    "step": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "window": "M-4.5-4.5h9v9h-9z",
    "rival": "M0-6.5 6.2 4.5H-6.2z",
    "peer": "M0-6.5 6.5 0 0 6.5-6.5 0z",
}
FAMILIES = {
    "observe": "whole SDK call",
    "step": "step, one event",
    "window": "window, history anew",
    "rival": "made by another tool",
    "peer": "other kind of model",
}
_HIGH = 15.0  # pixels of a label
_UNITS = {"µs": ((1e6, "s"), (1e3, "ms"), (1.0, "µs")), "bytes": ((1e6, "MB"), (1e3, "kB"), (1.0, "B"))}


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One contestant in a plot; `told` is what its figures are, in words.

    The interval is drawn where `with_interval`; `hollow` marks the shorter windows.
    """

    label: str
    told: str
    family: str
    runtime: str
    x: float
    y: Interval
    on_front: bool = False
    is_pick: bool = False
    with_interval: bool = False
    hollow: bool = False
    is_labelled: bool = True


def scatter(points: Sequence[Point], shape: Shape, unit: str) -> str:
    """Draw points with labels that don't overlap and the Pareto front as a line of steps: an `<svg>` element.

    `unit` of the logarithmic horizontal axis is "µs" or "bytes".
    """
    x, y = _axes(points, shape)
    frame = framed(
        shape, x, y, {tick: _said(tick, unit) for tick in x.ticks()}, {tick: f"{tick:.3g}" for tick in y.ticks()}
    )
    whiskers = "".join(
        f'<path d="M{x.at(point.x):.1f} {y.at(point.y.low):.1f}V{y.at(point.y.high):.1f}" stroke="{_colour(point)}"/>'
        for point in points
        if point.with_interval
    )
    dots = "".join(_dot(point, x, y) for point in points)
    labels = "".join(_labels(points, x, y))
    return figure(
        shape, f'{frame}<g class="whisker">{whiskers}</g>{_front(points, x, y)}{labels}{dots}', ' class="plot"'
    )


def _axes(points: Sequence[Point], shape: Shape) -> tuple[Axis, Axis]:
    """Room for labels: the values' span and as much again, intervals included where they're drawn."""
    low = min(point.y.low if point.with_interval else point.y.value for point in points)
    high = max(point.y.high if point.with_interval else point.y.value for point in points)
    room = max((high - low) * 0.12, 0.002)
    left, right = min(point.x for point in points), max(point.x for point in points)
    return shape.across(left / 3, right * 3, logarithmic=True), shape.upwards(low - room, high + room)


def _said(value: float, unit: str) -> str:
    """A tick in the unit that people say: 10 µs, 1 ms, 100 kB."""
    size, name = next((each for each in _UNITS[unit] if value >= each[0]), _UNITS[unit][-1])
    return f"{value / size:g} {name}"


def _colour(point: Point) -> str:
    return COLOURS.get(point.runtime, "currentColor")


def _dot(point: Point, x: Axis, y: Axis) -> str:
    ring = '<circle r="11"/>' if point.is_pick else ""
    kind, told = "dot hollow" if point.hollow else "dot", escape(point.told)
    return (
        f'<g class="{kind}" tabindex="0" role="img" aria-label="{told}" color="{_colour(point)}" '
        f'transform="translate({x.at(point.x):.1f} {y.at(point.y.value):.1f})">'
        f'<title>{told}</title><path d="{MARKERS[point.family]}"/>{ring}</g>'
    )


def _front(points: Sequence[Point], x: Axis, y: Axis) -> str:
    best = sorted((x.at(point.x), -y.at(point.y.value)) for point in points if point.on_front)
    corners = "".join(f"H{across:.1f}V{-up:.1f}" for across, up in best)
    return f'<path class="front" d="M{best[0][0]:.1f} {-best[0][1]:.1f}{corners}"/>' if best else ""


def _labels(points: Sequence[Point], x: Axis, y: Axis) -> list[str]:
    """The labels with lines that lead to their points, the pick's and the front's first."""
    named = sorted(
        (point for point in points if point.is_labelled), key=lambda point: (not point.is_pick, not point.on_front)
    )
    taken = [Box(x.at(point.x) - 9, y.at(point.y.value) - 9, 18, 18) for point in points]
    boxes = place(
        [(x.at(point.x), y.at(point.y.value)) for point in named],
        [(LETTER * len(point.label) + 4, _HIGH) for point in named],
        Box(x.start, y.stop, x.stop - x.start, y.start - y.stop),
        [*taken, *_steps(points, x, y)],
    )
    return [_written(point, box, x, y) for point, box in zip(named, boxes, strict=True) if box is not None]


def _steps(points: Sequence[Point], x: Axis, y: Axis) -> Iterator[Box]:
    """The front as thin boxes, so that no label is struck through by it."""
    best = sorted((x.at(point.x), y.at(point.y.value)) for point in points if point.on_front)
    for (here, low), (there, high) in itertools.pairwise(best):
        yield Box(here - 2, low - 2, there - here + 4, 4)
        yield Box(there - 2, high - 2, 4, low - high + 4)


def _written(point: Point, box: Box, x: Axis, y: Axis) -> str:
    middle, height = box.left + box.width / 2, box.bottom + box.height / 2
    line = f'<path class="lead" d="M{x.at(point.x):.1f} {y.at(point.y.value):.1f}L{middle:.1f} {height:.1f}"/>'
    is_near = abs(x.at(point.x) - middle) < box.width / 2 + 16 and abs(y.at(point.y.value) - height) < 20
    strong = ' class="strong"' if point.is_pick else ""
    return ("" if is_near else line) + words(middle, height + 4, point.label, "middle", strong)
