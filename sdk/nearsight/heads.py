"""The questions that a model answers, and the reading that answers them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from struct import Struct
from typing import Generic, Literal, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.segment import Segment, Segments
from nearsight.surprise import Alarm, Recent, averaged
from nearsight.trunk import Activation, Weights

__all__ = [
    "BinaryHead",
    "Head",
    "NextEventHead",
    "Reading",
    "Value",
    "ValueHead",
    "activations",
    "calibrated",
    "values_of",
]

_FLOAT = Struct("=f")
_Column = TypeVar("_Column")


class BinaryHead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="binary"):
    """A yes/no question whose probability is output `start`.

    `kind` "will_do": will one of `events` happen within `within_seconds`, or among the next `within_events` events, or
    within the session, which a silence of `session_gap_seconds` ends? "inactive": will none of them (nothing at all
    where there are no `events`) happen for `within_seconds`, asked of users for whom one did within the last
    `active_within_seconds`, or ever where that is None? "label": is a label 1 that is known only later: a wide table's,
    or the `column` of this event, session or user (`per`), settled `delay_seconds` after it?

    With `rhythm`, a user's own horizon is that many times their mean gap so far, and `within_seconds` at most.

    `within_seconds` is None where the question has another horizon or none. `scale` and `offset` calibrate
    the logit (Platt 1999) and are folded into the graphs' weights; `threshold` splits yes from no.
    """

    name: str
    start: int
    kind: Literal["will_do", "inactive", "label"] = "will_do"
    events: tuple[str, ...] = ()
    within_seconds: float | None = None
    within_events: int | None = None
    session_gap_seconds: float | None = None
    active_within_seconds: float | None = None
    rhythm: float | None = None
    column: str | None = None
    per: Literal["event", "session", "user"] | None = None
    delay_seconds: float = 0.0
    threshold: float = 0.5
    scale: float = 1.0
    offset: float = 0.0

    @property
    def size(self) -> int:
        """One output."""
        return 1


class NextEventHead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="next_event"):
    """Which event comes next, or with `field` which item? A distribution over `vocabulary` from output `start` on.

    The next item is what `field` says in the next of `events` (any where there are none) that has one; with `unseen`,
    in the next whose item is new to the user. `shares` say how often each of them followed among training users,
    nothing where that isn't known. `temperature` calibrates the logits (Guo et al. 2017) and is folded into the graphs'
    weights.
    """

    start: int
    vocabulary: tuple[str, ...]
    shares: tuple[float, ...] = ()
    name: str = "next_event"
    field: str | None = None
    events: tuple[str, ...] = ()
    unseen: bool = False
    temperature: float = 1.0

    @property
    def column(self) -> int:
        """0 for events, 1 for items: where training keeps what really came next."""
        return int(self.field is not None)

    @property
    def size(self) -> int:
        """One output for each name."""
        return len(self.vocabulary)


class Value(NamedTuple):
    """A number to come: its mean, and the ends of the interval that it lies in, in the head's share of cases."""

    point: float
    low: float
    high: float


class ValueHead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="value"):
    """How much will it be? A number as a point and an interval, from outputs `start` to `start + 2`.

    `kind` "total": the sum of `field` over `events` (any where there are none) within `within_seconds`; "next": what
    `field` says in the next of them, if it comes within that time. Outputs are shares of the way from `low` to `high`,
    the training data's bounds, to which answers are clipped: the mean, and the quantiles `(1 ∓ coverage) / 2` (Koenker
    & Bassett 1978). The network learns standardised numbers; `scale` and `offsets` turn its logits into outputs, hold
    the calibration (Romano et al. 2019, "Conformalized quantile regression") and are folded into the graphs' weights.
    """

    name: str
    start: int
    kind: Literal["total", "next"]
    field: str
    within_seconds: float
    events: tuple[str, ...] = ()
    coverage: float = 0.9
    low: float
    high: float
    scale: float
    offsets: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not self.low < self.high or not 0 < self.coverage < 1 or not self.scale > 0:
            raise ValueError(f"the bounds, coverage or scale of {self.name!r} are impossible")

    @property
    def size(self) -> int:
        """Three outputs: point, low, high."""
        return 3


def values_of(outputs: NDArray[np.floating], head: ValueHead) -> NDArray[np.float64]:
    """Point, low and high `(…, 3)` in the field's units from a value head's outputs `(…, 3)`."""
    point, low, high = np.moveaxis(head.low + (head.high - head.low) * np.clip(outputs.astype(np.float64), 0, 1), -1, 0)
    return np.stack([point, np.minimum(low, point), np.maximum(high, point)], -1)


Head = BinaryHead | ValueHead | NextEventHead


def activations(heads: Sequence[Head]) -> tuple[Activation, ...]:
    """How the logits of `heads` become answers; neighbours of a kind are one operation, unless they share a sum."""
    kinds = {BinaryHead: "sigmoid", ValueHead: "linear", NextEventHead: "softmax"}
    parts: list[Activation] = []
    for head in heads:
        kind = kinds[type(head)]
        if parts and kind == parts[-1].kind != "softmax":
            parts[-1] = Activation(kind=kind, start=parts[-1].start, size=parts[-1].size + head.size)
        else:
            parts.append(Activation(kind=kind, start=head.start, size=head.size))
    return tuple(parts)


def calibrated(weights: Weights, heads: Sequence[Head]) -> Weights:
    """The same weights with each head's calibration folded into its column, so that it costs nothing to run."""
    kernel, bias = weights["head_kernel"].copy(), weights["head_bias"].copy()
    for head in heads:
        columns = slice(head.start, head.start + head.size)
        scale, offset = _calibration(head)
        kernel[:, columns] *= scale
        bias[columns] = bias[columns] * scale + offset
    return {**weights, "head_kernel": kernel, "head_bias": bias}


def _calibration(head: Head) -> tuple[float, float | NDArray[np.float32]]:
    if isinstance(head, NextEventHead):
        return 1 / head.temperature, 0.0
    return head.scale, head.offset if isinstance(head, BinaryHead) else np.array(head.offsets, np.float32)


class Reading(Mapping[str, float]):
    """What the model says of a history: a probability for each yes/no question, by its name.

    Made from the bytes of a step's `outputs (O,)` and `embedding (U,)`, both float32, and of a session's last events.
    """

    __slots__ = ("_embedding", "_heads", "_outputs", "_recent")

    def __init__(self, heads: "Questions", outputs: bytes, embedding: bytes, recent: Recent | None = None) -> None:
        self._heads, self._outputs, self._embedding, self._recent = heads, outputs, embedding, recent

    def __getitem__(self, name: str) -> float:
        probability: float = _FLOAT.unpack_from(self._outputs, _FLOAT.size * self._heads.columns[name])[0]
        return probability

    @property
    def embedding(self) -> NDArray[np.float32]:
        """The history's vector `(U,)` float32."""
        return np.frombuffer(self._embedding, np.float32)

    @property
    def segment(self) -> str | None:
        """The name of the segment that the history belongs to; None where the model has none."""
        segments = self._heads.segments
        return segments.name(self.embedding) if segments else None

    @property
    def segment_names(self) -> tuple[str, ...]:
        """The names of all segments of the model; empty where it has none."""
        segments = self._heads.segments
        return tuple(segments.names) if segments else ()

    @property
    def surprise(self) -> float | None:
        """By how many bits an event the last 10 exceeded what the model itself expected; about 0 for most users.

        Few events weigh less, as if three without surprise had come before. An event that training didn't see counts
        as the least likely one. None where the model has no alarm, and in a reading of many.
        """
        head = self._heads.next_event
        if self._recent is None or head is None:
            return None
        bits = self._recent.bits(head.start, head.size)
        return float(averaged(sum(bits), len(bits)))

    @property
    def unusual(self) -> bool | None:
        """Whether the surprise exceeds the threshold of the model's `Alarm`; None where there is no surprise."""
        surprise, alarm = self.surprise, self._heads.alarm
        return None if surprise is None or alarm is None else surprise > alarm.threshold

    def __iter__(self) -> Iterator[str]:
        return iter(self._heads.columns)

    def __len__(self) -> int:
        return len(self._heads.columns)

    def decides(self, name: str) -> bool:
        """Whether the probability of `name` reaches the threshold that training chose for it."""
        return self[name] >= self._heads.thresholds[name]

    def value(self, name: str) -> Value:
        """The number that the question `name` asks for. Raises `KeyError` for one that isn't asked."""
        head = self._heads.values[name]
        outputs = np.frombuffer(self._outputs, np.float32)[head.start : head.start + head.size]
        return Value(*values_of(outputs, head).tolist())

    def next(
        self, count: int = 1, *, without: Collection[str] = (), popularity: float = 0.0
    ) -> list[tuple[str, float]]:
        """The `count` likeliest next events with their probabilities; empty where the model has no such head.

        For `without` and `popularity` see `recommend`.
        """
        return self._likeliest(self._heads.next_event, count, without, popularity)

    def recommend(
        self, count: int = 1, *, without: Collection[str] = (), popularity: float = 0.0
    ) -> list[tuple[str, float]]:
        """The `count` likeliest next items with their probabilities; empty where the model has no such head.

        Recommend what somebody hasn't seen yet by leaving out what they have, `without`. What is popular with
        everybody leads most lists: `popularity` 1 ranks by how much likelier an item is for this user than for all
        (its lift), 0.5 halfway; probabilities stay what they are. Raises `ValueError` where `popularity` isn't between
        0 and 1.
        """
        return self._likeliest(self._heads.next_item, count, without, popularity)

    def _likeliest(
        self, head: NextEventHead | None, count: int, without: Collection[str], popularity: float
    ) -> list[tuple[str, float]]:
        if not 0 <= popularity <= 1:
            raise ValueError(f"popularity must lie between 0 (likeliest) and 1 (lift), received {popularity!r}")
        if head is None:
            return []
        chances = np.frombuffer(self._outputs, np.float32)[head.start : head.start + head.size]
        scores = chances / np.array(head.shares) ** popularity if popularity and head.shares else chances
        best = [index for index in np.argsort(-scores, kind="stable") if head.vocabulary[index] not in without]
        return [(head.vocabulary[index], float(chances[index])) for index in best[:count]]

    def __repr__(self) -> str:
        numbers = {name: self.value(name) for name in self._heads.values}
        answers = ", ".join(
            [f"{name}={self[name]:.3f}" for name in self]
            + [f"{name}={x.point:.4g} ({x.low:.4g} to {x.high:.4g})" for name, x in numbers.items()]
        )
        ahead = self.next()
        return f"Reading({answers}{', next=' + ahead[0][0] if ahead else ''})"


class Questions:
    """The heads of one model, looked up by name, and what it offers beside them."""

    __slots__ = ("alarm", "columns", "next_event", "next_item", "segments", "thresholds", "values")

    def __init__(self, heads: Sequence[Head], segments: Sequence[Segment] = (), alarm: Alarm | None = None) -> None:
        self.segments, self.alarm = Segments(segments) if segments else None, alarm
        binary = [head for head in heads if isinstance(head, BinaryHead)]
        self.columns = _Columns({head.name: head.start for head in binary})
        self.values = _Columns({head.name: head for head in heads if isinstance(head, ValueHead)})
        self.thresholds = {head.name: head.threshold for head in binary}
        ahead = {head.column: head for head in heads if isinstance(head, NextEventHead)}
        self.next_event, self.next_item = ahead.get(0), ahead.get(1)


class _Columns(dict[str, _Column], Generic[_Column]):
    """Each question's output or head; one that isn't there is answered with those that are."""

    def __missing__(self, name: str) -> _Column:
        known = ", ".join(map(repr, self)) or "none by name, only next()"
        raise KeyError(f"a reading must be asked for a question of its model, received {name!r}: it answers {known}")
