import numpy as np
import pytest

from nearsight.errors import InputError
from nearsight_training.markov import Markov


class Chained:
    """Histories as far as a chain looks at them: codes and the codes that follow."""

    def __init__(self, pairs):
        self.codes = np.array([[before] for before, _ in pairs], np.int32).reshape(-1, 1)
        self.next_codes = np.array([(after, -1) for _, after in pairs], np.int32).reshape(-1, 2)


def test_chances_are_counts_smoothed_towards_the_shares_of_all():
    chain = Markov.fit(Chained([(1, 2), (1, 2), (1, 1), (2, 1), (0, 2)]), Chained([(1, 2)]), 2)
    popular = np.array([2 + 1, 3 + 1]) / 7
    assert chain.popular == pytest.approx(popular)
    assert chain.chances[1] == pytest.approx((np.array([1, 2]) + chain.strength * popular) / (3 + chain.strength))
    assert chain.chances[0] == pytest.approx((np.array([0, 1]) + chain.strength * popular) / (1 + chain.strength))
    assert chain.chances.sum(1) == pytest.approx(np.ones(3))


def test_a_chain_that_holds_for_others_is_smoothed_little_and_one_that_does_not_a_lot():
    rule = [(1, 2), (2, 1)] * 20
    against = [(1, 1), (2, 2)] * 20
    assert (
        Markov.fit(Chained(rule), Chained(rule), 2).strength
        < 1
        < Markov.fit(Chained(rule), Chained(against), 2).strength
    )


def test_unknown_followers_teach_nothing():
    pairs = [(1, 2), (2, 1)]
    more = Markov.fit(Chained([*pairs, (1, -1), (2, 0)]), Chained(pairs), 2)
    assert more.chances.tolist() == Markov.fit(Chained(pairs), Chained(pairs), 2).chances.tolist()


def test_single_events_make_no_chain():
    with pytest.raises(InputError, match="more than one event"):
        Markov.fit(Chained([(1, -1)]), Chained([]), 2)
