"""The report's map of users: each a point in the colour of its segment, as inline SVG."""

from collections.abc import Sequence

from nearsight_benchmarks.axes import Shape, figure, framed
from nearsight_benchmarks.market import Kind, Place

__all__ = ["COLOURS", "charted"]

COLOURS = ("#2f7ed8", "#e07b1a", "#2aa198", "#d0435b", "#8e5fd0", "#7a8b2e", "#b0703c", "#5b7083")


def charted(kinds: Sequence[Kind], places: Sequence[Place], shape: Shape) -> str:
    """Draw the places, in the colours that the table of segments shows: an `<svg>` element."""
    across, up = [place.x for place in places], [place.y for place in places]
    x, y = shape.across(*_around(across)), shape.upwards(*_around(up))
    drawn = []
    for number in range(len(kinds)):
        here = "".join(
            f"M{x.at(place.x):.0f} {y.at(place.y):.0f}h0" for place in places if place.kind == number
        )  # no way at all, whose round end is a point
        drawn.append(f'<path d="{here}" stroke="{COLOURS[number % len(COLOURS)]}"/>')
    return figure(shape, f'{framed(shape, x, y, {}, {})}<g class="users">{"".join(drawn)}</g>')


def _around(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = max((high - low) * 0.04, 0.01)
    return low - room, high + room
