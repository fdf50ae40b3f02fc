"""Error against ε as an SVG file."""

import io
from collections.abc import Sequence

import msgspec

from nearsight_benchmarks.maps import COLOURS
from nearsight_benchmarks.plots import INK, LINE, Shape, framed

__all__ = ["Curve", "drawn"]

_SHAPE = Shape(
    name="privacy",
    width=760,
    height=440,
    x_label="ε of the question",
    y_label="error that 95 % of trials stay within, %",
    logarithmic=False,
)


_TICKS = (0.3, 1, 3, 10, 30)
_GREYS = {INK: "#333333", LINE: "#d0d0d0"}  # a file of its own has no style sheet


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """A line through points (ε, error) in one of the reports' colours."""

    label: str
    points: tuple[tuple[float, float], ...]
    colour: int
    is_dashed: bool = False


def drawn(curves: Sequence[Curve]) -> str:
    """Draw the lines over two logarithmic axes: a whole SVG file, the same for the same curves."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import StrMethodFormatter

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": _SHAPE.name, "font.size": 12}):
        figure = Figure(figsize=(_SHAPE.width / 72, _SHAPE.height / 72), dpi=72, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        framed(axes, _SHAPE)
        for curve in curves:
            x, y = zip(*curve.points, strict=True)
            colour, style = COLOURS[curve.colour % len(COLOURS)], "--" if curve.is_dashed else "-"
            axes.plot(x, y, style, marker="o", ms=5, color=colour, label=curve.label)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_yticks(_TICKS)
        axes.set_xticks(sorted({x for curve in curves for x, _ in curve.points}))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.minorticks_off()
        figure.legend(loc="outside right upper", frameon=False, fontsize=10.5)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    svg = written.getvalue()
    for name, grey in _GREYS.items():
        svg = svg.replace(name, grey)
    return svg
