"""Keeps segments and alarm true to what is shipped, and says how far that lies from the trained network.

Pruning moves embeddings and probabilities a little. The segments stay the same users', their centres are computed anew;
the alarm's threshold is chosen anew.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.heads import Head, NextEventHead
from nearsight.segment import Segment, Segments
from nearsight.surprise import Alarm, excess_bits
from nearsight_export.exam import Exam
from nearsight_export.passes.model import Model
from nearsight_export.replay import Replay
from nearsight_export.reports import BesideFigures
from nearsight_training.alarm import rolling, vigilance
from nearsight_training.answers import Walker
from nearsight_training.beside import Beside, Segmentation
from nearsight_training.discovery import last_embeddings
from nearsight_training.histories import SPLITS, Histories
from nearsight_training.run import Run
from nearsight_training.segments import centred

__all__ = ["anchored", "compared"]


def anchored(run: Run, before: Model, after: Model, heads: tuple[Head, ...], histories: Histories) -> Beside:
    """What the run offers beside its heads, for the model `after` its passes; `heads` are those calibrated after it."""
    beside = run.beside
    known = histories.select(run.reference)
    validation, test = (histories.select(SPLITS.index(name)) for name in SPLITS[1:])
    old, new = (Walker(model.trunk, model.weights) for model in (before, after))
    if beside.segmentation is not None:
        beside = msgspec.structs.replace(beside, segmentation=_recentred(beside.segmentation, old, new, known))
    head = next((head for head in heads if isinstance(head, NextEventHead) and head.field is None), None)
    if beside.vigilance is not None and head is not None:
        found = vigilance(new, head, run.spec, validation, test, run.seed)
        beside = msgspec.structs.replace(beside, vigilance=found)
    return beside


def compared(exam: Exam, before: Replay, trained: Beside, after: Replay, shipped: Beside) -> BesideFigures | None:
    """What is `shipped`, which answers as in `after`, with what the `trained` network had; None without any."""
    if trained.segmentation is None and trained.vigilance is None:
        return None
    figures = BesideFigures(users=len(exam.histories))
    if trained.segmentation is not None and shipped.segmentation is not None:
        places = (
            Segments(each.segments).places(replay.embeddings)
            for each, replay in ((trained.segmentation, before), (shipped.segmentation, after))
        )
        figures = msgspec.structs.replace(figures, other_segment=float(np.not_equal(*places).mean()))
    if trained.vigilance is not None and shipped.vigilance is not None:
        first, second = (
            _flagged(exam, replay, each.alarm)
            for each, replay in ((trained.vigilance, before), (shipped.vigilance, after))
        )
        figures = msgspec.structs.replace(
            figures, flagged=float(second.mean()), flagged_by_one=float((first != second).mean())
        )
    return figures


def _recentred(found: Segmentation, old: Walker, new: Walker, known: Histories) -> Segmentation:
    places = Segments(found.segments).places(last_embeddings(old, known))
    segments: tuple[Segment, ...] = centred(found.segments, last_embeddings(new, known), places)
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
