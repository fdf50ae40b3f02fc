"""What noised reports say of all users together: `nearsight aggregate` in one call.

A share is (c / n - q) / (p - q), where p is the chance of the true option and q of each other one: unbiased, and so
below 0 at times (Warner 1965). Its interval is Wilson's (1927) for the reported share c / n, moved in the same way. A
mean is that of the noised numbers, and its interval the normal one, of their variance or the noise's, if that is
larger. Both intervals hold the noise and that the users are a sample of more.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from nearsight.errors import InputError, ReportError
from nearsight.report import DiscreteLaplace, Mechanism, RandomisedResponse, Report
from nearsight_training.metrics import Interval

__all__ = ["Aggregate", "Aggregates", "Estimate", "aggregate", "estimated", "needed", "noise_variance"]

_Z = 1.959964  # the normal distribution's quantile for intervals of 95 %
_HALF_WIDTH = 0.5  # of an interval that tells something: 50 points of 100, of the users or of the bounds' distance

_Group = tuple[str, int | None]


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """An option's share of the users or the `mean` of their numbers; `total` is the same times their number."""

    name: str
    value: Interval
    total: Interval


class Aggregate(msgspec.Struct, frozen=True, kw_only=True):
    """One question in one period, None where the reports name none."""

    question: str
    period: int | None
    mechanism: Mechanism
    reports: int
    estimates: tuple[Estimate, ...]


class Aggregates(msgspec.Struct, frozen=True, kw_only=True):
    """All questions in order of their names and periods, and a sentence for each that has too few reports."""

    questions: tuple[Aggregate, ...]
    too_few: tuple[str, ...] = ()


def aggregate(paths: Sequence[Path]) -> Aggregates:
    """Read files of reports, a JSON object a line, and debias them.

    Raises `InputError` where a file can't be read, with the line of what isn't a report or differs in its mechanism
    from others of the same name, and where no question has as many reports as are `needed`.
    """
    mechanisms: dict[str, Mechanism] = {}
    values: dict[_Group, Counter[int]] = {}
    for place, report in _reports(paths):
        known = mechanisms.setdefault(report.question, report.mechanism)
        if known != report.mechanism:
            raise InputError(
                f"{place}: question {report.question!r} has another ε, other options or bounds here than in the "
                "reports before: aggregate them apart, and give a changed question a name of its own"
            )
        values.setdefault((report.question, report.period), Counter())[report.value] += 1
    if not values:
        raise InputError(f"{', '.join(map(str, paths))}: there are no reports: pass files with one a line")
    return _aggregated(mechanisms, values)


def estimated(mechanism: Mechanism, values: Mapping[int, int]) -> tuple[Estimate, ...]:
    """What reported values, with how often each was, say of all users: every option's share, or the mean."""
    if isinstance(mechanism, RandomisedResponse):
        return tuple(_shares(mechanism, values))
    return (_mean(mechanism, values),)


def needed(mechanism: Mechanism) -> int:
    """How many reports an interval narrower than ±50 points needs, whatever the users answer.

    A reported share varies by 1/4 at most, a number by a quarter of the bounds' squared distance.
    """
    if isinstance(mechanism, RandomisedResponse):
        own, other = map(float, mechanism.chances)
        variance = 0.25 / (own - other) ** 2
    else:
        variance = 0.25 + noise_variance(mechanism) / mechanism.steps**2
    return math.floor(variance * (_Z / _HALF_WIDTH) ** 2) + 1


def noise_variance(mechanism: DiscreteLaplace) -> float:
    """The noise's variance in squared steps: 2a / (1 - a)² with a = e^(-rate)."""
    rate = float(mechanism.rate)
    return 2 * math.exp(-rate) / math.expm1(-rate) ** 2


def _reports(paths: Iterable[Path]) -> Iterator[tuple[str, Report]]:
    """Every report with where it stands; empty lines are skipped."""
    for path in paths:
        try:
            with open(path, "rb") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield (place := f"{path}, line {number}"), _report(line, place)
        except OSError as error:
            raise InputError(f"{path} can't be read ({error.strerror}): pass files of reports") from error


def _report(line: bytes, place: str) -> Report:
    try:
        return Report.decoded(line)
    except ReportError as error:
        raise InputError(f"{place}: {error}") from error


def _aggregated(mechanisms: Mapping[str, Mechanism], values: Mapping[_Group, Counter[int]]) -> Aggregates:
    found, too_few = [], []
    for question, period in sorted(values, key=lambda group: (group[0], group[1] or 0)):
        mechanism, counts = mechanisms[question], values[question, period]
        if counts.total() < needed(mechanism):
            too_few.append(_too_few(question, mechanism, counts.total()))
            continue
        estimates = estimated(mechanism, counts)
        found.append(
            Aggregate(
                question=question, period=period, mechanism=mechanism, reports=counts.total(), estimates=estimates
            )
        )
    if not found:
        raise InputError(too_few[0])
    return Aggregates(questions=tuple(found), too_few=tuple(too_few))


def _too_few(question: str, mechanism: Mechanism, reports: int) -> str:
    return (
        f"question {question!r} needs {needed(mechanism)} reports at ε = {mechanism.epsilon:g} for an interval "
        f"narrower than ±{100 * _HALF_WIDTH:.0f} points, received {reports}: collect more"
    )


def _shares(mechanism: RandomisedResponse, values: Mapping[int, int]) -> Iterator[Estimate]:
    reports = sum(values.values())
    own, other = map(float, mechanism.chances)
    for place, option in enumerate(mechanism.options):
        reported = _wilson(values.get(place, 0), reports)
        share = Interval(*((each - other) / (own - other) for each in msgspec.structs.astuple(reported)))
        yield Estimate(name=option, value=share, total=_times(share, reports))


def _wilson(count: int, reports: int) -> Interval:
    """Wilson's interval for `count` of `reports`; the value is their quotient."""
    share, z2 = count / reports, _Z**2
    middle = (share + z2 / (2 * reports)) / (1 + z2 / reports)
    half = _Z * math.sqrt(share * (1 - share) / reports + z2 / (4 * reports**2)) / (1 + z2 / reports)
    return Interval(share, middle - half, middle + half)


def _mean(mechanism: DiscreteLaplace, values: Mapping[int, int]) -> Estimate:
    steps = np.fromiter(values, np.float64, len(values))
    weights = np.fromiter(values.values(), np.float64, len(values))
    reports = int(weights.sum())
    mean = float(steps @ weights) / reports
    variance = max(float((steps - mean) ** 2 @ weights) / (reports - 1), noise_variance(mechanism))
    half = _Z * math.sqrt(variance / reports)
    found = Interval(*(mechanism.low + mechanism.step * each for each in (mean, mean - half, mean + half)))
    return Estimate(name="mean", value=found, total=_times(found, reports))


def _times(interval: Interval, count: int) -> Interval:
    return Interval(interval.value * count, interval.low * count, interval.high * count)
