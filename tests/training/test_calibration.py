"""Calibration recovers what was done to honest logits."""

import numpy as np
import pytest

from nearsight_training.calibration import platt, temperature, threshold

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
