"""Will a customer buy again? CDNOW with cross-fitting: the network beside LightGBM and BG/NBD.

`python -m nearsight_benchmarks.cdnow` trains on four fifths of the 23,570 customers and scores the others, five times,
so that each customer is scored once, by models that never saw them. Every one is asked on 1997-09-30, after 39 weeks
of purchases, whether another purchase follows in the 39 weeks to 1998-06-30. Everything at once takes about ten
minutes on two cores.
"""

import argparse
import dataclasses
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.backends.reference import NumpyBackend
from nearsight.bundle import write_atomically
from nearsight.heads import calibrated
from nearsight_benchmarks.host import Host, describe
from nearsight_export.replay import replayed
from nearsight_training.config import Fitting, LogConfig, Target
from nearsight_training.log import EventLog, log_of
from nearsight_training.metrics import Interval, Measure, auc, bootstrap, paired_difference
from nearsight_training.peers import BoostedTrees, BuyTillYouDie
from nearsight_training.preparation import Prepared, prepare_split
from nearsight_training.progress import SILENT, Progress
from nearsight_training.questions import Questions, customers, features, known_answers, pasts, questions, told
from nearsight_training.split import TEST, TRAIN, VALIDATION, Plan, plan

__all__ = ["CUTOFF", "CrossFit", "config", "cross_fitted", "folds"]

CUTOFF = "1997-09-30"
_WEEKS = 39
_EVENTS = frozenset(("purchase",))
_TREE_QUESTIONS, _CURVE_QUESTIONS = 100_000, 4_000
NETWORK = "network"


class CrossFit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """AUC by model, the mean of the folds', and the network's less each other's on the same resampled customers.

    `pooled_less` is of one AUC over all customers instead. That also compares customers whom different models scored,
    so that it tells how alike the folds' calibrations are as well as how the models rank (Forman & Scholz 2010,
    "Apples-to-apples in cross-validation studies", SIGKDD Explorations 12).
    """

    customers: int
    yes_share: float
    folds: int
    seed: int
    resamples: int
    auc: dict[str, Interval]
    by_fold: dict[str, tuple[float, ...]]
    network_less: dict[str, Interval]
    pooled_less: dict[str, Interval]
    seconds: float
    host: Host
    command: str


def config(epochs: int | None = None, seed: int = 1) -> LogConfig:
    """The training's configuration; `epochs` None is the default number."""
    fitting = Fitting(seed=seed) if epochs is None else Fitting(seed=seed, epochs=epochs)
    target = Target(name="purchase", events=tuple(_EVENTS), within_seconds=_WEEKS * 7 * 86400.0)
    return LogConfig(targets=(target,), split="user", cutoff=CUTOFF, fitting=fitting)


def folds(users: int, count: int, seed: int) -> list[NDArray[np.int8]]:
    """For each of `count` folds every user's split `(H,)`: each user is in the test once, an eighth of the rest
    validates.
    """
    order = np.random.default_rng(seed).permutation(users)
    plans = []
    for fold in range(count):
        split = np.full(users, TRAIN, np.int8)
        split[order[np.arange(users) % count == fold]] = TEST
        others = order[np.arange(users) % count != fold]
        split[others[::8]] = VALIDATION
        plans.append(split)
    return plans


def cross_fitted(
    log: EventLog, told: LogConfig, count: int = 5, draws: int = 1000, progress: Progress = SILENT, command: str = ""
) -> CrossFit:
    """Cross-fit the three models on a log and compare them."""
    began, base, seed = time.perf_counter(), plan(log, told), told.fitting.seed
    scores = {name: np.full(len(log.users), np.nan) for name in (NETWORK, BoostedTrees.name, BuyTillYouDie.name)}
    answers, tested = np.full(len(log.users), -1, np.int8), np.zeros(len(log.users), np.int8)
    by_fold: dict[str, list[float]] = {name: [] for name in scores}
    for fold, split in enumerate(folds(len(log.users), count, seed)):
        asked, found = _fold(log, told, dataclasses.replace(base, users=split), progress)
        users = np.flatnonzero(split == TEST)[asked.users]
        answers[users], tested[users] = asked.answers, fold
        for name, values in found.items():
            scores[name][users] = values
            by_fold[name].append(auc(asked.answers, values))
    kept = np.flatnonzero(answers >= 0)
    measures = {name: partial(_within, tested[kept], answers[kept], values[kept]) for name, values in scores.items()}
    pooled = {name: partial(auc, answers[kept], values[kept]) for name, values in scores.items()}
    return CrossFit(
        customers=len(kept),
        yes_share=float(answers[kept].mean()),
        folds=count,
        seed=seed,
        resamples=draws,
        auc={name: bootstrap(measure, kept, draws, seed) for name, measure in measures.items()},
        by_fold={name: tuple(values) for name, values in by_fold.items()},
        network_less=_less(measures, kept, draws, seed),
        pooled_less=_less(pooled, kept, draws, seed),
        seconds=time.perf_counter() - began,
        host=describe(),
        command=command,
    )


def _within(
    folds: NDArray[np.int8], answers: NDArray[np.int8], scores: NDArray[np.float64], weights: NDArray[np.float64]
) -> float:
    """The mean of the folds' AUCs."""
    parts = (folds == fold for fold in np.unique(folds))
    return float(np.mean([auc(answers[part], scores[part], weights[part]) for part in parts]))


def _less(measures: Mapping[str, Measure], owners: NDArray[np.int64], draws: int, seed: int) -> dict[str, Interval]:
    """The network's figure less each other's."""
    others = {name: measure for name, measure in measures.items() if name != NETWORK}
    return {name: paired_difference(measures[NETWORK], other, owners, draws, seed) for name, other in others.items()}


def _fold(
    log: EventLog, config: LogConfig, split: Plan, progress: Progress
) -> tuple[Questions, dict[str, NDArray[np.float64]]]:
    """The test's questions and each model's probabilities `(Q,)` for them."""
    prepared = prepare_split(log, config, split)
    train, validation, test = (prepared.histories.select(part) for part in (TRAIN, VALIDATION, TEST))
    asked = questions(test, 0)[0]
    horizon = config.horizon_seconds
    seed = config.fitting.seed
    learned, checked = (told(part, questions(part, 0)[:1], 1, _TREE_QUESTIONS, seed) for part in (train, validation))
    trees = BoostedTrees.fit(learned, checked, kinds=1, seed=seed)
    curve = known_answers(train, questions(train, 0)[:1], _EVENTS, _CURVE_QUESTIONS, seed)
    buyers = BuyTillYouDie.fit(customers(train, _EVENTS), horizon, curve)
    return asked, {
        NETWORK: _network(prepared, config, asked, progress),
        trees.name: trees.scores(features(test, asked, 1)),
        buyers.name: buyers.scores(list(pasts(test, asked, _EVENTS))),
    }


def _network(prepared: Prepared, told: LogConfig, asked: Questions, progress: Progress) -> NDArray[np.float64]:
    """Train on a fold and answer its test's questions with the step graph, in NumPy."""
    from nearsight_training.learning import learn

    learned = learn(prepared, told, None, progress)
    backend = NumpyBackend(calibrated(learned.weights, learned.heads), learned.trunk)
    replay = replayed(backend, learned.trunk, prepared.histories.select(TEST))
    probabilities: NDArray[np.float64] = replay.asked[asked.indices, 0].astype(np.float64)
    return probabilities


def _table(found: CrossFit) -> str:
    rows = [f"{found.customers:,} customers, {100 * found.yes_share:.1f} % buy again, {found.folds} folds", ""]
    rows += [f"{name:10} AUC {each.value:.4f} ({each.low:.4f} to {each.high:.4f})" for name, each in found.auc.items()]
    rows += [
        f"{NETWORK} - {name}{words}: {each.value:+.4f} ({each.low:+.4f} to {each.high:+.4f})"
        for words, less in (("", found.network_less), (", folds pooled", found.pooled_less))
        for name, each in less.items()
    ]
    return "\n".join(rows) + "\n"


def main(arguments: Sequence[str]) -> None:
    """Parse, cross-fit, print, write."""
    from nearsight_training.datasets import cdnow

    parser = argparse.ArgumentParser("python -m nearsight_benchmarks.cdnow", description="Cross-fitting on CDNOW.")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="fewer for a look; the default is the training's own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    options = parser.parse_args(arguments)
    command = " ".join(["python -m nearsight_benchmarks.cdnow", *arguments])
    told = config(options.epochs, options.seed)
    found = cross_fitted(log_of(cdnow(), told), told, options.folds, command=command)
    sys.stdout.write(_table(found))
    if options.out:
        write_atomically(options.out, msgspec.json.format(msgspec.json.encode(found), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
