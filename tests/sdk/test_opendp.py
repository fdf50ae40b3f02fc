"""OpenDP as the oracle: it vouches for the ε of our parameters, and its draws and ours come of one distribution."""

from collections import Counter
from importlib.util import find_spec

import numpy as np
import pytest

from nearsight.report import Chance, DiscreteLaplace, RandomisedResponse

if find_spec("tensorflow") is None:
    pytest.skip("OpenDP is in the full environment alone", allow_module_level=True)
from opendp import prelude as dp
from scipy import stats as scipy_stats

DRAWS = 20_000


@pytest.fixture(scope="module", autouse=True)
def contributed():
    dp.enable_features("contrib")


def same(one, other, least=40):
    """The p-value that two lists of draws come of one distribution; rare values count together."""
    one, other = Counter(one), Counter(other)
    common = [value for value in one | other if one[value] + other[value] >= least]
    table = np.array([[counts[value] for value in common] for counts in (one, other)])
    rest = DRAWS - table.sum(1, keepdims=True)
    table = np.hstack([table, rest]) if rest.any() else table
    return scipy_stats.chi2_contingency(table).pvalue


def their_response(mechanism):
    return dp.m.make_randomized_response(list(range(len(mechanism.options))), float(mechanism.chances[0]))


def their_laplace(mechanism):
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.l1_distance(T=int)
    return dp.m.make_laplace(*space, scale=float(1 / mechanism.rate))


@pytest.mark.parametrize("count", [2, 6, 40])
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 3.5])
def test_opendp_vouches_for_the_epsilon_of_a_response(epsilon, count):
    """From our chance as a float it computes the loss, and rounds up."""
    mechanism = RandomisedResponse(epsilon=epsilon, options=tuple(map(str, range(count))))
    assert their_response(mechanism).map(1) == pytest.approx(epsilon, rel=1e-13)


@pytest.mark.parametrize("steps", [1, 20, 1000])
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 3.5])
def test_opendp_vouches_for_the_epsilon_of_noise(epsilon, steps):
    mechanism = DiscreteLaplace(epsilon=epsilon, low=0, high=steps, step=1)
    assert their_laplace(mechanism).map(steps) == pytest.approx(epsilon, rel=1e-13)


def test_responses_are_drawn_as_opendps():
    mechanism = RandomisedResponse(epsilon=1.0, options=tuple("abcdef"))
    theirs = their_response(mechanism)
    assert same(mechanism.noised([1] * DRAWS, Chance()), [theirs(1) for _ in range(DRAWS)]) > 1e-6


@pytest.mark.parametrize("steps", [1, 20])
def test_noise_is_drawn_as_opendps(steps):
    mechanism = DiscreteLaplace(epsilon=1.0, low=0, high=steps, step=1)
    assert same(mechanism.noised([1] * DRAWS, Chance()), their_laplace(mechanism)([1] * DRAWS)) > 1e-6


def test_another_scale_is_not_taken_for_the_same():
    mechanism, other = (DiscreteLaplace(epsilon=epsilon, low=0, high=20, step=1) for epsilon in (1.0, 1.15))
    assert same(mechanism.noised([1] * DRAWS, Chance()), their_laplace(other)([1] * DRAWS)) < 1e-6
