"""The feature specification: which parts of an event become numbers, and how. It is data, and ships in the bundle."""

import math
from itertools import pairwise

import msgspec

__all__ = ["COARSEST", "Category", "Clock", "Groups", "Number", "Reset", "Spec", "Steps"]


COARSEST = 366 * 86_400.0  # seconds
_LARGEST = 3e38  # nearly what float32 can hold


class Category(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field with names as values. `vocabulary[i]` has code `i + 1`; anything else has code 0."""

    name: str
    vocabulary: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.vocabulary)) != len(self.vocabulary):
            raise ValueError(f"the vocabulary of {self.name!r} holds a name twice")


class Groups(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field with finite numbers as values, of which only the interval that a value lies in is read, as a code.

    The code is 1 and how many of the `edges` the value reaches: with 18 and 65, it is 1 below 18, 2 from 18 on, 3 from
    65 on. A missing value has code 0.
    """

    name: str
    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        bounds = (-float("inf"), *self.edges, float("inf"))
        if not self.edges or not all(low < high for low, high in pairwise(bounds)):
            raise ValueError(f"the groups of {self.name!r} need edges, finite numbers in ascending order")

    @property
    def names(self) -> tuple[str, ...]:
        """What to call the groups, in the order of their codes from 1 on.

        >>> Groups(name="age", edges=(18, 65)).names
        ('below 18', '18 to 65', '65 and more')
        """
        edges = [f"{edge:.15g}" for edge in self.edges]
        between = (f"{low} to {high}" for low, high in pairwise(edges))
        return (f"below {edges[0]}", *between, f"{edges[-1]} and more")


class Number(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field with finite numbers as values: clipped to `[low, high]`, by its logarithm if asked, `(x - mean) * scale`.

    The logarithm is `log1p(x)`, and `-log1p(-x)` below 0. Where there are `edges`, which rise, the result z becomes a
    number between each two of them, which says how much of the way from the one to the other it has gone:
    `min(max((z - low) / (high - low), 0), 1)` (piecewise linear encoding: Gorishniy, Rubachev & Babenko 2022). Where a
    value is missing, all are 0; where `flag` is set, a last number says that it was missing.
    """

    name: str
    low: float
    high: float
    log: bool = False
    mean: float = 0.0
    scale: float = 1.0
    flag: bool = False
    edges: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"the bounds of {self.name!r} are the wrong way round")
        if len(self.edges) == 1 or any(not low < high for low, high in pairwise(self.edges)):
            raise ValueError(f"the edges of {self.name!r} must be two or more that rise, or none")
        ends = (math.copysign(math.log1p(abs(bound)), bound) if self.log else bound for bound in (self.low, self.high))
        if not all(abs((end - self.mean) * self.scale) <= _LARGEST for end in ends):
            raise ValueError(f"{self.name!r} becomes larger than a row can hold")

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each of the numbers that it becomes, but for the flag."""
        return tuple(f"{self.name}_{part}" for part in range(1, len(self.edges))) or (self.name,)


class Steps(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number per event whose bounds depend on its position: the article's wide table, MinMax-scaled by column.

    The value at position `i` becomes `(clip(x) - lows[i]) / (highs[i] - lows[i])`, 0 where both bounds are equal.
    Positions past the last column use the last column's bounds. `columns` are the table's names for the positions.
    """

    name: str
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.lows or len(self.lows) != len(self.highs):
            raise ValueError(f"{self.name!r} needs as many lower as upper bounds, and at least one")
        if len(self.columns) not in (0, len(self.lows)):
            raise ValueError(f"{self.name!r} needs a name for each position, or none at all")


class Clock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model sees of time: the gap since the last event and the age of the history, in seconds.

    Both have the form of a `Number`. `hour`, `weekday` and `season` add the hour of day, the day of week and the day of
    the year as sine and cosine, all in UTC; they are off where the log's times don't vary in them. Years are 365.2425
    days long and counted from 1970 on, which stays within two days of the calendar. With `coarsen_seconds` every time
    is taken for the last multiple of it, before anything else is made of it or kept.
    """

    gap: Number
    age: Number
    hour: bool = False
    weekday: bool = False
    season: bool = False
    coarsen_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.coarsen_seconds is not None and not 1 <= self.coarsen_seconds <= COARSEST:
            raise ValueError("times are coarsened to 1 second at least and 366 days at most")


class Reset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """After which gap or how many events the next event starts a history anew, from an empty state; never by default.

    A question between events never does: it is about the history that stands, and silence is a part of that.
    """

    gap_seconds: float | None = None
    max_events: int | None = None

    def __post_init__(self) -> None:
        if self.gap_seconds is not None and not self.gap_seconds > 0:
            raise ValueError("a gap that starts a history anew must be longer than 0 seconds")
        if self.max_events is not None and self.max_events < 1:
            raise ValueError("a history holds at least 1 event before it starts anew")

    def due(self, count: int, gap_seconds: float) -> bool:
        """Whether an event `gap_seconds` after the last of `count` events starts a history anew."""
        full = self.max_events is not None and count >= self.max_events
        return full or (self.gap_seconds is not None and gap_seconds > self.gap_seconds)


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one event becomes a row of codes `(K,)` int32 and numbers `(N,)` float32.

    `event` is the first code; those of `categories` and `groups` follow. The event's last code, one past the
    vocabulary, is the reserved *now* row that asks a question without an event. `counts` say how often events of these
    names have happened in the history so far, the row's own among them; a *now* row holds them as they stand. What the
    specification doesn't name is dropped before it is stored anywhere.
    """

    event: Category
    categories: tuple[Category, ...] = ()
    groups: tuple[Groups, ...] = ()
    numbers: tuple[Number, ...] = ()
    steps: Steps | None = None
    clock: Clock | None = None
    counts: tuple[Number, ...] = ()
    reset: Reset = Reset()

    def __post_init__(self) -> None:
        counted = {number.name for number in self.counts}
        if len(counted) < len(self.counts) or not counted.issubset(self.event.vocabulary):
            raise ValueError("the counts must be of different events of the vocabulary")
        if any(number.flag or number.edges for number in self.counts):
            raise ValueError("a count is one number: it is never missing, so it has no flag, and it has no edges")

    @property
    def now(self) -> int:
        """The event code of the reserved *now* row."""
        return len(self.event.vocabulary) + 1

    @property
    def code_sizes(self) -> tuple[int, ...]:
        """How many codes each of the K columns can take."""
        named = (len(category.vocabulary) + 1 for category in self.categories)
        return (self.now + 1, *named, *(len(group.edges) + 2 for group in self.groups))

    @property
    def counted(self) -> tuple[int, ...]:
        """The event codes of `counts`."""
        return tuple(self.event.vocabulary.index(number.name) + 1 for number in self.counts)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that the specification reads besides event and time."""
        named = (*self.categories, *self.groups, *self.numbers, *((self.steps,) if self.steps else ()))
        return tuple(feature.name for feature in named)

    @property
    def moment_names(self) -> tuple[str, ...]:
        """A name for each of the numbers that a *now* row has from the clock as well: the first of a row."""
        return ("first", *self.clock.gap.names, *self.clock.age.names) if self.clock else ()

    @property
    def clock_names(self) -> tuple[str, ...]:
        """A name for each of the numbers that come from the clock: those of a moment, then hour, weekday and season."""
        if self.clock is None:
            return ()
        names = list(self.moment_names)
        names += ["hour_sin", "hour_cos"] if self.clock.hour else []
        names += ["weekday_sin", "weekday_cos"] if self.clock.weekday else []
        names += ["season_sin", "season_cos"] if self.clock.season else []
        return tuple(names)

    @property
    def count_columns(self) -> slice:
        """Where the counts lie among the N numbers."""
        first = len(self.clock_names)
        return slice(first, first + len(self.counts))

    @property
    def number_names(self) -> tuple[str, ...]:
        """A name for each of the N numbers, in the order of the row."""
        names = [*self.clock_names, *(f"{number.name}_so_far" for number in self.counts)]
        for number in self.numbers:
            names += [*number.names, *([f"{number.name}_missing"] if number.flag else [])]
        names += [self.steps.name] if self.steps else []
        return tuple(names)
