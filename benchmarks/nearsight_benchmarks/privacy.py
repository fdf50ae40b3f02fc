"""How much is lost to noise? Accuracy against ε: `python -m nearsight_benchmarks.privacy`.

Invented users with known answers report through the device's own mechanisms, and `nearsight aggregate`'s estimates are
compared with what is true of these very users: whether 30 % said yes, which of six segments each is in, and how much
each spent, a number from 0 to 100. The bits come from a seed, so that the figures can be had again; how long a report
takes is timed with the system's generator.
"""

import argparse
import math
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from nearsight.bundle import write_atomically
from nearsight.report import Budget, Chance, Mechanism, Number, OneOf, Question, RandomisedResponse, YesNo, answer
from nearsight_benchmarks.curves import Curve, drawn
from nearsight_benchmarks.host import Host, describe, load_average
from nearsight_training.aggregate import estimated, noise_variance

__all__ = ["Accuracy", "Kind", "Privacy", "expected_points", "measured", "table"]

Kind = Literal["count", "segments", "mean"]
EPSILONS = (0.25, 0.5, 1.0, 2.0, 4.0)
USERS = (1000, 10_000)
_SEGMENTS = ("a", "b", "c", "d", "e", "f")
_SHARES = (0.35, 0.25, 0.15, 0.1, 0.1, 0.05)
_YES = 0.3
_LARGEST = 100
_Z = 1.959964
_CALLS = 2000


class Accuracy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is lost at one ε: `points` is the error that 95 % of trials stay within, in percent.

    Of the users for a count and for segments, where it is the worst segment's, and of the bounds' distance for a mean.
    `expected` is the same by the noise's variance, None for segments. `within_3` is the share of trials with an error
    of 3 points at most.
    """

    kind: Kind
    users: int
    epsilon: float
    points: float
    expected: float | None
    within_3: float


class Privacy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it. `report_us` is the median time of a report by kind of question: paid for, drawn and encoded."""

    accuracies: tuple[Accuracy, ...]
    trials: int
    seed: int
    report_us: dict[str, float]
    load_average: float | None
    host: Host
    command: str


def measured(
    trials: int, seed: int, epsilons: Sequence[float] = EPSILONS, users: Sequence[int] = USERS, command: str = ""
) -> Privacy:
    """Let the users report and compare, so many times for each ε and number of users."""
    chance = Chance(random.Random(seed).getrandbits)  # noqa: S311 - a benchmark's noise hides nobody
    return Privacy(
        accuracies=tuple(
            _accuracy(kind, count, epsilon, trials, chance)
            for kind in _ASKED
            for count in users
            for epsilon in epsilons
        ),
        trials=trials,
        seed=seed,
        report_us={kind: _report_us(question(1.0)) for kind, question in _ASKED.items()},
        load_average=load_average(),
        host=describe(),
        command=command,
    )


_ASKED: dict[Kind, Callable[[float], Question]] = {
    "count": lambda epsilon: YesNo("count", epsilon),
    "segments": lambda epsilon: OneOf("segments", epsilon, _SEGMENTS),
    "mean": lambda epsilon: Number("mean", epsilon, low=0, high=_LARGEST, step=1),
}


def expected_points(mechanism: Mechanism, users: int) -> float | None:
    """By the noise's variance alone: the error that 95 % of counts or means stay within; None for more options."""
    if not isinstance(mechanism, RandomisedResponse):
        return 100 * _Z * math.sqrt(noise_variance(mechanism) / users) / mechanism.steps
    own, other = map(float, mechanism.chances)
    return 100 * _Z * math.sqrt(own * other / users) / (own - other) if len(mechanism.options) == 2 else None


def _accuracy(kind: Kind, users: int, epsilon: float, trials: int, chance: Chance) -> Accuracy:
    mechanism, truths = _ASKED[kind](epsilon).mechanism, _truths(kind, users)
    errors = [_error(mechanism, truths, chance) for _ in range(trials)]
    return Accuracy(
        kind=kind,
        users=users,
        epsilon=epsilon,
        points=float(np.quantile(errors, 0.95)),
        expected=expected_points(mechanism, users),
        within_3=float(np.mean(np.array(errors) <= 3)),
    )


def _truths(kind: Kind, users: int) -> list[int]:
    """Each user's place: always the same ones, so that nothing but noise is off."""
    if kind == "mean":
        return [user * 37 % (_LARGEST // 2) for user in range(users)]
    shares = (1 - _YES, _YES) if kind == "count" else _SHARES
    return [place for place, share in enumerate(shares) for _ in range(round(users * share))]


def _error(mechanism: Mechanism, truths: Sequence[int], chance: Chance) -> float:
    """The largest error of the estimates, in points."""
    found = [each.value.value for each in estimated(mechanism, Counter(mechanism.noised(truths, chance)))]
    if isinstance(mechanism, RandomisedResponse):
        counts = Counter(truths)
        pairs = zip(found, (counts[place] / len(truths) for place in range(len(found))), strict=True)
        return 100 * max(abs(share - true) for share, true in pairs)
    return 100 * abs(found[0] - statistics.fmean(truths)) / mechanism.steps


def _report_us(question: Question) -> float:
    truth = "a" if isinstance(question, OneOf) else 0.7
    times = []
    for _ in range(_CALLS):
        begin = time.perf_counter_ns()
        answer(question, truth, Budget(1.0)).encoded()
        times.append(time.perf_counter_ns() - begin)
    return statistics.median(times) / 1000


def curves(found: Privacy) -> list[Curve]:
    """A line for every kind of question and number of users."""
    names = {"count": "yes/no count", "segments": "worst of six segments", "mean": "mean"}
    lines: dict[tuple[Kind, int], list[tuple[float, float]]] = {}
    for each in found.accuracies:
        lines.setdefault((each.kind, each.users), []).append((each.epsilon, each.points))
    kinds, users = list(names), sorted({users for _, users in lines})
    return [
        Curve(
            label=f"{names[kind]}, {count:,} users",
            points=tuple(points),
            colour=kinds.index(kind),
            is_dashed=count != users[-1],
        )
        for (kind, count), points in lines.items()
    ]


def table(found: Privacy) -> str:
    """The figures in Markdown."""
    epsilons = sorted({each.epsilon for each in found.accuracies})
    rows = [["", "users", *(f"ε = {epsilon:g}" for epsilon in epsilons)], ["---"] * (len(epsilons) + 2)]
    for kind, users in dict.fromkeys((each.kind, each.users) for each in found.accuracies):
        mine = {each.epsilon: each for each in found.accuracies if (each.kind, each.users) == (kind, users)}
        rows.append([kind, f"{users:,}", *(_cell(mine[epsilon]) for epsilon in epsilons)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _cell(each: Accuracy) -> str:
    expected = "" if each.expected is None else f" ({each.expected:.2f})"
    return f"{each.points:.2f}{expected}"


def main(arguments: Sequence[str]) -> None:
    """Parse, measure, print, write."""
    parser = argparse.ArgumentParser("python -m nearsight_benchmarks.privacy", description="Accuracy against ε.")
    parser.add_argument("--trials", type=int, default=200, help="of each figure")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    parser.add_argument("--plot", type=Path, help="where to write the plot as SVG")
    options = parser.parse_args(arguments)
    if options.trials < 1:
        parser.error(f"--trials must be 1 or more, received {options.trials}: 200 take about a minute")
    command = " ".join(["python -m nearsight_benchmarks.privacy", *arguments])
    found = measured(options.trials, options.seed, command=command)
    sys.stdout.write(table(found))
    if options.out:
        write_atomically(options.out, msgspec.json.format(msgspec.json.encode(found), indent=1))
    if options.plot:
        write_atomically(options.plot, drawn(curves(found)).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
