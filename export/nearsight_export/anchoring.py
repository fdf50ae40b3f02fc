"""Keeps segments and alarm true to what is shipped, and says how far that lies from the trained network.

Pruning moves embeddings and probabilities a little. The segments stay the same users', and where they lie is
found anew; the alarm's threshold is chosen anew.

A segment's name, traits and rates are of the users whom the trained network puts into it. So at least half of those
whom the shipped graph puts there must be among them. The share of all users in another segment has no limit of its own:
the same share may be all of a small segment or a margin of a large one. On CDNOW, whose smallest segment has 9 % of the
users, rounding to 8 bits moved 0.1 % of them, pruning half of the weights 0.8 % and pruning nine tenths 9.6 %.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.heads import Head, NextEventHead
from nearsight.segment import Segment, Segments
from nearsight.surprise import Alarm, excess_bits
from nearsight_export.errors import CertificateError
from nearsight_export.exam import Exam
from nearsight_export.passes.model import Model
from nearsight_export.questions import percent
from nearsight_export.replay import Replay
from nearsight_export.reports import BesideFigures
from nearsight_training.alarm import rolling, vigilance
from nearsight_training.answers import Walker
from nearsight_training.beside import Beside, Segmentation
from nearsight_training.discovery import last_embeddings
from nearsight_training.histories import SPLITS, Histories
from nearsight_training.run import Run
from nearsight_training.segments import LEAST_USERS, refound

__all__ = ["anchored", "compared"]

_OWN = 0.5  # of a segment's users: from there on its name is that of most of them


def anchored(run: Run, before: Model, after: Model, heads: tuple[Head, ...], histories: Histories) -> Beside:
    """What the run offers beside its heads, for the model `after` its passes; `heads` are those calibrated after it."""
    beside = run.beside
    known = histories.select(run.reference)
    validation, test = (histories.select(SPLITS.index(name)) for name in SPLITS[1:])
    old, new = (Walker(model.trunk, model.weights) for model in (before, after))
    if beside.segmentation is not None:
        beside = msgspec.structs.replace(beside, segmentation=_refound(beside.segmentation, old, new, known))
    head = next((head for head in heads if isinstance(head, NextEventHead) and head.field is None), None)
    if beside.vigilance is not None and head is not None:
        found = vigilance(new, head, run.spec, validation, test, run.seed)
        beside = msgspec.structs.replace(beside, vigilance=found)
    return beside


def compared(exam: Exam, before: Replay, trained: Beside, after: Replay, shipped: Beside) -> BesideFigures | None:
    """What is `shipped`, which answers as in `after`, with what the `trained` network had; None without any.

    Raises `CertificateError` where a segment is mostly of users whom the trained network puts elsewhere.
    """
    if trained.segmentation is None and trained.vigilance is None:
        return None
    figures = BesideFigures(users=len(exam.histories))
    if trained.segmentation is not None and shipped.segmentation is not None:
        segments = (
            Segments(each.segments).places(replay.embeddings)
            for each, replay in ((trained.segmentation, before), (shipped.segmentation, after))
        )
        old, new = segments
        own = _own_users(old, new, shipped.segmentation)
        figures = msgspec.structs.replace(figures, other_segment=float((old != new).mean()), own_users=own)
    if trained.vigilance is not None and shipped.vigilance is not None:
        first, second = (
            _flagged(exam, replay, each.alarm)
            for each, replay in ((trained.vigilance, before), (shipped.vigilance, after))
        )
        figures = msgspec.structs.replace(
            figures, flagged=float(second.mean()), flagged_by_one=float((first != second).mean())
        )
    return figures


def _own_users(first: NDArray[np.int64], second: NDArray[np.int64], shipped: Segmentation) -> float | None:
    """The smallest share of a segment's users who are its own, over those that hold enough users to tell."""
    shares = {
        segment.name: float((first[inside] == place).mean())
        for place, segment in enumerate(shipped.segments)
        if np.count_nonzero(inside := second == place) >= LEAST_USERS
    }
    for name, share in shares.items():
        if share < _OWN:
            raise CertificateError(
                f"{percent(share)} of the users in the segment {name!r} are those whom the trained network puts there, "
                f"where at least {percent(_OWN)} must be for its name to be true: no bundle was written; choose a "
                "recipe that compresses less"
            )
    return min(shares.values(), default=None)


def _refound(found: Segmentation, old: Walker, new: Walker, known: Histories) -> Segmentation:
    places = Segments(found.segments).places(last_embeddings(old, known))
    segments: tuple[Segment, ...] = refound(found.segments, last_embeddings(new, known), places)
    return msgspec.structs.replace(found, segments=segments)


def _flagged(exam: Exam, replay: Replay, alarm: Alarm) -> NDArray[np.bool_]:
    """Which users with a second event are ever flagged."""
    histories = exam.histories
    head = next(head for head in exam.heads if isinstance(head, NextEventHead) and head.field is None)
    later = np.flatnonzero(histories.positions > 0)
    chances = replay.heads[:, head.start : head.start + head.size]
    excess = np.zeros(len(histories.codes))
    excess[later] = excess_bits(chances[later - 1], histories.codes[later, 0].astype(np.int64) - 1)
    highest = np.maximum.reduceat(rolling(excess, histories.positions), histories.starts)
    flagged: NDArray[np.bool_] = highest[histories.lengths > 1] > alarm.threshold
    return flagged
