"""The contestants that no other one beats."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["front"]


def front(costs: Sequence[float] | NDArray[np.float64], gains: Sequence[float] | NDArray[np.float64]) -> list[int]:
    """Which points are on the Pareto front of low cost and high gain, from the cheapest on.

    A point is dominated where another one costs no more and gains no less, and is better in one of both. Equal points
    stand on the front together.
    """
    order = sorted(range(len(costs)), key=lambda point: (costs[point], -gains[point]))
    kept: list[int] = []
    for point in order:
        best = kept[-1] if kept else None
        equal = best is not None and costs[point] == costs[best] and gains[point] == gains[best]
        if best is None or gains[point] > gains[best] or equal:
            kept.append(point)
    return kept
