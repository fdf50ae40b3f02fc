"""Figures of merit of every contestant on the same questions, with intervals from the same resampled users."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from nearsight_training.metrics import (
    Interval,
    auc,
    average_precision,
    bootstrap,
    expected_calibration_error,
    log_loss,
    paired_difference,
)
from nearsight_training.questions import Questions

__all__ = ["auc_difference", "quality"]

Array = NDArray[np.float64]


def quality(
    kinds: Sequence[Questions], answers: Mapping[str, Array], draws: int, seed: int
) -> dict[str, dict[str, Interval]]:
    """The four figures by kind of question; `answers[kind]` `(Q,)` are probabilities."""
    return {asked.kind: _figures(asked, answers[asked.kind], draws, seed) for asked in kinds if asked.kind in answers}


def _figures(asked: Questions, given: Array, draws: int, seed: int) -> dict[str, Interval]:
    order = np.argsort(given, kind="stable")  # a sort of sorted data is quick, and each draw sorts
    y, p, users = asked.answers[order], given[order], asked.users[order]
    measures = (auc, average_precision, log_loss, expected_calibration_error)
    return {measure.__name__: bootstrap(partial(measure, y, p), users, draws, seed) for measure in measures}


def auc_difference(asked: Questions, first: Array, second: Array, draws: int, seed: int) -> Interval:
    """How much higher the first AUC is than the second, on the same draws of users."""
    y = asked.answers
    return paired_difference(lambda w: auc(y, first, w), lambda w: auc(y, second, w), asked.users, draws, seed)
