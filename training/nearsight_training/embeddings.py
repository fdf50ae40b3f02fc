"""How wide each code's embedding is."""

from collections.abc import Sequence

__all__ = ["widths"]

_NARROWEST = 2


def widths(code_sizes: Sequence[int]) -> tuple[int, ...]:
    """As wide as the square root of its codes `(K,)`; the event's, which come first, twice as wide.

    What may follow is told from the last event above all.
    """
    event, *others = (max(_NARROWEST, round(codes**0.5)) for codes in code_sizes)
    return 2 * event, *others
