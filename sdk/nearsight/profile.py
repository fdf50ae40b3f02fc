"""What a user does most, when and how fast, beside the average user of the training data."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

__all__ = ["PARTS", "VISIT_GAP_SECONDS", "Compared", "Profile", "Tally", "Traits", "percent", "profiled", "span"]

PARTS = ("night", "morning", "afternoon", "evening")  # six hours each, from midnight on
VISIT_GAP_SECONDS = 1800.0  # a longer silence begins a new visit, as web analytics count sessions
_PART_SECONDS, _WEEK_PARTS = 21_600, 28
_THURSDAY = 12  # 1970 began with a Thursday; the week's parts are counted from Monday
_UNITS = ((86_400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))

_Count = Annotated[int, msgspec.Meta(ge=0)]
_Week = Annotated[list[_Count], msgspec.Meta(min_length=_WEEK_PARTS, max_length=_WEEK_PARTS)]


class Tally(msgspec.Struct, array_like=True):
    """Counts of a user's events: by code, by quarter of a day within the week, and by visit. No event is kept.

    It goes on where a specification's `reset` starts the history anew. A time earlier than the latest so far counts as
    that one for visits.
    """

    events: dict[int, _Count] = msgspec.field(default_factory=dict)
    week: _Week = msgspec.field(default_factory=lambda: [0] * _WEEK_PARTS)
    visits: _Count = 0
    first_time: float = 0.0
    last_time: float = 0.0

    def add(self, code: int, time: float) -> None:
        """Count an event with that code at `time` in seconds since 1970."""
        events = self.events
        events[code] = events.get(code, 0) + 1
        self.week[(int(time) // _PART_SECONDS + _THURSDAY) % _WEEK_PARTS] += 1
        if not self.visits:
            self.first_time = self.last_time = time
            self.visits = 1
        elif time > self.last_time:
            if time - self.last_time > VISIT_GAP_SECONDS:
                self.visits += 1
            self.last_time = time

    @property
    def count(self) -> int:
        """How many events were counted."""
        return sum(self.events.values())

    def fits(self, codes: int) -> bool:
        """Whether all counts agree with each other and no code lies outside of 0 to `codes`."""
        known = all(0 <= code < codes for code in self.events)
        return known and sum(self.week) == self.count and min(self.count, 1) <= self.visits <= self.count

    def traits(self, codes: int) -> "Traits":
        """The same as shares and rates, of at least one event; `codes` is how many codes an event can have."""
        count, week = self.count, self.week
        days = len(PARTS)
        return Traits(
            events=tuple(self.events.get(code, 0) / count for code in range(codes)),
            parts=tuple(sum(week[part::days]) / count for part in range(days)),
            weekend=sum(week[5 * days :]) / count,
            per_visit=count / self.visits,
            between_seconds=(self.last_time - self.first_time) / (self.visits - 1) if self.visits > 1 else None,
        )


class Traits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one user or the average one spreads events: shares of each code (0, unknown, first) and of each of `PARTS`.

    `weekend` is the share on Saturdays and Sundays, `per_visit` counts events, `between_seconds` lie between the
    beginnings of visits. What the log's times don't tell is empty or None, as is the last where there was one visit.
    """

    events: tuple[float, ...]
    parts: tuple[float, ...] = ()
    weekend: float | None = None
    per_visit: float | None = None
    between_seconds: float | None = None


class Compared(msgspec.Struct, frozen=True):
    """A user's figure beside the average user's."""

    value: float
    average: float


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A user's habits in words and figures; `str` of it is a sentence.

    `shares` are of the events that the user did, the most frequent first; `parts`, `weekend`, `per_visit` and
    `between_seconds` are as in `Traits`, empty or None where one of both isn't known.
    """

    count: int
    visits: int
    shares: dict[str, Compared]
    parts: dict[str, Compared]
    weekend: Compared | None
    per_visit: Compared | None
    between_seconds: Compared | None

    def __str__(self) -> str:
        if not self.count:
            return "no events yet"
        most, share = next(iter(self.shares.items()))
        counted = f"{self.count} event{'s' if self.count > 1 else ''}"
        words = [f"mostly {most} ({percent(share.value)} of {counted}, the average user {percent(share.average)})"]
        if self.parts:
            part = max(self.parts, key=lambda name: self.parts[name].value - self.parts[name].average)
            words.append(f"in the {part} more than others ({_beside(self.parts[part])})")
        if self.weekend and self.weekend.value > self.weekend.average:
            words.append(f"on weekends more than others ({_beside(self.weekend)})")
        if self.between_seconds:
            pace = self.between_seconds
            words.append(f"every {span(pace.value)} (average {span(pace.average)})")
        return ", ".join(words)


def profiled(tally: Tally, names: Sequence[str], average: Traits) -> Profile:
    """What a tally says beside the `average` user; `names` are those of the event codes from 1 on."""
    user = tally.traits(len(average.events)) if tally.visits else Traits(events=())
    called = ("something unknown", *names)
    shares = {called[code]: Compared(share, average.events[code]) for code, share in enumerate(user.events) if share}
    parts = zip(PARTS, user.parts, average.parts, strict=False)
    return Profile(
        count=tally.count,
        visits=tally.visits,
        shares=dict(sorted(shares.items(), key=lambda item: -item[1].value)),
        parts={name: Compared(value, usual) for name, value, usual in parts},
        weekend=_compared(user.weekend, average.weekend),
        per_visit=_compared(user.per_visit, average.per_visit),
        between_seconds=_compared(user.between_seconds, average.between_seconds),
    )


def _compared(value: float | None, average: float | None) -> Compared | None:
    return None if value is None or average is None else Compared(value, average)


def _beside(found: Compared) -> str:
    return f"{percent(found.value)}, average {percent(found.average)}"


def percent(share: float) -> str:
    """A share as a percentage."""
    return f"{100 * share:.{0 if share >= 0.02 else 1}f} %" if share else "0 %"


def span(seconds: float) -> str:
    """A duration in its largest unit, roughly: `2.5 days`."""
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    number = f"{seconds / size:.0f}" if seconds >= 10 * size else f"{seconds / size:.1f}".removesuffix(".0")
    return f"{number} {unit}" if number == "1" else f"{number} {unit}s"
