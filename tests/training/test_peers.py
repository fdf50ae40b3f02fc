import numpy as np
import pytest

from nearsight.errors import InputError
from nearsight_training.peers import BoostedTrees, BuyTillYouDie, Past, Told, features_of, purchases

DAY = 86400.0
WEEK = 7 * DAY


def past(days, now, values=None, targets=None, codes=None):
    times = np.array(days, float) * DAY
    return Past(
        times,
        np.ones(len(times), np.int32) if codes is None else np.array(codes, np.int32),
        np.zeros((len(times), 0)) if values is None else np.array(values, float)[:, None],
        np.ones(len(times), bool) if targets is None else np.array(targets),
        now * DAY,
    )


def customer(frequency, recency_weeks, age_weeks):
    """A customer's purchases: the summary says when the last one was, the others go on days of their own before it."""
    last = round(recency_weeks * 7)
    days = sorted({0, last, *range(1, int(frequency))} if frequency else {0})
    assert len(days) == frequency + 1
    return past(days, round(age_weeks * 7))


def told(answered, kinds):
    features = [features_of(past, kinds) for past, _ in answered]
    return Told(np.array(features), np.array([answer for _, answer in answered], np.int8))


NOTHING = Told(np.zeros((0, 6)), np.zeros(0, np.int8))


@pytest.fixture(scope="module")
def summary():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes.datasets import load_cdnow_summary

        return load_cdnow_summary(index_col=[0])


@pytest.fixture(scope="module")
def fitted(summary):
    rows = zip(summary.frequency, summary.recency, summary["T"], strict=True)
    people = [customer(*row) for row in rows]
    answers = [(person, int(len(person.times) > 1)) for person in people[:400]]
    return BuyTillYouDie.fit(people, 39 * WEEK, answers)


def test_bgnbd_finds_the_parameters_of_fader_hardie_and_lee_2005(fitted):
    # Table 2 of the paper, in weeks; a rate per day is a seventh of one per week, and alpha a time.
    found = fitted.fitter.params_
    assert found["r"] == pytest.approx(0.243, abs=0.001)
    assert found["alpha"] / 7 == pytest.approx(4.414, abs=0.005)
    assert found["a"] == pytest.approx(0.793, abs=0.002)
    assert found["b"] == pytest.approx(2.426, abs=0.01)


def test_bgnbd_expects_what_the_authors_spreadsheet_does(fitted):
    # Their worked example: two repeat purchases, the last after 30.43 of 38.86 weeks; 39 weeks ahead.
    assert fitted.expected(customer(2, 30.43, 38.86)) == pytest.approx(1.226, abs=0.002)


def test_the_curve_leaves_the_ranks(fitted):
    people = [customer(*row) for row in ((0, 0, 38.86), (2, 30.43, 38.86), (2, 5, 38.86), (6, 38, 38.86), (6, 10, 30))]
    expected, scores = [fitted.expected(each) for each in people], [fitted.score(each) for each in people]
    assert np.argsort(expected).tolist() == np.argsort(scores).tolist()
    assert all(0 < score < 1 for score in scores)


def test_a_one_time_buyer_does_not_rank_first(fitted):
    # P(alive) is 1 for whoever bought once; expected purchases aren't.
    assert fitted.score(customer(0, 0, 38.86)) < fitted.score(customer(2, 30.43, 38.86))


def test_purchases_of_one_day_are_one_and_other_events_are_none():
    told = past([0, 0.2, 3, 10.4, 10.9, 11], 20, targets=[True, True, False, True, True, False])
    assert purchases(told) == (1.0, 10.0, 20.0)


def test_bgnbd_says_why_it_cannot_be_fitted():
    with pytest.raises(InputError, match="more than one day"):
        BuyTillYouDie.fit([past([0], 10)], WEEK, [])


def test_trees_learn_from_recency():
    rng = np.random.default_rng(3)
    last = rng.uniform(0, 30, 600)
    known = [(past([0, when], 30), int(when > 20)) for when in last]
    trees = BoostedTrees.fit(told(known[:400], 1), told(known[400:500], 1), 1)
    scores = np.array([trees.score(each) for each, _ in known[500:]])
    answers = np.array([answer for _, answer in known[500:]])
    assert scores[answers == 1].min() > scores[answers == 0].max()


def test_trees_learn_from_which_events_happened():
    rng = np.random.default_rng(4)
    codes = rng.integers(1, 4, (400, 5))
    known = [(past(range(5), 6, codes=row), int((row == 2).sum() > 1)) for row in codes]
    trees = BoostedTrees.fit(told(known[:300], 4), told(known[300:], 4), 4)
    right = [(trees.score(each) > 0.5) == bool(answer) for each, answer in known[300:]]
    assert np.mean(right) > 0.95


def test_trees_refuse_a_single_answer():
    with pytest.raises(InputError, match="both answers"):
        BoostedTrees.fit(told([(past([0], 1), 1)] * 5, 1), NOTHING, 1)


def test_trees_and_buyers_tell_what_would_be_shipped(fitted):
    assert b'"r":' in fitted.content()
    known = told([(past([0, when], 30), int(when > 15)) for when in range(1, 29)], 1)
    assert BoostedTrees.fit(known, NOTHING, 1).content().startswith(b"tree")
