"""Differential privacy, shown in fractions; and what isn't a mechanism."""

import random
from fractions import Fraction
from math import exp, factorial, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearsight import ReportError
from nearsight.report import Chance, DiscreteLaplace, RandomisedResponse

EPSILONS = st.decimals("0.001", "10", places=3).map(float) | st.floats(0.001, 10)
CHOICES = st.integers(2, 40)


def response(epsilon, count=2):
    return RandomisedResponse(epsilon=epsilon, options=tuple(map(str, range(count))))


def power(epsilon):
    """Two fractions between which e^ε lies."""
    x, terms = Fraction(str(epsilon)), 80
    below = sum(x**k / factorial(k) for k in range(terms))
    return below, below + x**terms / factorial(terms) * 2  # the rest is less than a geometric series of ratio 1/2


@given(EPSILONS, CHOICES)
def test_no_response_tells_more_than_epsilon(epsilon, count):
    """Any report is at most e^ε times as likely of one truth as of another: in fractions, and not by much less."""
    own, other = response(epsilon, count).chances
    below, above = power(epsilon)
    assert own + (count - 1) * other == 1
    assert own / other <= below
    assert own / other > above * (1 - Fraction(count + 20_000, 2**60))


@pytest.mark.parametrize("count", [2, 3, 6])
def test_responses_change_where_their_chances_say(count):
    """Each option's share of the 2^64 numbers is its chance: the first and the last of each run were tried."""
    mechanism = response(1.0, count)
    own, other = (int(chance * 2**64) for chance in mechanism.chances)
    for place in range(count):
        others = [option for option in range(count) if option != place]
        runs = [(turn * other, (turn + 1) * other - 1, option) for turn, option in enumerate(others)]
        runs.append(((count - 1) * other, 2**64 - 1, place))
        for first, last, option in runs:
            drawn = iter([first, last])
            assert mechanism.noised([place] * 2, Chance(lambda bits, drawn=drawn: next(drawn))) == [option] * 2
        assert runs[-1][1] - runs[-1][0] + 1 == own


def test_chances_of_two_and_of_six_are_the_formulas():
    for epsilon, count in ((1.0, 2), (0.5, 6), (3.0, 6)):
        own, other = response(epsilon, count).chances
        assert float(own) == pytest.approx(exp(epsilon) / (exp(epsilon) + count - 1), rel=1e-15)
        assert float(other) == pytest.approx(1 / (exp(epsilon) + count - 1), rel=1e-15)


@given(EPSILONS, st.integers(1, 30), st.data())
def test_no_noised_number_tells_more_than_epsilon(epsilon, steps, data):
    """Chances are in proportion to e^(-rate·|z|), so the logarithm of their ratio is a fraction."""
    mechanism = DiscreteLaplace(epsilon=epsilon, low=-3, high=-3 + 0.1 * steps, step=0.1) if steps < 4 else None
    mechanism = mechanism or DiscreteLaplace(epsilon=epsilon, low=0, high=steps, step=1)
    place = st.integers(0, mechanism.steps)
    one, other, value = data.draw(place), data.draw(place), data.draw(st.integers(-100, 100))
    assert (abs(value - one) - abs(value - other)) * mechanism.rate <= Fraction(str(epsilon))
    assert mechanism.steps * mechanism.rate == Fraction(str(epsilon))


def test_numbers_are_clipped_and_rounded_to_decimal_steps():
    mechanism = DiscreteLaplace(epsilon=1.0, low=0.0, high=0.3, step=0.1)
    assert mechanism.steps == 3  # in floats 0.3 / 0.1 is less than 3
    given = {-inf: 0, -5.0: 0, 0.04: 0, 0.06: 1, 0.1: 1, 0.29: 3, 7.0: 3, inf: 3}
    assert {number: mechanism.place(number) for number in given} == given


def test_a_number_that_no_device_draws_is_seen():
    mechanism = DiscreteLaplace(epsilon=2.0, low=0, high=10, step=1)
    assert mechanism.holds(10 + 64 * 5)
    assert not mechanism.holds(10 + 64 * 5 + 1)
    assert not mechanism.holds(-64 * 5 - 1)
    assert all(map(mechanism.holds, mechanism.noised([0, 10] * 500, Chance(random.Random(1).getrandbits))))


@pytest.mark.parametrize("epsilon", [0.0, -1.0, 10.1, inf, nan])
def test_an_epsilon_that_means_nothing_is_refused(epsilon):
    with pytest.raises(ReportError, match=r"ε must lie between 0\.001 and 10, received"):
        response(epsilon)
    with pytest.raises(ReportError, match="ε must lie"):
        DiscreteLaplace(epsilon=epsilon, low=0, high=1, step=1)


@pytest.mark.parametrize("options", [(), ("a",), ("a", "a"), tuple(map(str, range(1001)))])
def test_options_must_be_several_and_different(options):
    with pytest.raises(ReportError, match="2 to 1000 different options"):
        RandomisedResponse(epsilon=1.0, options=options)


@pytest.mark.parametrize(
    ("low", "high", "step"), [(0, 1, 0), (1, 0, 1), (0, 0, 1), (0, 1, 0.3), (0, inf, 1), (nan, 1, 1), (0, 1e7, 1)]
)
def test_bounds_must_be_whole_steps_apart(low, high, step):
    with pytest.raises(ReportError, match="whole steps"):
        DiscreteLaplace(epsilon=1.0, low=low, high=high, step=step)
