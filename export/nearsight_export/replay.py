"""Real histories through a step graph, many at once: what it says after every event and to every question."""

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.backends import Backend
from nearsight.trunk import Trunk
from nearsight_training.histories import Histories

__all__ = [
    "BLOCK",
    "Replay",
    "labelled",
    "replayed",
    "stepped",
    "streamed",
    "streamed_states",
]

Floats = NDArray[np.float32]
BLOCK = 256  # histories stepped together; a runtime always sees this shape


class Replay(msgspec.Struct, frozen=True):
    """The heads after every event `(E, O)` and at every question `(Q, O)`, and each history's last embedding `(H, U)`.

    `states` `(E, S)` are those that each event met, `asked_states` `(Q, S)` those that each question met; both are
    empty unless they were kept.
    """

    heads: Floats
    asked: Floats
    states: Floats
    asked_states: Floats
    embeddings: Floats


def labelled(histories: Histories) -> NDArray[np.int8]:
    """The labels of all decisions, those after events before those at questions: `(E + Q, B)`."""
    return np.concatenate([histories.labels, histories.ask_labels])


def replayed(backend: Backend, trunk: Trunk, histories: Histories, *, keep: bool = False) -> Replay:
    """Step whole histories and, from the states between, their questions; `keep` keeps the states."""
    events, questions, asked_after = len(histories.codes), len(histories.ask_codes), histories.ask_events
    heads = np.zeros((events, trunk.outputs), np.float32)
    states = np.zeros((events if keep else 0, trunk.state_size), np.float32)
    asked_states = np.zeros((questions, trunk.state_size), np.float32)
    embeddings, owners = np.zeros((len(histories), trunk.units), np.float32), histories.owners
    ends = histories.starts + histories.lengths - 1
    by_event = np.argsort(asked_after, kind="stable")
    sorted_after = asked_after[by_event]
    for at, answers, embedded, before, after in _blocks(backend, trunk, histories):
        heads[at] = answers
        last = ends[owners[at]] == at
        embeddings[owners[at[last]]] = embedded[last]
        if keep:
            states[at] = before
        lows, highs = (np.searchsorted(sorted_after, at, side) for side in ("left", "right"))
        waiting = np.repeat(np.arange(len(at)), highs - lows)
        within = np.arange(len(waiting)) - np.repeat(np.cumsum(highs - lows) - (highs - lows), highs - lows)
        asked_states[by_event[lows[waiting] + within]] = after[waiting]
    asked = np.zeros((questions, trunk.outputs), np.float32)
    if questions:
        asked, _ = stepped(backend, histories.ask_codes, histories.ask_numbers, asked_states)
    return Replay(heads, asked, states, asked_states if keep else asked_states[:0], embeddings)


def streamed(backend: Backend, trunk: Trunk, codes: NDArray[np.int32], numbers: Floats) -> Floats:
    """One event after another, as a device does, from an empty state and without an end: heads `(E, O)`."""
    return np.concatenate([heads for heads, _ in _stream(backend, trunk, codes, numbers)])


def streamed_states(backend: Backend, trunk: Trunk, codes: NDArray[np.int32], numbers: Floats) -> Floats:
    """The states `(E, S)` that the events of such a stream meet."""
    return np.concatenate([state for _, state in _stream(backend, trunk, codes, numbers)])


def _stream(
    backend: Backend, trunk: Trunk, codes: NDArray[np.int32], numbers: Floats
) -> Iterator[tuple[Floats, Floats]]:
    state = np.zeros((1, trunk.state_size), np.float32)
    for event in range(len(codes)):
        heads, _, following = backend.step(codes[event : event + 1], numbers[event : event + 1], state)
        yield heads, state
        state = following


def _blocks(
    backend: Backend, trunk: Trunk, histories: Histories
) -> Iterator[tuple[NDArray[np.int64], Floats, Floats, Floats, Floats]]:
    """For each step of each block: which events it took, heads and embeddings, and the states before and after.

    Segments of like length go together; those that have ended repeat their last row, unread.
    """
    starts = np.flatnonzero(histories.fresh)
    lengths = np.diff(starts, append=len(histories.codes))
    by_length = np.argsort(-lengths, kind="stable")
    for first in range(0, len(starts), BLOCK):
        block = by_length[first : first + BLOCK]
        begin, last = np.resize(starts[block], BLOCK), np.resize((starts + lengths - 1)[block], BLOCK)
        state = np.zeros((BLOCK, trunk.state_size), np.float32)
        for turn in range(int(lengths[block[0]])):
            at = np.minimum(begin + turn, last)
            heads, embeddings, after = backend.step(histories.codes[at], histories.numbers[at], state)
            going = int(np.count_nonzero(lengths[block] > turn))
            yield at[:going], heads[:going], embeddings[:going], state[:going], after[:going]
            state = after


def stepped(backend: Backend, codes: NDArray[np.int32], numbers: Floats, states: Floats) -> tuple[Floats, Floats]:
    """Single steps from `states` `(Q, S)`, in blocks of one shape: heads `(Q, O)` and the states after them."""
    parts = []
    for first in range(0, len(codes), BLOCK):
        rows = np.arange(first, first + BLOCK) % len(codes)
        size = min(BLOCK, len(codes) - first)
        heads, _, after = backend.step(codes[rows], numbers[rows], states[rows])
        parts.append((heads[:size], after[:size]))
    heads, after = (np.concatenate(each) for each in zip(*parts, strict=True))
    return heads, after
