"""How often declared events have happened so far: which of them a model may see, and rows whose events have moved."""

import difflib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nearsight.cursor import occurrences, segment_starts
from nearsight.errors import InputError
from nearsight.features import Encoder
from nearsight.spec import Reset, Spec
from nearsight_training.histories import Histories
from nearsight_training.log import EventLog

__all__ = ["check_counts", "recounted", "so_far"]

_NAMED = 20  # events in one message


def check_counts(asked: Sequence[str], log: EventLog, vocabulary: Sequence[str], min_users: int) -> None:
    """Raises `InputError` for an event that isn't in the vocabulary, with the nearest one that is."""
    for name in asked:
        if name in vocabulary:
            continue
        near = difflib.get_close_matches(name, vocabulary, 1, 0.5)
        if name in log.names.present().tolist():
            other = repr(near[0]) if near else f"among {', '.join(vocabulary[:_NAMED])}"
            raise InputError(
                f"counts (--count) must be of events that at least {min_users} training users had, received {name!r}: "
                f"choose {other}, or pass a smaller --min-users"
            )
        advice = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(vocabulary[:_NAMED])}"
        raise InputError(f"counts (--count) must be of events that the log has, received {name!r}: {advice}")


def so_far(log: EventLog, name: str, reset: Reset) -> NDArray[np.float64]:
    """How often `name` has happened in the history of each event, itself included, since `reset` began it; `(E,)`."""
    begins, size = segment_starts(reset, log.times, log.starts, len(log.times)), len(log.times)
    return occurrences(log.names == name, np.repeat(begins, np.diff(begins, append=size)), np.arange(1, size + 1))


def recounted(histories: Histories, spec: Spec) -> Histories:
    """The same histories with the counts that follow from their codes, after events were moved or left out."""
    if not spec.counts:
        return histories
    ends = np.arange(1, len(histories.codes) + 1)
    begins = ends - 1 - histories.since_fresh
    counts = [occurrences(histories.codes[:, 0] == code, begins, ends) for code in spec.counted]
    numbers, ask_numbers = histories.numbers.copy(), histories.ask_numbers.copy()
    columns, still = spec.count_columns, np.zeros(len(ends))
    numbers[:, columns] = Encoder(spec).now_columns(still, still, counts)[1][:, columns]
    ask_numbers[:, columns] = numbers[histories.ask_events, columns]
    return replace(histories, numbers=numbers, ask_numbers=ask_numbers)
