"""Calibration recovers what was done to honest logits."""

import numpy as np
import pytest

from nearsight_training.calibration import platt, temperature, threshold
from nearsight_training.config import Decision

GENERATOR = np.random.default_rng(0)
HONEST = GENERATOR.normal(0, 2, 40_000)
LABELS = (GENERATOR.random(40_000) < 1 / (1 + np.exp(-HONEST))).astype(int)


def test_platt_undoes_a_stretch_and_a_shift():
    scale, offset = platt(HONEST * 3 + 1, LABELS)
    assert scale == pytest.approx(1 / 3, abs=0.01)
    assert offset == pytest.approx(-1 / 3, abs=0.04)


def test_platt_does_not_hide_a_model_that_is_wrong():
    assert platt(-HONEST, LABELS) == (1.0, 0.0)


def test_temperature_undoes_a_stretch():
    logits = GENERATOR.normal(0, 2, (30_000, 4))
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    codes = (chances.cumsum(1) < GENERATOR.random((30_000, 1))).sum(1) + 1
    assert temperature(logits * 2.5, codes) == pytest.approx(2.5, rel=0.03)


def test_the_threshold_stands_between_two_probabilities():
    """A threshold on a probability itself would flip with the last bit of a float32."""
    assert threshold(np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.5, 0.9])) == pytest.approx(0.4)


def test_a_threshold_for_a_precision_says_yes_as_often_as_it_may():
    labels, chances = np.array([1, 1, 0, 1, 0, 0]), np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    asked = {1.0: 0.75, 0.75: 0.55, 0.6: 0.45, 0.5: 0.2}
    found = {share: threshold(labels, chances, Decision(precision=share)) for share in asked}
    assert found == pytest.approx(asked)


def test_equal_probabilities_are_decided_together():
    """Of the two at 0.8 one is wrong: a precision of 1 can't tell them apart."""
    found = threshold(np.array([1, 1, 0]), np.array([0.9, 0.8, 0.8]), Decision(precision=1.0))
    assert found == pytest.approx(0.85)


def test_a_precision_that_cannot_be_had_is_answered_with_no():
    assert threshold(np.array([0, 1]), np.array([0.9, 0.2]), Decision(precision=0.9)) > 0.9


@pytest.mark.parametrize("costs", [0.25, 1.0, 4.0])
def test_the_threshold_by_costs_costs_least(costs):
    """Of all thresholds on honest probabilities, none is cheaper by more than chance."""
    chances = 1 / (1 + np.exp(-HONEST))

    def cost(at):
        return np.mean(np.where(LABELS == 1, costs * (chances < at), chances >= at))

    chosen = threshold(LABELS, chances, Decision(miss_costs=costs))
    assert cost(chosen) <= min(cost(at) for at in np.linspace(0.01, 0.99, 99)) + 0.002


def test_a_rare_answer_keeps_its_probability_and_gets_a_lower_threshold():
    """Imbalance moves the threshold alone: nothing is weighed or drawn again, which would spoil the probabilities."""
    logits = HONEST - 4
    labels = (np.random.default_rng(1).random(len(logits)) < 1 / (1 + np.exp(-logits))).astype(int)
    scale, offset = platt(logits, labels)
    chances = 1 / (1 + np.exp(-(scale * logits + offset)))
    assert labels.mean() < 0.1
    assert chances.mean() == pytest.approx(labels.mean(), abs=1e-3)
    assert threshold(labels, chances) < 0.4


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"precision": 0.5, "miss_costs": 2.0}, "not by both"),
        ({"precision": 1.5}, "at 1 at most"),
        ({"miss_costs": 0.0}, "positive"),
    ],
)
def test_decisions_that_make_no_sense_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        Decision(**given)
