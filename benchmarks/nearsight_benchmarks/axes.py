"""The axes of the reports' plots: values to pixels, round values for ticks, and the frame as SVG."""

import math
from collections.abc import Mapping
from html import escape

import msgspec

__all__ = ["LETTER", "Axis", "Shape", "figure", "framed", "words"]

LETTER = 6.2  # pixels of a letter in the mean, at the 11 pixels that a style sheet gives the plots' words
_MOST_TICKS = 7


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """Values from `low` to `high` on pixels from `start` to `stop`."""

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """The value's pixel."""
        low, high, here = (math.log10(x) if self.logarithmic else x for x in (self.low, self.high, value))
        return self.start + (here - low) / (high - low) * (self.stop - self.start)

    def ticks(self) -> list[float]:
        """Round values: two to eight multiples of 1, 2 or 5 of a power of ten.

        On a logarithmic axis the powers of ten themselves, with 2 and 5 of each where it spans less than two.
        """
        if self.logarithmic:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            parts = (1, 2, 5) if self.high < 100 * self.low else (1,)
            found = [part * 10.0**power for power in range(first, last + 1) for part in parts]
            return [tick for tick in found if self.low <= tick <= self.high]
        rough = (self.high - self.low) / _MOST_TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * many for many in (1, 2, 5, 10) if power * many >= rough)
        return [count * step for count in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A plot's size in pixels, its words, and the room that it leaves to the right of its axes."""

    width: int
    height: int
    x_label: str
    y_label: str
    aside: int = 22

    def across(self, low: float, high: float, *, logarithmic: bool = False) -> Axis:
        """The horizontal axis."""
        return Axis(low=low, high=high, start=58, stop=self.width - self.aside, logarithmic=logarithmic)

    def upwards(self, low: float, high: float, *, logarithmic: bool = False) -> Axis:
        """The vertical axis."""
        return Axis(low=low, high=high, start=self.height - 42, stop=10, logarithmic=logarithmic)


def figure(shape: Shape, content: str, attributes: str = "") -> str:
    """An `<svg>` element that says what it shows."""
    told = escape(f"{shape.y_label} against {shape.x_label}")
    return (
        f'<svg viewBox="0 0 {shape.width} {shape.height}" role="group" aria-label="{told}"{attributes}>{content}</svg>'
    )


def framed(shape: Shape, x: Axis, y: Axis, x_ticks: Mapping[float, str], y_ticks: Mapping[float, str]) -> str:
    """Grid, ticks with their words, and labels."""
    middle = (y.start + y.stop) / 2
    lines = [f"M{x.start} {y.stop}V{y.start}H{x.stop}"]
    lines += [f"M{x.at(value):.1f} {y.start}V{y.stop}" for value in x_ticks]
    lines += [f"M{x.start} {y.at(value):.1f}H{x.stop}" for value in y_ticks]
    texts = [
        words((x.start + x.stop) / 2, shape.height - 6, shape.x_label, "middle"),
        words(13, middle, shape.y_label, "middle", f' transform="rotate(-90 13 {middle:.1f})"'),
        *(words(x.at(value), y.start + 17, text, "middle") for value, text in x_ticks.items()),
        *(words(x.start - 6, y.at(value) + 4, text, "end") for value, text in y_ticks.items()),
    ]
    return f'<path class="grid" d="{"".join(lines)}"/>{"".join(texts)}'


def words(x: float, y: float, text: str, anchor: str = "start", attributes: str = "") -> str:
    """A `<text>` element."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{attributes}>{escape(text)}</text>'
