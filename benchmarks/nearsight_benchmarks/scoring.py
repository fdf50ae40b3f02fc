"""Figures of merit of every contestant on the same questions, with intervals from the same resampled users."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nearsight_training.metrics import Interval, binary_measures, bootstrap, informative, paired_difference
from nearsight_training.questions import Questions

__all__ = ["auc_difference", "quality"]

Array = NDArray[np.float64]


def quality(
    kinds: Sequence[Questions], answers: Mapping[str, Array], draws: int, seed: int
) -> dict[str, dict[str, Interval]]:
    """The four figures by kind of question; `answers[kind]` `(Q,)` are probabilities."""
    return {asked.kind: _figures(asked, answers[asked.kind], draws, seed) for asked in kinds if asked.kind in answers}


def _figures(asked: Questions, given: Array, draws: int, seed: int) -> dict[str, Interval]:
    telling = informative(asked.answers, asked.users)
    measures = binary_measures(asked.answers, given)
    return {
        name: bootstrap(measure, asked.users, draws, seed, name == "expected_calibration_error", telling)
        for name, measure in measures.items()
    }


def auc_difference(asked: Questions, first: Array, second: Array, draws: int, seed: int) -> Interval:
    """How much higher the first AUC is than the second, on the same draws of users."""
    one, other = (binary_measures(asked.answers, given)["auc"] for given in (first, second))
    return paired_difference(one, other, asked.users, draws, seed, informative(asked.answers, asked.users))
