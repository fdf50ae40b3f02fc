"""Markdown: tables, blocks of code, and figures as they are written."""

from collections.abc import Sequence

from nearsight_training.metrics import Interval

__all__ = ["code", "difference", "interval", "table"]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells below the names of their columns."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(text: str) -> str:
    """A block that is shown as it is."""
    return f"```\n{text}\n```"


def interval(found: Interval, digits: int) -> str:
    """A figure and its interval."""
    return f"{found.value:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"


def difference(found: Interval) -> str:
    """By how much, to four decimals: with a sign, but none before a zero that is only too small to show."""
    value, low, high = (f"{each:+.4f}" if round(each, 4) else "0.0000" for each in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})".replace("-", "−")
