"""What users do most, when and how fast: their traits, the average of them, and what sets a group of users apart."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.profile import PARTS, Tally, Traits, percent, span
from nearsight.spec import Spec
from nearsight_training.histories import Histories

__all__ = ["Difference", "average", "distinct", "tallies"]

_NOTABLE = 0.3  # standard deviations between a group's mean and everybody's; less is no trait of the group

Floats = NDArray[np.float64]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A trait by which a group differs: in a few words for its name, and in a sentence with figures.

    `topic` is what it is about, so that a name says one thing of each; `deviations` how far the group's mean lies from
    everybody's, in standard deviations over users.
    """

    topic: str
    words: str
    sentence: str
    deviations: float


def tallies(histories: Histories) -> list[Tally]:
    """Each user's tally, counted by the device's own code."""
    found = []
    codes, times = histories.codes[:, 0].tolist(), histories.times.tolist()
    for start, length in zip(histories.starts.tolist(), histories.lengths.tolist(), strict=True):
        tally = Tally()
        for event in range(start, start + length):
            tally.add(codes[event], times[event])
        found.append(tally)
    return found


def average(tallied: Sequence[Tally], spec: Spec) -> Traits:
    """The average user: means over users, of whom each counts once; the time between visits as a geometric mean.

    What the specification's clock doesn't tell is left out.
    """
    every = [tally.traits(spec.now) for tally in tallied]
    clock = spec.clock
    events = tuple(_figures(np.mean([user.events for user in every], axis=0)))
    if clock is None:
        return Traits(events=events)
    gaps = [user.between_seconds for user in every if user.between_seconds]
    return Traits(
        events=events,
        parts=tuple(_figures(np.mean([user.parts for user in every], axis=0))) if clock.hour else (),
        weekend=float(np.mean([user.weekend for user in every])) if clock.weekday else None,
        per_visit=float(np.mean([user.per_visit for user in every])),
        between_seconds=float(np.exp(np.mean(np.log(gaps)))) if gaps else None,
    )


def distinct(tallied: Sequence[Tally], spec: Spec, places: NDArray[np.int64]) -> list[list[Difference]]:
    """By what each group differs from everybody, largest first; `places` `(H,)` are the users' groups."""
    every = [tally.traits(spec.now) for tally in tallied]
    columns = [*_columns(tallied, every, spec), *_timely(tallied, every, spec)]
    groups = []
    for place in range(int(places.max(initial=-1)) + 1):
        found = [each for column in columns if (each := column.difference(places == place))]
        groups.append(sorted(found, key=lambda each: -abs(each.deviations)))
    return groups


@dataclass(frozen=True)
class _Column:
    """One trait of all users `(H,)`, NaN where it isn't known, and how it is put into words.

    `sentence` and both of `words`, for more and for less than usual, take the group's figure and everybody's.
    """

    topic: str
    values: Floats
    words: tuple[str, str]
    sentence: str
    spoken: Callable[[float], str] = percent

    def difference(self, group: NDArray[np.bool_]) -> Difference | None:
        """The group's difference, None where it is too small or not known."""
        values, known = self.values, ~np.isnan(self.values)
        if not known[group].any() or not values[known].std() > 0:
            return None
        mine, usual = float(values[group & known].mean()), float(values[known].mean())
        deviations = (mine - usual) / float(values[known].std())
        if abs(deviations) < _NOTABLE:
            return None
        figures = {"mine": self.spoken(mine), "usual": self.spoken(usual)}
        words, sentence = self.words[deviations < 0].format(**figures), self.sentence.format(**figures)
        return Difference(topic=self.topic, words=words, sentence=sentence, deviations=deviations)


def _columns(tallied: Sequence[Tally], every: list[Traits], spec: Spec) -> Iterator[_Column]:
    shares = np.array([user.events for user in every])
    for code, name in enumerate(spec.event.vocabulary, 1):
        called = name.replace("{", "{{").replace("}", "}}")
        words = f"often {called}", f"seldom {called}"
        yield _Column(f"event {code}", shares[:, code], words, f"{called}: {{mine}} of events (all users {{usual}})")
    counts = np.log([tally.count for tally in tallied])
    sentence = "about {mine} events each (all users {usual})"
    yield _Column("count", counts, ("many events", "few events"), sentence, lambda x: f"{np.exp(x):.0f}")


def _timely(tallied: Sequence[Tally], every: list[Traits], spec: Spec) -> Iterator[_Column]:
    if spec.clock is None:
        return
    once = np.array([float(tally.visits == 1) for tally in tallied])
    sentence = "{mine} came only once (all users {usual})"
    yield _Column("visits", once, ("came once", "comes back"), sentence)
    gaps = np.log([user.between_seconds or np.nan for user in every])
    words, sentence = ("stays away for {mine}", "returns every {mine}"), "a visit every {mine} (all users {usual})"
    yield _Column("pace", gaps, words, sentence, lambda x: span(float(np.exp(x))))
    for part, name in enumerate(PARTS if spec.clock.hour else ()):
        values = np.array([user.parts[part] for user in every])
        words, sentence = (f"often in the {name}", f"seldom in the {name}"), f"in the {name}: {{mine}} of events"
        yield _Column("parts", values, words, f"{sentence} (all users {{usual}})")
    if spec.clock.weekday:
        values = np.array([user.weekend or 0.0 for user in every])
        sentence = "on weekends: {mine} of events (all users {usual})"
        yield _Column("weekend", values, ("on weekends", "on weekdays"), sentence)


def _figures(values: Floats) -> list[float]:
    """Six digits are enough, and short to ship."""
    return [float(f"{value:.6g}") for value in values]
