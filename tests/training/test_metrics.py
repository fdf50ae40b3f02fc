"""Metrics against scikit-learn and against cases worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as oracle

from nearsight_training import metrics

draws = st.integers(2, 60).flatmap(
    lambda size: st.tuples(
        hnp.arrays(np.int8, size, elements=st.integers(0, 1)),
        hnp.arrays(np.float64, size, elements=st.integers(0, 9).map(lambda tenth: tenth / 9)),
        hnp.arrays(np.float64, size, elements=st.integers(0, 3).map(float)),
    )
)


def usable(labels, weights):
    return len(set(labels[weights > 0])) == 2


@given(draws)
def test_ranking_figures_equal_scikit_learns(case):
    labels, scores, weights = case
    if not usable(labels, weights):
        return
    kept = weights > 0
    auc = oracle.roc_auc_score(labels[kept], scores[kept], sample_weight=weights[kept])
    precision = oracle.average_precision_score(labels[kept], scores[kept], sample_weight=weights[kept])
    assert metrics.auc(labels, scores, weights) == pytest.approx(auc, abs=1e-12)
    assert metrics.average_precision(labels, scores, weights) == pytest.approx(precision, abs=1e-12)


@given(draws)
def test_decisions_and_log_loss_equal_scikit_learns(case):
    labels, scores, weights = case
    if not usable(labels, weights):
        return
    found = metrics.decisions(labels, scores, 0.5, weights)
    yes = scores >= 0.5
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(labels, yes, sample_weight=weights))
    options = {"sample_weight": weights, "zero_division": 0}
    assert found["precision"] == pytest.approx(oracle.precision_score(labels, yes, **options))
    assert found["recall"] == pytest.approx(oracle.recall_score(labels, yes, **options))
    assert found["f1"] == pytest.approx(oracle.f1_score(labels, yes, **options))
    inside = np.clip(scores, 1e-7, 1 - 1e-7)
    assert metrics.log_loss(labels, scores, weights) == pytest.approx(
        oracle.log_loss(labels, inside, sample_weight=weights)
    )


@given(draws)
def test_no_threshold_has_a_better_f1_than_the_one_chosen(case):
    labels, scores, _ = case
    best = metrics.decisions(labels, scores, metrics.best_threshold(labels, scores))["f1"]
    assert best == pytest.approx(max(metrics.decisions(labels, scores, each)["f1"] for each in scores))


def test_calibration_error_of_a_hand_made_case():
    """15 bins of two: each bin says 0.5 and sees one yes of two, except the last, with two."""
    labels = np.array([0, 1] * 14 + [1, 1])
    assert metrics.expected_calibration_error(labels, np.full(30, 0.5)) == pytest.approx(0.5 / 15)


@pytest.mark.parametrize("repeats", [1, 5])
def test_what_a_perfect_model_is_off_by_is_chance(repeats):
    """Labels are drawn with the very probabilities; with `repeats`, users have one answer in all of their questions."""
    found, foretold = [], []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        chances = np.repeat(generator.beta(2, 4, 600), repeats)
        owners = np.repeat(np.arange(600), repeats)
        labels = (generator.random(600) < chances[::repeats]).astype(int)[owners]
        found.append(metrics.expected_calibration_error(labels, chances))
        foretold.append(metrics.calibration_error_by_chance(labels, chances, owners))
    assert np.mean(foretold) == pytest.approx(np.mean(found), rel=0.06)


def test_a_model_that_is_off_does_not_count_as_chance():
    generator = np.random.default_rng(1)
    chances = generator.random(4000)
    labels = (generator.random(4000) < chances).astype(int)
    chance = metrics.calibration_error_by_chance(labels, chances, np.arange(4000))
    assert metrics.calibration_error_by_chance(labels, chances / 2, np.arange(4000)) == pytest.approx(chance, rel=0.05)
    assert metrics.expected_calibration_error(labels, chances / 2) > 10 * chance


def test_one_class_has_no_auc():
    assert np.isnan(metrics.auc(np.ones(3, int), np.arange(3.0)))
    assert np.isnan(metrics.average_precision(np.zeros(3, int), np.arange(3.0)))


def test_the_interval_of_a_mean_is_the_textbooks():
    values = np.random.default_rng(1).normal(size=400)
    found = metrics.bootstrap(lambda w: float(np.average(values, weights=w)), np.arange(400), draws=4000)
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_users_are_resampled_and_not_events():
    """Ten copies of each value say nothing new: the interval must stay as wide as that of single values."""
    values, clusters = np.arange(40.0), np.arange(40)
    single = metrics.bootstrap(lambda w: float(np.average(values, weights=w)), clusters)
    tenfold = metrics.bootstrap(lambda w: float(np.average(np.repeat(values, 10), weights=w)), np.repeat(clusters, 10))
    assert tenfold == single


def test_a_paired_difference_is_narrower_than_the_figures_it_compares():
    generator = np.random.default_rng(2)
    labels = generator.integers(0, 2, 500)
    scores = labels + generator.normal(size=500)
    worse = scores + 0.1 * generator.normal(size=500)
    first, second = (lambda w, s=s: metrics.auc(labels, s, w) for s in (scores, worse))
    alone = metrics.bootstrap(first, np.arange(500))
    paired = metrics.paired_difference(first, second, np.arange(500))
    assert paired.value == pytest.approx(first(np.ones(500)) - second(np.ones(500)))
    assert paired.high - paired.low < (alone.high - alone.low) / 3


def test_next_event_figures_of_a_hand_made_case():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    found = metrics.next_event_metrics(np.array([1, 3, 0]), probabilities, np.arange(3))
    assert found["log_loss"].value == pytest.approx(-(np.log(0.7) + np.log(0.3)) / 2)
    assert found["hits@1"].value == pytest.approx(1 / 3)
    assert found["hits@5"].value == pytest.approx(2 / 3)


def test_binary_metrics_agree_with_the_single_measures():
    generator = np.random.default_rng(3)
    labels, p = generator.integers(0, 2, 200), generator.random(200).astype(np.float32)
    found = metrics.binary_metrics(labels, p, np.arange(200) // 2, 0.4, draws=50)
    assert found["auc"].value == pytest.approx(oracle.roc_auc_score(labels, p))
    assert found["f1"].value == pytest.approx(oracle.f1_score(labels, p >= 0.4))
    assert all(interval.low <= interval.value <= interval.high for interval in found.values())


@pytest.mark.parametrize(("shift", "truth"), [(0.1, 0.018), (0.8, 0.155)])
def test_the_interval_of_a_calibration_error_holds_the_truth(shift, truth):
    """Logits off by `shift`. The percentiles of the draws alone would miss the smaller error nearly always."""
    held = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        logits = generator.normal(-1, 1, 4000)
        labels = (generator.random(4000) < 1 / (1 + np.exp(-logits))).astype(int)
        chances = 1 / (1 + np.exp(-logits - shift))
        found = metrics.bootstrap(
            lambda w, y=labels, p=chances: metrics.expected_calibration_error(y, p, w),
            np.arange(4000),
            draws=100,
            distance=True,
        )
        held += found.low <= truth <= found.high
    assert held >= 33  # of 40; at 95 % fewer come once in 500 times


def test_a_distance_of_zero_is_its_own_interval():
    found = metrics.bootstrap(lambda w: 0.0, np.arange(9), distance=True)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_few_clusters_get_intervals_that_still_cover():
    """Of eight normal values, plain percentiles hold the mean in 88 of 100 draws; the expanded ones in about 95."""
    generator = np.random.default_rng(3)
    held = 0
    for seed in range(300):
        values = generator.normal(size=8)
        found = metrics.bootstrap(lambda w, v=values: float(np.average(v, weights=w)), np.arange(8), 300, seed)
        held += found.low <= 0 <= found.high
    assert 0.92 <= held / 300 <= 0.98


def test_the_rarer_answer_counts():
    labels, owners = np.array([1, 1, 0, 0, 0]), np.array([7, 7, 7, 8, 9])
    assert metrics.informative(labels, owners) == 1
    assert metrics.informative(np.zeros(3), np.arange(3)) == 0
