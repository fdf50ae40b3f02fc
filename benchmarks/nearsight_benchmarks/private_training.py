"""What does differential privacy cost? AUC against ε on CDNOW: `python -m nearsight_benchmarks.private_training`.

Will a customer buy again within 39 weeks, asked on 1997-09-30? The network of `nearsight train` learns it from the same
customers with `--private` for several ε and without, no trees teaching, and is asked about the same test customers. A
step of either kind is timed on the same crops, in turn. The noise is the system's, so that AUCs differ from call to
call. It takes some five minutes on two cores.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from nearsight.bundle import write_atomically
from nearsight_benchmarks.cdnow import CUTOFF, config
from nearsight_benchmarks.host import Host, describe, load_average
from nearsight_training.columns import moment
from nearsight_training.config import LogConfig, Privacy
from nearsight_training.guarantee import Guarantee, promised
from nearsight_training.histories import Histories
from nearsight_training.log import EventLog, log_of
from nearsight_training.metrics import Interval, auc, bootstrap, paired_difference
from nearsight_training.preparation import prepare
from nearsight_training.split import TEST, TRAIN

__all__ = ["Pace", "Point", "PrivateTraining", "measured", "paced", "table"]

EPSILONS = (0.5, 1.0, 2.0, 4.0, 8.0)
_TIMED_USERS, _REPEATS = 512, 15


class Point(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training: the AUC of the test, and that less the AUC without privacy, paired. No `guarantee`: without."""

    guarantee: Guarantee | None
    auc: Interval
    less: Interval | None
    epochs: int
    seconds: float


class Pace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step over the same crops of so many users, in milliseconds: medians of `repeats` in turn."""

    users: int
    private_ms: float
    ordinary_ms: float
    repeats: int


class PrivateTraining(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it; `customers` were asked about in the test."""

    points: tuple[Point, ...]
    pace: Pace
    customers: int
    load_average: float | None
    host: Host
    command: str


def measured(
    log: EventLog, told: LogConfig, epsilons: Sequence[float] = EPSILONS, draws: int = 1000, command: str = ""
) -> PrivateTraining:
    """Train without privacy and for each ε, and compare."""
    plain = replace(told, fitting=replace(told.fitting, teach=False))
    trainings = [_trained(log, each) for each in (plain, *(private(plain, epsilon) for epsilon in epsilons))]
    (labels, before), seed = trainings[0][1], told.fitting.seed
    customers = np.arange(len(labels))
    measure = partial(auc, labels, before)
    points = []
    for point, (_, scores) in trainings:
        mine = partial(auc, labels, scores)
        less = paired_difference(mine, measure, customers, draws, seed) if point.guarantee else None
        points.append(replace(point, auc=bootstrap(mine, customers, draws, seed), less=less))
    return PrivateTraining(
        points=tuple(points),
        pace=paced(log, private(plain, 1.0)),
        customers=len(labels),
        load_average=load_average(),
        host=describe(),
        command=command,
    )


def private(told: LogConfig, epsilon: float) -> LogConfig:
    """The same training with privacy."""
    return replace(told, fitting=replace(told.fitting, private=Privacy(epsilon=epsilon)))


def paced(log: EventLog, told: LogConfig, users: int = _TIMED_USERS, repeats: int = _REPEATS) -> Pace:
    """Time both kinds of step on the first crop of each of the first `users` training users."""
    from nearsight_training.fit import BatchLoss, Step, optimiser, seeded
    from nearsight_training.learning import trunk_of
    from nearsight_training.network import build
    from nearsight_training.noise import Noise
    from nearsight_training.private_step import PrivateStep
    from nearsight_training.sequences import batches, crops, drawn

    seeded(told.fitting.seed)
    prepared, fitting = prepare(log, told), told.fitting
    training = prepared.histories.select(TRAIN)
    training = training.take(np.arange(min(users, len(training))))
    guarantee = promised(fitting.private or Privacy(epsilon=1.0), len(training), fitting.epochs)
    trunk, loss = trunk_of(prepared.spec, prepared.heads, told.size), BatchLoss(prepared.heads, fitting)
    ordinary = Step(build(trunk, asks=True), loss, loss, optimiser(fitting, guarantee.steps))
    secret = PrivateStep(build(trunk, asks=True), loss, fitting, guarantee, Noise())
    parts = crops(training, told.window)
    parts = type(parts)(*(each[np.isin(parts.start, training.starts)] for each in (parts.start, parts.length)))

    def plainly() -> None:
        chosen = drawn(training, secret.generator)
        ordinary.optimised(list(batches(training, parts, fitting.batch_events, chosen)))

    private_ms, ordinary_ms = _in_turn((lambda: secret.stepped(training, parts, fitting), plainly), repeats)
    return Pace(users=len(training), private_ms=private_ms, ordinary_ms=ordinary_ms, repeats=repeats)


def _in_turn(calls: Sequence[Callable[[], Any]], repeats: int) -> list[float]:
    """Each one's median time in milliseconds, after a call that traces its graph."""
    found: list[list[float]] = [[] for _ in calls]
    for repeat in range(repeats + 1):
        for times, call in zip(found, calls, strict=True):
            begin = time.perf_counter()
            call()
            times += [1000 * (time.perf_counter() - begin)] if repeat else []
    return [statistics.median(times) for times in found]


def _trained(log: EventLog, told: LogConfig) -> tuple[Point, tuple[NDArray[np.int8], NDArray[np.float32]]]:
    """One training; the test's labels and logits `(Q,)`."""
    from nearsight_training.learning import learn

    began = time.perf_counter()
    prepared = prepare(log, told)
    learned = learn(prepared, told)
    test = prepared.histories.select(TEST)
    asked = _asked(test)
    nothing = Interval(0.0, 0.0, 0.0)
    seconds = time.perf_counter() - began
    point = Point(guarantee=learned.guarantee, auc=nothing, less=None, epochs=len(learned.epochs), seconds=seconds)
    return point, (test.ask_labels[asked, 0], learned.answers.asks[asked, 0])


def _asked(test: Histories) -> NDArray[np.bool_]:
    """The questions at the cut-off whose answer is known."""
    asked: NDArray[np.bool_] = (test.ask_time == moment(CUTOFF)) & (test.ask_labels[:, 0] >= 0)
    return asked


def table(found: PrivateTraining) -> str:
    """The figures in Markdown."""
    rows = [["ε", "δ", "noise", "steps", "AUC", "less without privacy, paired"], ["---"] * 6]
    for point in found.points:
        made = point.guarantee
        said = (
            [f"{made.epsilon:g}", f"{made.delta:.1g}", f"{made.noise_multiplier:.2f}", f"{made.steps}"] if made else []
        )
        rows.append([*(said or ["none", "", "", ""]), _interval(point.auc), _interval(point.less, "+")])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _interval(found: Interval | None, sign: str = "") -> str:
    if found is None:
        return ""
    value, low, high = (format(each, f"{sign}.4f") for each in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})".replace("-", "−")


def main(arguments: Sequence[str]) -> None:
    """Parse, train, print, write."""
    from nearsight_training.datasets import cdnow

    parser = argparse.ArgumentParser("python -m nearsight_benchmarks.private_training", description="AUC against ε.")
    parser.add_argument("--epochs", type=int, help="fewer for a look; the default is the training's own")
    parser.add_argument("--seed", type=int, default=1, help="of the split and the first weights, not of the noise")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    options = parser.parse_args(arguments)
    command = " ".join(["python -m nearsight_benchmarks.private_training", *arguments])
    told = config(options.epochs, options.seed)
    found = measured(log_of(cdnow(), told), told, command=command)
    sys.stdout.write(table(found))
    if options.out:
        write_atomically(options.out, msgspec.json.format(msgspec.json.encode(found), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
