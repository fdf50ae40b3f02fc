import numpy as np
import pytest
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from nearsight_benchmarks.scoring import auc_difference, quality
from nearsight_training.questions import Questions

SIZE, USERS = 2000, 300


def asked(seed):
    rng = np.random.default_rng(seed)
    truth = rng.random(SIZE)
    users = rng.integers(0, USERS, SIZE)
    answers = (rng.random(SIZE) < truth).astype(np.int8)
    every = np.arange(SIZE)
    return Questions("event", every, users, answers, every.astype(float), every), truth, rng


def brute_calibration_error(answers, probabilities, bins=15):
    order = np.argsort(probabilities, kind="stable")
    parts = [order[np.arange(SIZE) * bins // SIZE == part] for part in range(bins)]
    return sum(len(part) * abs(probabilities[part].mean() - answers[part].mean()) for part in parts) / SIZE


def test_figures_are_scikit_learns():
    kind, truth, rng = asked(1)
    p = np.clip(np.round(truth + rng.normal(0, 0.2, SIZE), 2), 0.01, 0.99)  # rounded, so that there are ties
    found = quality([kind], {"event": p}, 20, 0)["event"]
    assert found["auc"].value == pytest.approx(roc_auc_score(kind.answers, p), abs=1e-12)
    assert found["average_precision"].value == pytest.approx(average_precision_score(kind.answers, p), abs=1e-12)
    assert found["log_loss"].value == pytest.approx(log_loss(kind.answers, p), abs=1e-9)
    assert found["expected_calibration_error"].value == pytest.approx(
        brute_calibration_error(kind.answers, p), abs=1e-12
    )


def test_intervals_hold_their_value_and_shrink_with_certainty():
    kind, truth, _ = asked(2)
    found = quality([kind], {"event": truth}, 200, 0)["event"]
    assert all(
        each.low <= each.value <= each.high for name, each in found.items() if name != "expected_calibration_error"
    )
    assert 0.01 < found["auc"].high - found["auc"].low < 0.1


def test_a_paired_difference_is_surer_than_its_parts():
    kind, truth, rng = asked(3)
    worse = np.clip(truth + rng.normal(0, 0.05, SIZE), 0, 1)
    alone = quality([kind], {"event": truth}, 200, 0)["event"]["auc"]
    change = auc_difference(kind, truth, worse, 200, 0)
    assert change.value == pytest.approx(
        roc_auc_score(kind.answers, truth) - roc_auc_score(kind.answers, worse), abs=1e-12
    )
    assert change.high - change.low < (alone.high - alone.low) / 2


def test_kinds_without_answers_are_left_out():
    kind, truth, _ = asked(4)
    assert quality([kind], {"ask": truth}, 5, 0) == {}
