"""What a model offers beside its heads, in words: from a manifest, and from the run and the certificate."""

from collections.abc import Iterator

from nearsight.manifest import Manifest
from nearsight.profile import span
from nearsight_export.questions import percent
from nearsight_export.reports import BesideFigures
from nearsight_training.beside import Beside
from nearsight_training.metrics import Interval

__all__ = ["judged", "offered", "proven_beside"]


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


def judged(beside: Beside) -> Iterator[str]:
    """What the test says of it, for the model card."""
    found = beside.segmentation
    if found is not None:
        for segment, rates in zip(found.segments, found.rates, strict=True):
            told = "".join(f" {name}: yes in {_share(rate)}." for name, rate in rates.items())
            yield f"{segment.name}: {percent(segment.share)} of users. {'; '.join(segment.traits)}.{told}"
        yield (
            f"Clusters of one half of the users agree with those of the other by an adjusted Rand index of "
            f"{found.stability:.2f} (1 is full agreement); the silhouette is {found.silhouette:.2f}. "
            f"{percent(found.moves)} of events took a test user to another segment."
        )
    if beside.vigilance is not None:
        alarm, caught = beside.vigilance.alarm, beside.vigilance.caught
        yield (
            f"Unusual is more than {alarm.threshold:.2f} bits an event too many. Of test users, "
            f"{_share(beside.vigilance.flagged)} were ever flagged, where {percent(alarm.false_alarms)} was asked for"
            + (f"; of those whose second half was another user's, {_share(caught)} were." if caught else ".")
        )


def proven_beside(figures: BesideFigures) -> Iterator[str]:
    """How far the shipped graph's segments and alarms are the trained network's."""
    if figures.other_segment is not None:
        yield f"compression puts {percent(figures.other_segment)} of {figures.users} users into another segment"
    if figures.flagged is not None and figures.flagged_by_one is not None:
        yield (
            f"it flags {percent(figures.flagged)} of ordinary users as unusual; {percent(figures.flagged_by_one)} are "
            "flagged by only one of it and the trained network"
        )


def _measured(share: float | None) -> str:
    return "" if share is None else f", {percent(share)} of test users were"


def _share(found: Interval) -> str:
    return f"{percent(found.value)} ({percent(found.low)} to {percent(found.high)})"
