"""Error against ε as an SVG file."""

from collections.abc import Sequence
from itertools import chain

import msgspec

from nearsight_benchmarks.axes import Axis, Shape, figure, framed, words
from nearsight_benchmarks.maps import COLOURS

__all__ = ["Curve", "drawn"]

_SHAPE = Shape(
    width=760,
    height=440,
    x_label="ε of the question",
    y_label="error that 95 % of trials stay within, %",
    aside=230,
)
_TICKS = (0.3, 1, 3, 10, 30)
_STYLE = "text{font:12px sans-serif;fill:#333}path{fill:none}.grid{stroke:#d0d0d0}"  # a file of its own has no sheet


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """A line through points (ε, error) in one of the reports' colours."""

    label: str
    points: tuple[tuple[float, float], ...]
    colour: int
    is_dashed: bool = False


def drawn(curves: Sequence[Curve]) -> str:
    """Draw the lines over two logarithmic axes: a whole SVG file, the same for the same curves."""
    epsilons = sorted({epsilon for curve in curves for epsilon, _ in curve.points})
    errors = [*chain.from_iterable((error for _, error in curve.points) for curve in curves), *_TICKS]
    x = _SHAPE.across(epsilons[0] / 1.1, epsilons[-1] * 1.1, logarithmic=True)
    y = _SHAPE.upwards(min(errors) / 1.1, max(errors) * 1.1, logarithmic=True)
    frame = framed(_SHAPE, x, y, {each: f"{each:g}" for each in epsilons}, {each: f"{each:g}" for each in _TICKS})
    lines = [_line(curve, number, x, y) for number, curve in enumerate(curves)]
    content = f"<style>{_STYLE}</style>{frame}{''.join(lines)}"
    return figure(_SHAPE, content, ' xmlns="http://www.w3.org/2000/svg"') + "\n"


def _line(curve: Curve, number: int, x: Axis, y: Axis) -> str:
    """The curve and, beside the axes, its name behind a piece of it."""
    colour, height = COLOURS[curve.colour % len(COLOURS)], 24 + 20 * number
    way = "L".join(f"{x.at(epsilon):.1f} {y.at(error):.1f}" for epsilon, error in curve.points)
    dashes = ' stroke-dasharray="6 4"' if curve.is_dashed else ""
    piece = f"M{x.stop + 12} {height - 4}h24"
    line = f'<path d="M{way}{piece}" stroke="{colour}" stroke-width="1.8"{dashes}/>'
    return line + words(x.stop + 42, height, curve.label)
