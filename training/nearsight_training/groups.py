"""Numbers that are read in groups, such as ages: the model, and whatever is kept of a training, knows no exact one."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.spec import Groups
from nearsight.values import groups as grouped
from nearsight_training.log import EventLog

__all__ = ["coarse", "fit_groups"]

_DIGITS = 15  # that a float holds

Floats = NDArray[np.float64]


def fit_groups(
    name: str, asked: tuple[float, ...] | int, values: Floats, owners: NDArray[np.int64], min_users: int
) -> tuple[Groups | None, tuple[str, ...]]:
    """Groups of a field `(E,)` by the edges `asked` for, or that many of about as many users each; and notes.

    A group of fewer than `min_users` users could tell of them: it is joined to the smaller one beside it. None where
    that leaves one group.
    """
    known = ~np.isnan(values)
    values, owners = values[known], owners[known]
    edges = _even(values, owners, asked) if isinstance(asked, int) else list(asked)
    kept = _populated(name, edges, values, owners, min_users)
    if not kept:
        return None, (f"{name}: left out, fewer than two of its groups have {min_users} users each",)
    if len(kept) == len(edges) or isinstance(asked, int):
        return Groups(name=name, edges=tuple(kept)), ()
    lost = ", ".join(f"{edge:g}" for edge in edges if edge not in kept)
    note = f"{name}: grouped without an edge at {lost}, beside which fewer than {min_users} users are"
    return Groups(name=name, edges=tuple(kept)), (note,)


def coarse(log: EventLog, groups: Sequence[Groups]) -> EventLog:
    """The log with one number for all values of a group, its lower edge: no exact value is kept or learned from."""
    fields: dict[str, NDArray[Any]] = dict(log.fields)
    for each in groups:
        told = np.array([np.nan, np.nextafter(each.edges[0], -np.inf), *each.edges])
        fields[each.name] = told[grouped(each.name, each.edges, log.fields[each.name])]
    return replace(log, fields=fields)


def _even(values: Floats, owners: NDArray[np.int64], count: int) -> list[float]:
    """Edges between values that part users evenly into `count` groups, or fewer where many share a value."""
    found, users = _users(values, owners)
    below = np.cumsum(users)[:-1]
    if not len(below):
        return []
    shares = users.sum() * np.arange(1, count) / count
    places = sorted({int(np.abs(below - share).argmin()) for share in shares})
    return [_round(float(found[place]), float(found[place + 1])) for place in places]


def _populated(name: str, edges: list[float], values: Floats, owners: NDArray[np.int64], min_users: int) -> list[float]:
    """The edges without those that part off too few users."""
    kept = list(edges)
    while kept:
        groups, users = _users(grouped(name, tuple(kept), values), owners)
        counts = np.zeros(len(kept) + 1, np.int64)
        counts[groups - 1] = users
        least = int(counts.argmin())
        if counts[least] >= min_users:
            break
        beside = [place for place in (least - 1, least + 1) if 0 <= place < len(counts)]
        del kept[max(least, min(beside, key=lambda place: int(counts[place]))) - 1]
    return kept


def _users(values: NDArray[Any], owners: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The different values, and how many users have each."""
    found, codes = np.unique(values, return_inverse=True)
    size = int(owners.max(initial=0)) + 1
    pairs = np.unique(codes.astype(np.int64) * size + owners)
    return found, np.bincount(pairs // size, minlength=len(found))


def _round(low: float, high: float) -> float:
    """A number above `low` and not above `high` that has few digits: neither needs to be told exactly."""
    middle = low / 2 + high / 2
    size = math.floor(math.log10(max(abs(low), abs(high))))
    rounded = (round(middle, digits) for digits in range(-size, _DIGITS - size))
    return next((each for each in rounded if low < each <= high), high)
