"""The Pareto front and what is recommended from it, against trials made by hand and drawn ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearsight_export.recommendation import MOST_LOST, Against, Trial, best, front, is_behind, recommended, verdict
from nearsight_training.metrics import Interval

SAME = Interval(0.0, 0.0, 0.0)


def done(number, score, pace, size, **more):
    return Trial(number=number, state="done", choices={}, seconds=1.0, score=score, pace=pace, bytes=size, **more)


LARGE = done(0, 0.80, 1.0, 80_000)
SMALL = done(1, 0.798, 0.5, 20_000)
BEATEN = done(2, 0.79, 0.6, 20_000)  # by the small one in score and pace
TINY = done(3, 0.70, 0.4, 9_000)
FAILED = Trial(number=4, state="failed", choices={}, seconds=1.0, reason="the loss wasn't finite")
PRUNED = Trial(number=5, state="pruned", choices={}, seconds=1.0)
TRIALS = [LARGE, SMALL, BEATEN, TINY, FAILED, PRUNED]


def test_the_front_of_trials_made_by_hand():
    assert front(TRIALS) == (TINY, SMALL, LARGE)
    assert best(TRIALS) == LARGE


def test_equal_trials_stand_on_the_front_together():
    twin = done(7, *LARGE.values)
    assert front([LARGE, twin]) == (LARGE, twin)


def test_the_smallest_that_cannot_be_told_from_the_best_is_recommended():
    ahead = {0: SAME, 1: Interval(0.002, -0.001, 0.005), 3: Interval(0.1, 0.08, 0.12)}
    assert recommended(front(TRIALS), ahead) == SMALL


def test_one_that_is_surely_worse_is_not_recommended():
    ahead = {0: SAME, 1: Interval(0.002, 0.001, 0.003), 3: Interval(0.1, 0.08, 0.12)}
    assert recommended(front(TRIALS), ahead) == LARGE


def test_few_users_do_not_excuse_a_large_loss():
    """With a handful of users everything lies within the interval."""
    wide = {0: SAME, 1: Interval(0.002, -0.2, 0.2), 3: Interval(MOST_LOST + 1e-6, -0.3, 0.4)}
    assert recommended(front(TRIALS), wide) == SMALL


def test_a_trial_is_behind_when_most_that_are_no_larger_did_better():
    earlier = [done(n, 0.8, 1.0, 1, early=early, weights=100) for n, early in enumerate([0.5, 0.7, 0.9])]
    assert is_behind(0.69, 100, earlier)
    assert not is_behind(0.7, 100, earlier)
    assert not is_behind(0.1, 99, earlier)  # a smaller one has nothing to be measured by
    assert not is_behind(0.1, 100, [*earlier[:2], PRUNED, done(3, 0.8, 1.0, 1, early=0.9, weights=101)])


figures = st.tuples(
    st.sampled_from([0.6, 0.7, 0.8]), st.sampled_from([0.5, 1.0, 1.5]), st.sampled_from([10_000, 20_000, 30_000])
)
intervals = st.tuples(*[st.floats(-0.02, 0.02)] * 3).map(lambda found: Interval(found[1], min(found), max(found)))


@given(st.lists(st.tuples(figures, intervals), min_size=1, max_size=12))
def test_what_is_recommended_is_beaten_by_nobody(drawn):
    trials = [done(number, *values) for number, (values, _) in enumerate(drawn)]
    winners, top = front(trials), best(trials)
    ahead = {number: interval for number, (_, interval) in enumerate(drawn)} | {top.number: SAME}
    taken = recommended(winners, ahead)
    assert top in winners
    for trial in trials:
        beaten_by = [
            other
            for other in trials
            if all(sign * (a - b) >= 0 for sign, a, b in zip((1, -1, -1), other.values, trial.values, strict=True))
            and other.values != trial.values
        ]
        assert (trial in winners) == (not beaten_by)
        assert trial != taken or not beaten_by
    assert ahead[taken.number].low <= 0
    assert ahead[taken.number].value <= MOST_LOST


@pytest.mark.parametrize(
    ("figure", "said"), [("AUC", "AUC changes by −0.0020 (−0.0050 to +0.0010)"), ("log loss", "+0.0020 (−0.0010 to")]
)
def test_the_sentence_gives_the_change_of_the_figure_itself(figure, said):
    against = Against(size=0.25, time=0.5, change=Interval(-0.002, -0.005, 0.001))
    sentence = verdict(SMALL, LARGE, against, figure)
    assert said in sentence
    assert "0.25 times the default's bytes" in sentence
    assert "0.50 times as long" in sentence
    assert sentence.count("smallest product of step time and size") == 1


def test_the_default_can_be_kept():
    assert verdict(LARGE, LARGE, Against(size=1, time=1, change=SAME), "AUC").startswith("Keep the default")


def test_a_trial_without_figures_has_no_values():
    with pytest.raises(ValueError, match="trial 4 is failed"):
        _ = FAILED.values
