"""Questions with known answers, as every model is asked them: the same users, the same moments."""

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight_training.histories import Histories
from nearsight_training.peers import Past, Told

__all__ = ["Questions", "customers", "features", "known_answers", "of_kind", "pasts", "questions", "told"]


class Questions(msgspec.Struct, frozen=True):
    """Q questions of one kind about some histories.

    `kind` is "ask" (at a moment without an event, `rows` are the questions' *now* rows) or "event" (after an event).
    `events (Q,)` are the last events before the answer, counted over all histories; `users (Q,)` their histories;
    `answers (Q,)` 0 or 1, or numbers; `times (Q,)` the moments in seconds; `indices (Q,)` their places among all of
    their kind.
    """

    kind: str
    events: NDArray[np.int64]
    users: NDArray[np.int64]
    answers: NDArray[Any]
    times: NDArray[np.float64]
    indices: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.events)

    def among(self, indices: NDArray[np.int64]) -> "Questions":
        """Those of the questions whose `indices` are among these."""
        return self._kept(np.flatnonzero(np.isin(self.indices, indices)))

    def drawn(self, most: int, seed: int) -> "Questions":
        """At most `most` of the questions, drawn without replacement, in their order."""
        if len(self) <= most:
            return self
        return self._kept(np.sort(np.random.default_rng(seed).choice(len(self), most, replace=False)))

    def _kept(self, places: NDArray[np.int64]) -> "Questions":
        return Questions(
            self.kind,
            self.events[places],
            self.users[places],
            self.answers[places],
            self.times[places],
            self.indices[places],
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


def of_kind(histories: Histories, target: int, kind: str) -> Questions | None:
    """Those of one kind, "ask" or "event"; None where there is none."""
    return next((each for each in questions(histories, target) if each.kind == kind), None)


def pasts(histories: Histories, asked: Questions, targets: frozenset[str]) -> Iterator[Past]:
    """What a peer is told for each question. `targets` are the names of the events that the question asks for."""
    values = _values(histories)
    is_target = histories.names.isin(list(targets)) if targets else np.ones(len(histories.names), bool)
    first = histories.starts[asked.users]
    for begin, last, now in zip(first.tolist(), asked.events.tolist(), asked.times.tolist(), strict=True):
        span = slice(begin, last + 1)
        yield Past(histories.times[span], histories.codes[span, 0], values[span], is_target[span], now)


def known_answers(
    histories: Histories, kinds: tuple[Questions, ...], targets: frozenset[str], most: int, seed: int
) -> list[tuple[Past, int]]:
    """What a peer learns from: at most `most` questions of all kinds together, with their answers."""
    share = most // max(len(kinds), 1)
    drawn = [kind.drawn(share, seed) for kind in kinds]
    told = itertools.chain.from_iterable(pasts(histories, kind, targets) for kind in drawn)
    answers = itertools.chain.from_iterable(kind.answers.tolist() for kind in drawn)
    return list(zip(told, answers, strict=True))


def told(histories: Histories, kinds: tuple[Questions, ...], count: int, most: int, seed: int) -> Told:
    """What trees learn from: at most `most` questions of all kinds together; `count` is how many kinds of events."""
    drawn = [kind.drawn(most // max(len(kinds), 1), seed) for kind in kinds]
    width = features(histories, drawn[0], count).shape[1] if drawn else 0
    rows = [features(histories, each, count) for each in drawn]
    answers = [each.answers for each in drawn]
    return Told(np.concatenate([np.zeros((0, width)), *rows]), np.concatenate([np.zeros(0, np.int8), *answers]))


def features(histories: Histories, asked: Questions, kinds: int) -> NDArray[np.float64]:
    """What `features_of` tells of single pasts, for all questions at once: `(Q, D)`."""
    values, first, last = _values(histories), histories.starts[asked.users], asked.events
    if not kinds:
        steps: NDArray[np.float64] = values[
            first[:, np.newaxis] + np.arange(int((last - first).max(initial=-1)) + 1), 0
        ]
        return steps
    times, codes, count = histories.times, histories.codes[:, 0], last - first + 1
    age = asked.times - times[first]
    gap = np.where(count > 1, times[last] - times[np.maximum(last - 1, 0)], np.nan)
    spread = np.divide(times[last] - times[first], age, out=np.zeros(len(age)), where=age > 0)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, 0)])
    means = (sums[last + 1] - sums[first]) / count[:, np.newaxis]
    clock = np.stack([asked.times - times[last], age, count, gap, age / count, spread], 1)
    if kinds == 1:
        return np.concatenate([clock, means, values[last]], 1)
    before = [np.where(count >= back, codes[np.maximum(last - back + 1, 0)], np.nan) for back in (2, 3)]
    counts = (_counted(codes == kind, first, last) for kind in range(kinds))  # one at a time: there may be many
    columns = itertools.chain(clock.T, means.T, values[last].T, [codes[last]], counts, before)
    table = np.empty((len(first), clock.shape[1] + 2 * values.shape[1] + 1 + kinds + len(before)))
    for place, column in enumerate(columns):
        table[:, place] = column
    return table


def _counted(marked: NDArray[np.bool_], first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.int64]:
    sums = np.concatenate([[0], np.cumsum(marked)])
    counted: NDArray[np.int64] = sums[last + 1] - sums[first]
    return counted


def customers(histories: Histories, targets: frozenset[str]) -> list[Past]:
    """Every user's whole history, observed until the last event of all."""
    ends = histories.starts + histories.lengths - 1
    everyone = np.arange(len(histories))
    until = np.full(len(everyone), histories.times.max(initial=0.0))
    whole = Questions("event", ends, everyone, np.zeros(len(everyone), np.int8), until, ends)
    return list(pasts(histories, whole, targets))


def _values(histories: Histories) -> NDArray[np.float64]:
    """The raw numeric fields `(E, F)` in order of their names, 0 where missing."""
    names = sorted(name for name, column in histories.fields.items() if column.dtype.kind in "fiu")
    if not names:
        return np.zeros((len(histories.codes), 0))
    values: NDArray[np.float64] = np.stack([histories.fields[name].astype(np.float64) for name in names], 1)
    return np.nan_to_num(values)
