"""Figures with 95 % intervals."""

import msgspec

__all__ = ["Interval"]


class Interval(msgspec.Struct, frozen=True):
    """A figure with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float
