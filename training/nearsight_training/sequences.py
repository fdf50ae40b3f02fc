"""Batches for training: crops of about equal length side by side, with a target at every prefix that has one.

A history that is longer than the window, between its fresh starts, is cut at places that move from epoch to epoch, so
that the network also learns from an empty state in the middle of a history. Padding is on the right and weighs
nothing. Questions are drawn anew each epoch, at most one for each event; they stand beside their event and enter no
later state.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight_training.histories import Histories

__all__ = ["Batch", "Crops", "batches", "crops", "drawn", "rounds", "step_count", "steps"]

_SHORTEST = 2


@dataclass(frozen=True)
class Crops:
    """Parts of histories: each begins at event `start` and holds `length` events, `(C,)` int64 each."""

    start: NDArray[np.int64]
    length: NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """T events and, where questions are asked, T now rows behind them: W = T or 2·T.

    `codes` (B, W, K) int32 and `numbers` (B, W, N) float32 feed the network; `labels` (B, W, H) hold 0, 1 or -1 for H
    yes/no heads, `values` (B, W, V) numbers or NaN, `next_codes` (B, T, 2) the codes of the next event and item or
    less than 1. `events` (B, T) are the events' indices, -1 for padding, and `asks` (B, T) the questions', -1 for none.
    """

    codes: NDArray[np.int32]
    numbers: NDArray[np.float32]
    labels: NDArray[np.int8]
    values: NDArray[np.float32]
    next_codes: NDArray[np.int32]
    events: NDArray[np.int64]
    asks: NDArray[np.int64]


def crops(histories: Histories, window: int, generator: np.random.Generator | None = None) -> Crops:
    """Cut histories into crops of at most `window` events; every event is in exactly one, a fresh one at its beginning.

    With a `generator` the other cuts move at random; without one they lie at multiples of the window.
    """
    begins = np.flatnonzero(histories.fresh)
    lengths = np.diff(begins, append=len(histories.codes))
    offset = np.zeros(len(lengths), np.int64)
    if generator is not None:
        offset = np.where(lengths > window, generator.integers(0, window, len(lengths)), 0)
    phase = histories.since_fresh - np.repeat(offset, lengths)
    start = np.flatnonzero((phase % window == 0) | histories.fresh)
    return Crops(start, np.diff(start, append=len(histories.codes)))


def batches(
    histories: Histories,
    parts: Crops,
    batch_events: int,
    chosen: NDArray[np.int64] | None = None,
    generator: np.random.Generator | None = None,
) -> Iterator[Batch]:
    """The crops as batches of about `batch_events` rows each, padded to powers of two or the longest crop.

    `chosen` (E,) is the question beside each event or -1; without it no now rows are made. A `generator` shuffles the
    crops of like length and the batches; without one the shortest come first.
    """
    widths = _widths(parts)
    groups: list[tuple[int, NDArray[np.int64]]] = []
    for width in np.unique(widths).tolist():
        members = np.flatnonzero(widths == width)
        if generator is not None:
            generator.shuffle(members)
        size = max(1, batch_events // width)
        groups += [(width, members[first : first + size]) for first in range(0, len(members), size)]
    order = np.arange(len(groups)) if generator is None else generator.permutation(len(groups))
    for place in order.tolist():
        width, members = groups[place]
        yield _batch(histories, parts, members, width, chosen)


def steps(
    histories: Histories,
    parts: Crops,
    batch_events: int,
    chosen: NDArray[np.int64] | None,
    generator: np.random.Generator,
) -> Iterator[list[Batch]]:
    """The crops in random order, about `batch_events` rows at a time, as the batches of one optimiser step.

    One step sees histories of all lengths, since short and long ones have very different labels: a step for each
    length made the loss jump. They still lie in one batch for each padded length, so that short ones stay cheap.
    """
    order = generator.permutation(len(parts.start))
    widths = _widths(parts)
    step = (np.cumsum(widths[order]) - 1) // batch_events
    for members in np.split(order, np.flatnonzero(np.diff(step)) + 1):
        yield [
            _batch(histories, parts, members[widths[members] == width], width, chosen)
            for width in np.unique(widths[members]).tolist()
        ]


def step_count(parts: Crops, batch_events: int) -> int:
    """How many steps an epoch has, give or take one."""
    return max(1, round(float(_widths(parts).sum()) / batch_events))


def _widths(parts: Crops) -> NDArray[np.int64]:
    exponents = np.ceil(np.log2(np.maximum(parts.length, _SHORTEST))).astype(np.int64)
    return np.minimum(np.left_shift(1, exponents), max(_SHORTEST, int(parts.length.max(initial=0))))


def rounds(histories: Histories) -> Iterator[NDArray[np.int64]]:
    """Every question once, in rounds of at most one per event: each round is a `chosen` (E,) for `batches`."""
    events = histories.ask_events
    order = np.argsort(events, kind="stable")
    fresh = np.diff(events[order], prepend=-1) != 0
    turn = np.arange(len(order)) - np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))
    for number in range(int(turn.max(initial=-1)) + 1):
        members = order[turn == number]
        chosen = np.full(len(histories.codes), -1, np.int64)
        chosen[events[members]] = members
        yield chosen


def drawn(histories: Histories, generator: np.random.Generator, *, alone: bool = False) -> NDArray[np.int64]:
    """At most one question beside each event, at random; (E,) with -1 for none.

    Every question has the same chance: one over the most that any event has. One for each event that has any would
    prefer questions that stand alone, and those follow short silences (see `drawn_asks`). Where they are drawn `alone`,
    no history looks at the others: the most is that of each one's own events.
    """
    shuffled = generator.permutation(len(histories.ask_time))
    chosen = np.full(len(histories.codes), -1, np.int64)
    chosen[histories.ask_events[shuffled]] = shuffled
    held = np.bincount(histories.ask_events, minlength=len(chosen))
    most = np.maximum.reduceat(held, histories.starts)[histories.owners] if alone else held.max(initial=1)
    chosen[generator.random(len(chosen)) * most >= held] = -1
    return chosen


def _batch(
    histories: Histories, parts: Crops, members: NDArray[np.int64], width: int, chosen: NDArray[np.int64] | None
) -> Batch:
    start, length = parts.start[members], parts.length[members]
    places = np.arange(width)
    events = np.where(places < length[:, np.newaxis], start[:, np.newaxis] + places, -1)
    inside = events >= 0
    codes = _rows(histories.codes, events, inside, 0)
    numbers = _rows(histories.numbers, events, inside, 0)
    labels = _rows(histories.labels, events, inside, -1)
    values = _rows(histories.values, events, inside, np.nan)
    asks = np.full_like(events, -1)
    if chosen is not None:
        asks = np.where(inside, chosen[events], -1)
        codes = np.concatenate([codes, _rows(histories.ask_codes, asks, asks >= 0, 0)], 1)
        numbers = np.concatenate([numbers, _rows(histories.ask_numbers, asks, asks >= 0, 0)], 1)
        labels = np.concatenate([labels, _rows(histories.ask_labels, asks, asks >= 0, -1)], 1)
        values = np.concatenate([values, _rows(histories.ask_values, asks, asks >= 0, np.nan)], 1)
    return Batch(codes, numbers, labels, values, _rows(histories.next_codes, events, inside, -1), events, asks)


def _rows(source: NDArray[Any], index: NDArray[np.int64], inside: NDArray[np.bool_], fill: float) -> NDArray[Any]:
    if not len(source):
        return np.full((*index.shape, *source.shape[1:]), fill, source.dtype)
    rows = source[np.maximum(index, 0)]
    rows[~inside] = fill
    return rows
