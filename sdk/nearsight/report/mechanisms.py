"""What turns a true answer into one that may leave the device: randomised response and discrete Laplace noise.

Both are ε-locally differentially private: whatever two users' true answers are, any report is at most e^ε times as
likely of the one as of the other (Dwork & Roth 2014, definition 2.4, for databases of one row). That holds exactly,
not up to rounding.
"""

import math
from collections.abc import Iterable
from fractions import Fraction

import msgspec

from nearsight.errors import ReportError
from nearsight.report.chance import Chance

__all__ = ["DiscreteLaplace", "Mechanism", "RandomisedResponse", "exact"]

_LEAST_EPSILON, _MOST_EPSILON = 0.001, 10.0
_MOST_OPTIONS, _MOST_STEPS = 1000, 1_000_000
_BITS = 64  # of the number that a randomised response is read from
_SCALE_BITS = 128  # behind the point of the bound on e^ε, whose error is then far below 2^-_BITS
_STRANGE = 64  # noise of so many scales is drawn with a chance below e^-63


def exact(number: float) -> Fraction:
    """The decimal that a float is written as: 0.1 is a tenth, so that ten of them make one."""
    return Fraction(str(float(number)))


class RandomisedResponse(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="randomised_response"
):
    """One of k `options`: the true one with chance e^ε / (e^ε + k - 1), else any of the others alike.

    Warner 1965 for two, Kairouz, Bonawitz & Ramage 2016 for k. Answers are places among the options. Raises
    `ReportError` where ε or the options are impossible.
    """

    epsilon: float
    options: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_epsilon(self.epsilon)
        count = len(self.options)
        if not 2 <= count <= _MOST_OPTIONS or len(set(self.options)) < count:
            raise ReportError(
                f"there must be 2 to {_MOST_OPTIONS} different options, received {count}: "
                f"name each once, and put rare ones together"
            )

    @property
    def chances(self) -> tuple[Fraction, Fraction]:
        """The chances of the true option and of each other one, exactly as `noised` draws them.

        The second is 1 / (e^ε + k - 1), rounded up to a multiple of 2^-64, so that their ratio is e^ε at most.
        """
        other = self._other()
        return Fraction((1 << _BITS) - (len(self.options) - 1) * other, 1 << _BITS), Fraction(other, 1 << _BITS)

    def noised(self, places: Iterable[int], chance: Chance) -> list[int]:
        """A reported place for each true one."""
        other, others, span = self._other(), len(self.options) - 1, 1 << _BITS
        found = []
        for place in places:
            drawn = chance.below(span) // other  # which of the others, from 0 on; beyond them, the true one
            found.append(place if drawn >= others else drawn + (drawn >= place))
        return found

    def holds(self, value: int) -> bool:
        """Whether an honest device can have reported `value`."""
        return 0 <= value < len(self.options)

    def _other(self) -> int:
        """Of 2^64 numbers, how many stand for each other option: enough of them where e^ε is taken too small."""
        least = _exponential(exact(self.epsilon)) + ((len(self.options) - 1) << _SCALE_BITS)
        return -(-(1 << (_BITS + _SCALE_BITS)) // least)


class DiscreteLaplace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="discrete_laplace"):
    """A number from `low` to `high` in `step`s, to which noise z is added with a chance in proportion to e^(-ε|z|/n).

    n is how many steps lie between the bounds (Ghosh, Roughgarden & Sundararajan 2012, for whole numbers that differ by
    n at most). Answers are counted in steps from `low` on; noised ones lie outside of the bounds at times, and must, or
    their mean would be wrong. Raises `ReportError` where ε, the bounds or the step are impossible.
    """

    epsilon: float
    low: float
    high: float
    step: float

    def __post_init__(self) -> None:
        _check_epsilon(self.epsilon)
        finite = all(map(math.isfinite, (self.low, self.high, self.step)))
        span = self._span if finite and self.step > 0 else Fraction(0)
        if not 1 <= span <= _MOST_STEPS or span.denominator > 1:
            raise ReportError(
                f"from low to high there must be 1 to {_MOST_STEPS:,} whole steps, received {self.low!r} to "
                f"{self.high!r} in steps of {self.step!r}: choose bounds that are multiples of the step"
            )

    @property
    def steps(self) -> int:
        """How many steps lie between the bounds."""
        return self._span.numerator

    @property
    def rate(self) -> Fraction:
        """By how much the logarithm of a noise's chance falls with each step."""
        return exact(self.epsilon) / self.steps

    def place(self, number: float) -> int:
        """The step that is nearest to `number`, which isn't NaN; bounds count for what lies beyond them."""
        clipped = min(max(number, self.low), self.high)
        return round((exact(clipped) - exact(self.low)) / exact(self.step))

    def noised(self, places: Iterable[int], chance: Chance) -> list[int]:
        """A reported place for each true one."""
        rate = self.rate
        return [place + chance.laplace(rate) for place in places]

    def holds(self, value: int) -> bool:
        """Whether an honest device can be believed to have reported `value`."""
        far = _STRANGE / self.rate
        return -far <= value <= self.steps + far

    @property
    def _span(self) -> Fraction:
        return (exact(self.high) - exact(self.low)) / exact(self.step)


Mechanism = RandomisedResponse | DiscreteLaplace


def _check_epsilon(epsilon: float) -> None:
    if not _LEAST_EPSILON <= epsilon <= _MOST_EPSILON:
        raise ReportError(
            f"ε must lie between {_LEAST_EPSILON} and {_MOST_EPSILON:g}, received {epsilon!r}: "
            f"1 hides much, and above {_MOST_EPSILON:g} next to nothing is hidden"
        )


def _exponential(x: Fraction) -> int:
    """e^x for x > 0 in units of 2^-128, too small by a few hundred of them at most and never too large.

    Every term of the series is positive and is rounded down, and so is what follows the last one.
    """
    total, term, k = 0, 1 << _SCALE_BITS, 1
    while term:
        total += term
        term = term * x.numerator // (k * x.denominator)
        k += 1
    return total
