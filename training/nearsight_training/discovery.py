"""Finds what a trained network offers beside its heads, and measures it on the test users."""

from collections.abc import Iterator
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.heads import BinaryHead, Head, NextEventHead
from nearsight.segment import Segment, Segments
from nearsight_training.alarm import vigilance
from nearsight_training.answers import Walker, scored
from nearsight_training.beside import Beside, Segmentation, Vigilance
from nearsight_training.habits import average, tallies
from nearsight_training.histories import Histories
from nearsight_training.metrics import Interval
from nearsight_training.preparation import Prepared
from nearsight_training.progress import SILENT, Progress
from nearsight_training.rates import rate
from nearsight_training.segments import LEAST_USERS, clusters, named, told_apart
from nearsight_training.split import TEST, TRAIN, VALIDATION

__all__ = ["discovered", "last_embeddings"]


Embeddings = NDArray[np.float32]


def discovered(
    walk: Walker,
    prepared: Prepared,
    heads: tuple[Head, ...],
    cutoff: float | None,
    seed: int,
    progress: Progress = SILENT,
    part: int = TRAIN,
) -> Beside:
    """Learn it from the users of one `part` of the split, those of training; `heads` are calibrated.

    A wide table has neither names of events nor times to tell users apart by, and gets nothing.
    """
    if prepared.spec.steps is not None:
        return Beside()
    known, validation, test = (prepared.histories.select(split) for split in (part, VALIDATION, TEST))
    progress.start("segments, habits, alarm", 2)
    tallied = tallies(known)
    embeddings = last_embeddings(walk, known)
    clustered = clusters(embeddings, seed, partial(told_apart, tallied, prepared.spec))
    segmentation = None
    if clustered is not None:
        segments = named(clustered, embeddings, tallied, prepared.spec)
        users = tuple(np.bincount(clustered.places).tolist())
        basis = Segmentation(
            segments=segments, silhouette=clustered.silhouette, stability=clustered.stability, users=users
        )
        segmentation = _tested(basis, walk, test, heads, cutoff)
    progress.advance(f"{len(segmentation.segments) if segmentation else 'no'} segments")
    head = next((head for head in heads if isinstance(head, NextEventHead) and head.field is None), None)
    alarm = vigilance(walk, head, prepared.spec, validation, test, seed) if head else None
    progress.finish()
    return Beside(
        segmentation=segmentation,
        average=average(tallied, prepared.spec) if len(known) >= LEAST_USERS else None,
        vigilance=alarm,
        notes=tuple(_missing(segmentation, head, alarm)),
    )


def last_embeddings(walk: Walker, histories: Histories) -> Embeddings:
    """The embedding after each history's last event, `(H, U)` float32."""
    place = np.full(len(histories.codes), -1, np.int64)
    place[histories.starts + histories.lengths - 1] = np.arange(len(histories))
    last = np.zeros((len(histories), walk.units), np.float32)
    for events, _, embeddings in walk(histories):
        ends = place[events] >= 0
        last[place[events[ends]]] = embeddings[ends]
    return last


def _tested(
    basis: Segmentation, walk: Walker, test: Histories, heads: tuple[Head, ...], cutoff: float | None
) -> Segmentation:
    """The segmentation with what the test users say of it."""
    places, assign = np.zeros(len(test.codes), np.int64), Segments(basis.segments).places
    for events, _, embeddings in walk(test):
        places[events] = assign(embeddings)
    count = len(basis.segments)
    ends = places[test.starts + test.lengths - 1]
    later = np.flatnonzero(test.positions > 0)
    rates = tuple(dict(_rates(places, segment, test, heads, cutoff)) for segment in range(count))
    return msgspec.structs.replace(
        basis,
        segments=tuple(_rated(segment, each) for segment, each in zip(basis.segments, rates, strict=True)),
        test_shares=tuple((np.bincount(ends, minlength=count) / max(len(ends), 1)).tolist()),
        rates=rates,
        moves=float((places[later] != places[later - 1]).mean()) if len(later) else 0.0,
    )


def _rated(segment: Segment, rates: dict[str, Interval]) -> Segment:
    return msgspec.structs.replace(segment, rates={name: float(f"{rate.value:.4g}") for name, rate in rates.items()})


def _rates(
    places: NDArray[np.int64], segment: int, test: Histories, heads: tuple[Head, ...], cutoff: float | None
) -> Iterator[tuple[str, Interval]]:
    """How often each question is answered yes of users who are in the segment when it is asked, where any are."""
    for head in heads:
        if not isinstance(head, BinaryHead):
            continue
        asked, known = scored(test, head, cutoff)
        events = test.ask_events[known] if asked else known
        labels = (test.ask_labels if asked else test.labels)[known, head.start]
        inside = places[events] == segment
        owners = test.owners[events][inside]
        if len(np.unique(owners)) >= LEAST_USERS:
            yield head.name, rate(labels[inside] == 1, owners)


def _missing(segmentation: Segmentation | None, head: NextEventHead | None, alarm: Vigilance | None) -> Iterator[str]:
    if segmentation is None:
        yield f"no segments: no clusters of users have {LEAST_USERS} users each"
    if head is not None and alarm is None:
        yield "no alarm: a threshold that 1 % of users exceed needs 99 validation users with two events or more"
