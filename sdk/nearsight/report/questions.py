"""What a developer may ask of every user: yes or no, which of several, and how much."""

import math
from dataclasses import dataclass
from numbers import Real

from nearsight.errors import ReportError
from nearsight.report.mechanisms import DiscreteLaplace, RandomisedResponse

__all__ = ["Number", "OneOf", "Question", "YesNo"]


@dataclass(frozen=True)
class YesNo:
    """Does a reading, or any number, reach `threshold`? True and False are answers as they are.

    `name` is what reports and budgets call the question, and `epsilon` what an answer costs. Raises `ReportError`
    where ε is impossible.
    """

    name: str
    epsilon: float
    threshold: float = 0.5

    def __post_init__(self) -> None:
        _ = self.mechanism

    @property
    def mechanism(self) -> RandomisedResponse:
        """Randomised response over no and yes."""
        return RandomisedResponse(epsilon=self.epsilon, options=("no", "yes"))

    def place(self, truth: object) -> int:
        """1 for yes, 0 for no. Raises `ReportError` for what isn't a number."""
        return int(_number(self.name, truth) >= self.threshold)


@dataclass(frozen=True)
class OneOf:
    """Which of the `options`? What isn't among them counts as `other`, where there is one: one option more.

    Raises `ReportError` where ε or the options are impossible.
    """

    name: str
    epsilon: float
    options: tuple[str, ...]
    other: str | None = None

    def __post_init__(self) -> None:
        _ = self.mechanism

    @property
    def mechanism(self) -> RandomisedResponse:
        """Randomised response over the options."""
        more = () if self.other is None else (self.other,)
        return RandomisedResponse(epsilon=self.epsilon, options=(*self.options, *more))

    def place(self, truth: object) -> int:
        """Where `truth` stands among the options. Raises `ReportError` for one that isn't there."""
        if truth in self.options:
            return self.options.index(truth)
        if self.other is not None:
            return len(self.options)
        raise ReportError(
            f"an answer to {self.name!r} must be one of its {len(self.options)} options, received another "
            f"{type(truth).__name__}: declare other= for the rest"
        )


@dataclass(frozen=True)
class Number:
    """How much? A number clipped to `low` and `high` and rounded to `step`s.

    The wider the bounds, the more noise. Raises `ReportError` where ε, the bounds or the step are impossible.
    """

    name: str
    epsilon: float
    low: float
    high: float
    step: float

    def __post_init__(self) -> None:
        _ = self.mechanism

    @property
    def mechanism(self) -> DiscreteLaplace:
        """Discrete Laplace noise between the bounds."""
        return DiscreteLaplace(epsilon=self.epsilon, low=self.low, high=self.high, step=self.step)

    def place(self, truth: object) -> int:
        """The nearest step, counted from `low`. Raises `ReportError` for what isn't a number."""
        return self.mechanism.place(_number(self.name, truth))


Question = YesNo | OneOf | Number


def _number(name: str, truth: object) -> float:
    if not isinstance(truth, Real):
        raise ReportError(f"an answer to {name!r} must be a number, received {type(truth).__name__}: convert it")
    number = float(truth)
    if math.isnan(number):
        raise ReportError(f"an answer to {name!r} must be a number, received NaN: don't ask where nothing is known")
    return number
