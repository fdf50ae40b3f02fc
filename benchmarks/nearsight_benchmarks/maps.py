"""The report's map of users: each a point in the colour of its segment, as inline SVG."""

import io
from collections.abc import Sequence

from nearsight_benchmarks.market import Kind, Place
from nearsight_benchmarks.plots import INK, Shape, framed, inline

__all__ = ["COLOURS", "charted"]

COLOURS = ("#2f7ed8", "#e07b1a", "#2aa198", "#d0435b", "#8e5fd0", "#7a8b2e", "#b0703c", "#5b7083")


def charted(kinds: Sequence[Kind], places: Sequence[Place], shape: Shape) -> str:
    """Draw the places; the legend numbers the segments as the table does: an `<svg>` element."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": shape.name, "font.size": 12, "text.color": INK}):
        figure = Figure(figsize=(shape.width / 72, shape.height / 72), dpi=72, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        framed(axes, shape)
        axes.set_xticks([])
        axes.set_yticks([])
        for number in range(len(kinds)):
            mine = [place for place in places if place.kind == number]
            colour = COLOURS[number % len(COLOURS)]
            x, y = [place.x for place in mine], [place.y for place in mine]
            axes.plot(x, y, "o", ms=5, mec="none", mfc=colour, alpha=0.6, label=str(number + 1))
        figure.legend(loc="outside upper left", ncols=len(kinds), frameon=False, fontsize=10.5, title="segment")
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return inline(written.getvalue(), shape)
