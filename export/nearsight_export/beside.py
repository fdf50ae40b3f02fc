"""What a model offers beside its heads, in words: from a manifest, and from the run and the certificate."""

from collections.abc import Iterator

from nearsight.manifest import Manifest
from nearsight.profile import span
from nearsight_export.questions import percent
from nearsight_export.reports import BesideFigures
from nearsight_training.beside import Beside, Vigilance
from nearsight_training.metrics import Interval

__all__ = ["judged", "offered", "outlined", "proven_beside"]


def offered(manifest: Manifest) -> Iterator[str]:
    """What a bundle offers, one line each; nothing where it has neither segments nor profile nor alarm."""
    for segment in manifest.segments:
        rates = "".join(f"; {name}: yes in {percent(rate)}" for name, rate in segment.rates.items())
        yield f"segment {segment.name!r}, {percent(segment.share)} of users{rates}"
        yield from (f"  {trait}" for trait in segment.traits)
    average = manifest.average
    if average is not None:
        pace = f", a visit every {span(average.between_seconds)}" if average.between_seconds else ""
        busiest = max(zip(average.events, ("", *manifest.spec.event.vocabulary), strict=True))
        yield f"profile, beside an average user who mostly does {busiest[1] or 'unknown things'}{pace}"
    alarm = manifest.alarm
    if alarm is not None:
        yield (
            f"surprise, unusual above {alarm.threshold:.2f} bits an event, chosen so that "
            f"{percent(alarm.false_alarms)} of ordinary users are ever flagged{_measured(alarm.measured)}"
        )


def outlined(beside: Beside) -> Iterator[str]:
    """What training found, in a sentence each."""
    if beside.segmentation is not None:
        segments = "; ".join(f"{each.name} ({percent(each.share)})" for each in beside.segmentation.segments)
        yield f"Segments of users (stability {beside.segmentation.stability:.2f} of 1): {segments}."
    if beside.vigilance is not None:
        yield _alarmed(beside.vigilance)


def judged(beside: Beside) -> Iterator[str]:
    """What the test says of it, for the model card."""
    seen = beside.segmentation
    if seen is not None:
        for segment, rates in zip(seen.segments, seen.rates, strict=True):
            told = "".join(f" {name}: yes in {_share(rate)}." for name, rate in rates.items())
            yield f"{segment.name}: {percent(segment.share)} of users. {'; '.join(segment.traits)}.{told}"
        yield (
            f"Clusters of one half of the users agree with those of the other by an adjusted Rand index of "
            f"{seen.stability:.2f} (1 is full agreement); the silhouette is {seen.silhouette:.2f}. "
            f"{percent(seen.moves)} of events took a test user to another segment."
        )
    if beside.vigilance is not None:
        threshold = beside.vigilance.alarm.threshold
        yield f"Unusual is more than {threshold:.2f} bits an event too many. {_alarmed(beside.vigilance)}"


def proven_beside(figures: BesideFigures) -> Iterator[str]:
    """How far the shipped graph's segments and alarms are the trained network's."""
    if figures.other_segment is not None:
        own = figures.own_users
        kept = "" if own is None else f"; of each segment's users, at least {percent(own)} are its own"
        yield f"compression puts {percent(figures.other_segment)} of {figures.users} users into another segment{kept}"
    if figures.flagged is not None and figures.flagged_by_one is not None:
        yield (
            f"it flags {percent(figures.flagged)} of ordinary users as unusual; {percent(figures.flagged_by_one)} are "
            "flagged by only one of it and the trained network"
        )


def _alarmed(vigilance: Vigilance) -> str:
    caught = vigilance.caught
    return (
        f"Unusual users: {_share(vigilance.flagged)} of the test's were ever flagged, "
        f"where {percent(vigilance.alarm.false_alarms)} was asked for"
        + (f"; of those whose second half was another user's, {_share(caught)} were." if caught else ".")
    )


def _measured(share: float | None) -> str:
    return "" if share is None else f", {percent(share)} of test users were"


def _share(found: Interval) -> str:
    return f"{percent(found.value)} ({percent(found.low)} to {percent(found.high)})"
