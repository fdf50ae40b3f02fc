"""The test questions that every contestant is asked: the same users, the same moments, known answers."""

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight_benchmarks.peers import Past
from nearsight_training.histories import Histories

__all__ = ["Questions", "pasts", "questions", "sample", "windows"]

Window = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]


class Questions(msgspec.Struct, frozen=True):
    """Q questions of one kind about some histories.

    `kind` is "ask" (at a moment without an event, `rows` are the questions' *now* rows) or "event" (after an event).
    `events (Q,)` are the last events before the answer, counted over all histories; `users (Q,)` their histories;
    `answers (Q,)` 0 or 1; `times (Q,)` the moments in seconds; `indices (Q,)` their places among all of their kind.
    """

    kind: str
    events: NDArray[np.int64]
    users: NDArray[np.int64]
    answers: NDArray[np.int8]
    times: NDArray[np.float64]
    indices: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.events)

    def drawn(self, most: int, seed: int) -> "Questions":
        """At most `most` of the questions, drawn without replacement, in their order."""
        if len(self) <= most:
            return self
        kept = np.sort(np.random.default_rng(seed).choice(len(self), most, replace=False))
        return Questions(
            self.kind, self.events[kept], self.users[kept], self.answers[kept], self.times[kept], self.indices[kept]
        )


def questions(histories: Histories, target: int) -> tuple[Questions, ...]:
    """The questions on a yes/no target whose answers are known: asks, then events; a kind without any is left out."""
    asked = np.flatnonzero(histories.ask_labels[:, target] >= 0) if len(histories.ask_history) else np.zeros(0, int)
    ask = Questions(
        "ask",
        histories.ask_events[asked],
        histories.ask_history[asked],
        histories.ask_labels[asked, target],
        histories.ask_time[asked],
        asked,
    )
    known = np.flatnonzero(histories.labels[:, target] >= 0)
    labels, times = histories.labels[known, target], histories.times[known]
    event = Questions("event", known, histories.owners[known], labels, times, known)
    return tuple(kind for kind in (ask, event) if len(kind))


def sample(histories: Histories, users: int, seed: int) -> Histories:
    """At most `users` of the histories, drawn without replacement, in their order."""
    if len(histories) <= users:
        return histories
    drawn = np.random.default_rng(seed).choice(len(histories), users, replace=False)
    return histories.take(np.sort(drawn))


def pasts(histories: Histories, asked: Questions, targets: frozenset[str]) -> Iterator[Past]:
    """What a peer is told for each question. `targets` are the names of the events that the question asks for."""
    values = _values(histories)
    is_target = np.isin(histories.names, list(targets)) if targets else np.ones(len(histories.names), bool)
    first = histories.starts[asked.users]
    for begin, last, now in zip(first.tolist(), asked.events.tolist(), asked.times.tolist(), strict=True):
        span = slice(begin, last + 1)
        yield Past(histories.times[span], histories.codes[span, 0], values[span], is_target[span], now)


def windows(histories: Histories, asked: Questions, size: int) -> Window:
    """Each question's last rows since the history began, as many as `size` holds, padded on the right.

    Returns codes `(Q, T, K)`, numbers `(Q, T, N)` and the true lengths `(Q,)`; an ask's *now* row is its last.
    """
    is_ask = asked.kind == "ask"
    before = histories.since_fresh[asked.events] + 1
    kept = np.minimum(before, size - is_ask)
    inside = np.arange(size) < kept[:, None]
    rows = np.where(inside, asked.events[:, None] - kept[:, None] + 1 + np.arange(size), 0)
    codes = np.where(inside[:, :, None], histories.codes[rows], 0).astype(np.int32)
    numbers = np.where(inside[:, :, None], histories.numbers[rows], 0).astype(np.float32)
    if is_ask:
        everyone = np.arange(len(asked))
        codes[everyone, kept] = histories.ask_codes[asked.indices]
        numbers[everyone, kept] = histories.ask_numbers[asked.indices]
    return codes, numbers, (kept + is_ask).astype(np.int32)


def _values(histories: Histories) -> NDArray[np.float64]:
    """The raw numeric fields `(E, F)` in order of their names, 0 where missing."""
    names = sorted(name for name, column in histories.fields.items() if column.dtype.kind in "fiu")
    if not names:
        return np.zeros((len(histories.codes), 0))
    return np.nan_to_num(np.stack([histories.fields[name].astype(np.float64) for name in names], 1))
