"""Markdown: tables, blocks of code, and figures as they are written."""

from collections.abc import Sequence

from nearsight_benchmarks.verdict import signed
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
    """By how much, and its interval."""
    return f"{signed(found.value)} ({signed(found.low)} to {signed(found.high)})"
