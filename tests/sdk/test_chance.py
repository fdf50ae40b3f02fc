"""The draws' chances, followed through every branch as fractions, and fair and unfair sources of bits."""

import random
from collections import Counter
from fractions import Fraction
from math import exp, factorial

import pytest

from nearsight.report import Chance, DiscreteLaplace, RandomisedResponse, system_bits


class Fork(Exception):
    def __init__(self, chances):
        self.chances = chances


class Path(Chance):
    """A source that takes the given branches and stops at the first one that isn't given."""

    def __init__(self, branches):
        self.branches = iter(branches)

    def _taken(self, chances):
        branch = next(self.branches, None)
        if branch is None:
            raise Fork(chances)
        return branch

    def below(self, end):
        return self._taken([Fraction(1, end)] * end)

    def happens(self, numerator, denominator):
        yes = Fraction(numerator, denominator)
        return bool(self._taken([1 - yes, yes]))


def followed(draw, least, path=Path):
    """The chance of every outcome, less than all by what lies behind branches that are rarer than `least`."""
    found, waiting = Counter(), [((), Fraction(1))]
    while waiting:
        branches, chance = waiting.pop()
        try:
            found[draw(path(branches))] += chance
        except Fork as fork:
            options = [((*branches, k), chance * each) for k, each in enumerate(fork.chances)]
            waiting += [option for option in options if option[1] >= least]
    return found


class Bits(Path):
    """Branches at the level of bits."""

    def __init__(self, branches):
        super().__init__(branches)
        Chance.__init__(self, lambda count: self._taken([Fraction(1, 1 << count)] * (1 << count)))

    below, happens = Chance.below, Chance.happens


@pytest.mark.parametrize("end", [1, 2, 3, 7, 8])
def test_whole_numbers_are_alike(end):
    found = followed(lambda chance: chance.below(end), Fraction(1, 10**6), Bits)
    assert set(found) == set(range(end))
    assert len(set(found.values())) == 1
    assert sum(found.values()) > 1 - Fraction(1, 10**4)


@pytest.mark.parametrize(("numerator", "denominator"), [(0, 1), (1, 1), (1, 2), (2, 7)])
def test_a_chance_is_the_fraction_that_it_should_be(numerator, denominator):
    found = followed(lambda chance: chance.happens(numerator, denominator), Fraction(1, 10**5), Bits)
    assert found[True] * (denominator - numerator) == found[False] * numerator
    assert sum(found.values()) > 1 - Fraction(1, 10**3)


@pytest.mark.parametrize("x", [Fraction(0), Fraction(1), Fraction(1, 3), Fraction(6, 7)])
def test_a_decay_is_the_series_of_the_exponential(x):
    """1 - γ + γ²/2! - ..., term by term: exact as far as the branches were followed."""
    found = followed(lambda chance: chance.decays(x.numerator, x.denominator), Fraction(1, 10**18))
    terms = [(-x) ** k / factorial(k) for k in range(40)]
    sums = [sum(terms[:k]) for k in range(1, 40)]
    assert found[True] in sums
    assert float(found[True]) == pytest.approx(exp(-x), abs=1e-15)
    assert float(found[False]) == pytest.approx(1 - exp(-x), abs=1e-15)


class Again(Exception):
    pass


class Round(Path):
    """Branches at the level of decays, whose chances the test above showed; the round ends where one begins anew."""

    begun = False

    def below(self, end):
        if self.begun:
            raise Again
        self.begun = True
        return super().below(end)

    def decays(self, numerator, denominator):
        yes = exp(-numerator / denominator)
        return bool(self._taken([1 - yes, yes]))


@pytest.mark.parametrize("rate", [Fraction(1), Fraction(1, 2), Fraction(5, 3), Fraction(2, 9)])
def test_laplace_noise_has_its_formula(rate):
    """Rounds that begin anew don't depend on each other, so one of them has the same proportions as all."""

    def one_round(chance):
        try:
            return chance.laplace(rate)
        except Again:
            return None

    found = followed(one_round, 1e-16, Round)
    assert sum(found.values()) == pytest.approx(1, abs=1e-12)
    decay, ended = exp(-rate), 1 - found[None]
    for z in range(-8, 9):
        wanted = (1 - decay) / (1 + decay) * decay ** abs(z)
        assert found[z] / ended == pytest.approx(wanted, abs=1e-12)


def test_the_systems_bits_fill_their_range():
    drawn = [system_bits(3) for _ in range(400)]
    assert set(drawn) == set(range(8))  # each is missed with a chance below 1e-23
    assert system_bits(0) == 0
    assert all(system_bits(64) < 2**64 for _ in range(20))


# Quantiles of chi-square at 1 - 1e-6 with 5 and 12 degrees of freedom.
LIMITS = {5: 35.9, 12: 50.8}
DRAWS = 20_000


def statistic(found, wanted):
    """Pearson's chi-square; `wanted` are chances, the last of them of everything else."""
    counts = [found[value] for value in wanted]
    chances = list(wanted.values())
    counts.append(DRAWS - sum(counts))
    chances.append(1 - sum(chances))
    pairs = zip(counts, chances, strict=True)
    return sum((count - DRAWS * chance) ** 2 / (DRAWS * chance) for count, chance in pairs)


def responses(bits):
    mechanism = RandomisedResponse(epsilon=1.0, options=tuple("abcdef"))
    own, other = map(float, mechanism.chances)
    found = Counter(mechanism.noised([2] * DRAWS, Chance(bits)))
    return statistic(found, {place: own if place == 2 else other for place in range(5)})


def noises(bits):
    mechanism = DiscreteLaplace(epsilon=1.0, low=0, high=2, step=1)
    decay = exp(-mechanism.rate)
    found = Counter(mechanism.noised([1] * DRAWS, Chance(bits)))
    return statistic(found, {1 + z: (1 - decay) / (1 + decay) * decay ** abs(z) for z in range(-6, 6)})


@pytest.mark.parametrize(("draws", "freedom"), [(responses, 5), (noises, 12)])
@pytest.mark.parametrize("bits", [system_bits, random.Random(7).getrandbits], ids=["system", "seeded"])
def test_draws_follow_their_chances(draws, freedom, bits):
    assert draws(bits) < LIMITS[freedom]


@pytest.mark.parametrize(("draws", "freedom"), [(responses, 5), (noises, 12)])
def test_a_biased_source_is_caught(draws, freedom):
    """One bit in twenty is set without being drawn."""
    rng = random.Random(7)

    def biased(count):
        return sum((rng.getrandbits(1) | (rng.random() < 0.05)) << place for place in range(count))

    assert draws(biased) > LIMITS[freedom]
