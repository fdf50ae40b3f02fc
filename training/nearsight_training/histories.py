"""Encoded histories with their labels, laid end to end: what training reads, and what proofs and peers replay."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.names import Names
from nearsight_training.config import Fitting

__all__ = ["SPLITS", "Histories", "Stored", "coded_fields", "read_histories", "reference", "write_histories"]

SPLITS = ("train", "validation", "test")
_FIELD = "field:"  # how a raw field's array is named in the file


@dataclass(frozen=True, kw_only=True)
class Histories:
    """H histories with E events and Q questions in all; B yes/no targets and V numbers.

    A history starts anew from an empty state where `fresh` says so, as the specification's `reset` asks, and labels
    look beyond that. A label is 1 (yes), 0 (no) or -1: unknown, because its horizon runs past the end of the data or
    it lies outside of its split's time span; it is then neither trained on nor scored. A user is in one split only.

    `asks` are questions put at a time without an event: question `q` follows the first `ask_after[q]` events (at
    least 1) of history `ask_history[q]`, and its reserved *now* row is `ask_codes[q]`, `ask_numbers[q]`.
    """

    codes: NDArray[np.int32]  # (E, K)
    numbers: NDArray[np.float32]  # (E, N)
    starts: NDArray[np.int64]  # (H,) each history's first event
    split: NDArray[np.int8]  # (H,) an index into SPLITS
    fresh: NDArray[np.bool_]  # (E,) which events meet an empty state, each history's first among them
    times: NDArray[np.float64]  # (E,) seconds since 1970, zeros where there is no clock
    names: Names  # (E,) as they came
    labels: NDArray[np.int8]  # (E, B) the targets after each event
    next_codes: NDArray[np.int32]  # (E, 2) the next event's and the next item's code, -1 where it isn't known
    ask_history: NDArray[np.int64]  # (Q,) sorted
    ask_after: NDArray[np.int64]  # (Q,)
    ask_time: NDArray[np.float64]  # (Q,) seconds since 1970
    ask_codes: NDArray[np.int32]  # (Q, K)
    ask_numbers: NDArray[np.float32]  # (Q, N)
    ask_labels: NDArray[np.int8]  # (Q, B)
    values: NDArray[np.float32]  # (E, V) the numbers after each event, NaN where one isn't known
    ask_values: NDArray[np.float32]  # (Q, V)
    fields: dict[str, Any] = field(default_factory=dict)  # (E,) each: float64 or `Names`, `coarse` if read in groups

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", Names.of(self.names))
        object.__setattr__(self, "fields", coded_fields(self.fields))

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many events each history holds, (H,)."""
        return np.diff(self.starts, append=len(self.codes))

    @property
    def owners(self) -> NDArray[np.int64]:
        """Each event's history, (E,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def positions(self) -> NDArray[np.int64]:
        """Each event's place in its history from 0, (E,)."""
        return np.arange(len(self.codes)) - np.repeat(self.starts, self.lengths)

    @property
    def since_fresh(self) -> NDArray[np.int64]:
        """How many events each event follows since an empty state, (E,)."""
        begins = np.flatnonzero(self.fresh)
        return np.arange(len(self.codes)) - np.repeat(begins, np.diff(begins, append=len(self.codes)))

    @property
    def ask_events(self) -> NDArray[np.int64]:
        """The event that each question follows, counted over all histories, (Q,)."""
        return self.starts[self.ask_history] + self.ask_after - 1

    def span(self, history: int) -> slice:
        """Where the events of one history lie."""
        start = int(self.starts[history])
        stop = int(self.starts[history + 1]) if history + 1 < len(self) else len(self.codes)
        return slice(start, stop)

    def events_of(self, split: int) -> NDArray[np.bool_]:
        """Which events are of one split, (E,)."""
        inside: NDArray[np.bool_] = np.repeat(self.split == split, self.lengths)
        return inside

    def questions_of(self, split: int) -> NDArray[np.bool_]:
        """Which questions are of one split, (Q,)."""
        inside: NDArray[np.bool_] = (self.split == split)[self.ask_history]
        return inside

    def select(self, split: int) -> "Histories":
        """The histories of one split, in the same order."""
        return self.take(np.flatnonzero(self.split == split))

    def take(self, histories: NDArray[np.int64]) -> "Histories":
        """The histories with these indices `(h,)`, sorted and without repetition, with their questions."""
        kept = np.zeros(len(self), bool)
        kept[histories] = True
        return self._cut(np.where(kept, self.lengths, 0))

    def limited(self, events: int, seed: int) -> "Histories":
        """All histories, or as many as hold about `events` events, drawn."""
        if len(self.codes) <= events:
            return self
        order = np.random.default_rng(seed).permutation(len(self))
        kept = order[: max(1, int(np.searchsorted(np.cumsum(self.lengths[order]), events, "right")))]
        return self.take(np.sort(kept))

    def shortened(self, lengths: NDArray[np.int64]) -> "Histories":
        """Only the first `lengths[i]` events of each history `(H,)`; one without events goes, as do later questions."""
        return self._cut(lengths)

    def asking(self, questions: NDArray[np.int64]) -> "Histories":
        """The same events with these of the questions alone `(q,)`, sorted."""
        left = {name: getattr(self, name)[questions] for name in ("ask_history", *_PER_QUESTION)}
        return replace(self, **left)

    def _cut(self, lengths: NDArray[np.int64]) -> "Histories":
        kept = lengths > 0
        events = _places(self.positions < np.repeat(lengths, self.lengths))
        questions = _places(self.ask_after <= lengths[self.ask_history])
        return Histories(
            starts=(np.cumsum(lengths) - lengths)[kept].astype(np.int64),
            split=self.split[kept],
            fields={name: values[events] for name, values in self.fields.items()},
            **{name: getattr(self, name)[events] for name in _PER_EVENT},
            ask_history=(np.cumsum(kept) - 1)[self.ask_history[questions]],
            **{name: getattr(self, name)[questions] for name in _PER_QUESTION},
        )


def _places(kept: NDArray[np.bool_]) -> slice | NDArray[np.int64]:
    """Where `kept` is true; a slice, which copies nothing, where it is everywhere."""
    return slice(None) if kept.all() else np.flatnonzero(kept)


def coded_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The same fields with arrays of strings as `Names`."""
    return {name: values if values.dtype.kind in "fiu" else Names.of(values) for name, values in fields.items()}


_PER_EVENT = ("codes", "numbers", "times", "names", "labels", "values", "next_codes", "fresh")
_UNSTORED = ("names", "fields")
_PER_QUESTION = ("ask_after", "ask_time", "ask_codes", "ask_numbers", "ask_labels", "ask_values")


@dataclass(frozen=True)
class Stored:
    """Histories of users to train on that wait on disk, without what only peers look at: names and raw fields."""

    path: Path
    users: int
    events: int

    @classmethod
    def write(cls, path: Path, histories: Histories) -> "Stored":
        """Write an uncompressed `.npz`, which is read quickly; raises `OSError`."""
        arrays = {part.name: getattr(histories, part.name) for part in fields(histories) if part.name not in _UNSTORED}
        np.savez(path, allow_pickle=False, **arrays)
        return cls(path, len(histories), len(histories.codes))

    def read(self) -> Histories:
        """All of them, in memory."""
        with np.load(self.path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return Histories(**arrays, names=Names(np.array([""]), np.zeros(self.events, np.uint8)))


def write_histories(path: Path, histories: Histories) -> None:
    """Write a compressed `.npz`; no pickle is involved."""
    arrays = {part.name: getattr(histories, part.name) for part in fields(histories) if part.name != "fields"}
    arrays |= {_FIELD + name: values for name, values in histories.fields.items()}
    np.savez_compressed(path, **arrays)


def reference(fitting: Fitting) -> int:
    """The split of whose users all is learned that a model has beside its weights: vocabularies, bounds, segments.

    The training users, but the validation users where training is private: what it promises then holds for the whole
    of a bundle.
    """
    return SPLITS.index("train" if fitting.private is None else "validation")


def read_histories(path: Path) -> Histories:
    """Read what `write_histories` wrote; raises `OSError` or `ValueError` where it isn't that."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    raw = {name.removeprefix(_FIELD): arrays.pop(name) for name in list(arrays) if name.startswith(_FIELD)}
    if set(arrays) != {part.name for part in fields(Histories)} - {"fields"}:
        raise ValueError(f"{path} doesn't hold histories")
    return Histories(**arrays, fields=raw)
