"""Figures of merit with 95 % intervals, for training, certificates and benchmarks alike.

Every measure takes item weights, because the intervals come from resampling whole histories (a cluster bootstrap:
Davison & Hinkley 1997, section 3.8): events of one user aren't independent, users are.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CALIBRATION_BINS",
    "Interval",
    "Measure",
    "auc",
    "average_precision",
    "best_threshold",
    "binary_measures",
    "binary_metrics",
    "bootstrap",
    "calibration_error_by_chance",
    "decisions",
    "expected_calibration_error",
    "informative",
    "log_loss",
    "next_event_measures",
    "next_event_metrics",
    "paired_difference",
    "value_measures",
    "value_metrics",
]

CALIBRATION_BINS = 15
_DRAWS = 500
_SMALLEST = 1e-7  # a probability is at least this far from 0 and 1 when its logarithm is taken

Array = NDArray[np.float64]
Labels = NDArray[np.integer]
Probabilities = NDArray[np.floating]
Measure = Callable[[Array], float]


class Interval(msgspec.Struct, frozen=True):
    """A figure with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def auc(labels: Labels, scores: Probabilities, weights: Array | None = None) -> float:
    """The chance that a positive scores above a negative, ties counting half (Hanley & McNeil 1982).

    `labels` 0 or 1 and `scores`, `(n,)` each. NaN where one class is missing.
    """
    positive, negative = _by_score(labels, scores, weights)
    if not positive.sum() or not negative.sum():
        return float("nan")
    above = positive.sum() - np.cumsum(positive)
    return float(np.sum(negative * (above + positive / 2)) / (positive.sum() * negative.sum()))


def average_precision(labels: Labels, scores: Probabilities, weights: Array | None = None) -> float:
    """The mean of the precision over the positives, best score first. NaN where there is no positive."""
    positive, negative = _by_score(labels, scores, weights)
    if not positive.sum():
        return float("nan")
    hits, misses = np.cumsum(positive[::-1]), np.cumsum(negative[::-1])
    seen = hits + misses
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    return float(np.sum(precision * positive[::-1]) / positive.sum())


def log_loss(labels: Labels, probabilities: Probabilities, weights: Array | None = None) -> float:
    """The mean negative logarithm of the probability given to what happened, in nats."""
    p = np.clip(probabilities.astype(np.float64), _SMALLEST, 1 - _SMALLEST)
    return _mean(-np.log(np.where(labels == 1, p, 1 - p)), weights)


def expected_calibration_error(labels: Labels, probabilities: Probabilities, weights: Array | None = None) -> float:
    """How far probability and frequency lie apart on average, over 15 bins of equal mass (Nguyen & O'Connor 2015).

    Chance alone lifts it above 0: see `calibration_error_by_chance`.
    """
    weight = np.ones(len(labels)) if weights is None else weights
    apart = np.bincount(_bins(probabilities), weight * (probabilities - labels), CALIBRATION_BINS)
    return float(np.abs(apart).sum() / weight.sum())


def calibration_error_by_chance(labels: Labels, probabilities: Probabilities, clusters: NDArray[np.integer]) -> float:
    """What the calibration error of a perfectly calibrated model would be, with as many items and `clusters` `(n,)`.

    A bin's sum of probability less label then has mean 0 and, clusters being independent, the variance V of the sums
    by cluster; as a normal variable it is sqrt(2 V / pi) away from 0 on average. With n items of as many clusters that
    is about `0.8 * sqrt(15 * p * (1 - p) / n)`.
    """
    owners = np.unique(clusters, return_inverse=True)[1]
    bins, count = _bins(probabilities), np.ones(len(labels))
    sizes = np.bincount(bins, count, CALIBRATION_BINS)
    apart = np.bincount(bins, probabilities - labels, CALIBRATION_BINS) / np.maximum(sizes, 1)
    cells, place = np.unique(owners * CALIBRATION_BINS + bins, return_inverse=True)
    sums = np.bincount(place, probabilities - labels - apart[bins])
    variances = np.bincount(cells % CALIBRATION_BINS, sums**2, CALIBRATION_BINS)
    return float(np.sqrt(2 * variances / np.pi).sum() / max(len(labels), 1))


def _bins(probabilities: Probabilities) -> NDArray[np.int64]:
    bins = np.empty(len(probabilities), np.int64)
    order = np.argsort(probabilities, kind="stable")
    bins[order] = np.arange(len(probabilities)) * CALIBRATION_BINS // max(len(probabilities), 1)
    return bins


def decisions(
    labels: Labels, probabilities: Probabilities, threshold: float, weights: Array | None = None
) -> dict[str, float]:
    """Accuracy, precision, recall and F1 of "yes from `threshold` on"; 0 where a ratio has no denominator."""
    weight = np.ones(len(labels)) if weights is None else weights
    yes, truth = probabilities >= threshold, labels == 1
    hits = float(weight[yes & truth].sum())
    precision, recall = _ratio(hits, weight[yes].sum()), _ratio(hits, weight[truth].sum())
    return {
        "accuracy": _ratio(weight[yes == truth].sum(), weight.sum()),
        "precision": precision,
        "recall": recall,
        "f1": _ratio(2 * precision * recall, precision + recall),
    }


def best_threshold(labels: Labels, probabilities: Probabilities) -> float:
    """A threshold from which on "yes" has the best F1; the highest such where several have.

    It stands halfway between two of the probabilities, so that rounding in another runtime flips no decision.
    """
    order = np.argsort(-probabilities, kind="stable")
    p, truth = probabilities[order], labels[order] == 1
    hits = np.cumsum(truth)
    f1 = 2 * hits / (np.arange(1, len(p) + 1) + truth.sum())
    f1[:-1][p[:-1] == p[1:]] = -1.0  # equal probabilities are decided together
    best = int(np.argmax(f1))
    return float(p[best] + p[best + 1]) / 2 if best + 1 < len(p) else float(p[best]) / 2


def informative(labels: Labels, clusters: NDArray[np.integer]) -> int:
    """How many clusters hold the rarer of two answers: labels 0 or 1 and `clusters`, `(n,)` each."""
    return min(len(np.unique(clusters[labels == answer])) for answer in (0, 1))


def bootstrap(
    measure: Measure,
    clusters: NDArray[np.integer],
    draws: int = _DRAWS,
    seed: int = 0,
    distance: bool = False,
    informative: int | None = None,
) -> Interval:
    """A figure and its 95 % percentile interval: whole clusters are drawn with replacement.

    `measure` takes weights `(n,)` and returns the figure; `clusters` `(n,)` says whose each item is, and
    `informative` how many of them matter, all where it is None: with few of them the draws vary too little, and the
    percentiles are expanded as for Student's t (Hesterberg 2015, "What teachers should know about the bootstrap",
    section 5.3). A `distance` is
    never negative and every draw adds chance to it: nearly all of the draws lie above the figure, as the figure does
    above the truth. Its interval is the basic one (Davison & Hinkley 1997, section 5.2), which mirrors the draws at
    the figure, cut off at 0 and widened to hold the figure.
    """
    owners = np.unique(clusters, return_inverse=True)[1]
    count = int(owners.max()) + 1 if len(owners) else 0
    generator = np.random.default_rng(seed)
    figures = np.empty(draws)
    for draw in range(draws):
        times = np.bincount(generator.integers(0, count, count), minlength=count).astype(np.float64)
        figures[draw] = measure(times[owners])
    known = figures[~np.isnan(figures)]
    tails = _tails(count if informative is None else informative)
    low, high = np.percentile(known, tails) if len(known) else (np.nan, np.nan)
    value = measure(np.ones(len(owners)))
    if distance:
        low, high = min(max(2 * value - high, 0.0), value), max(2 * value - low, value)
    return Interval(float(value), float(low), float(high))


def paired_difference(
    first: Measure,
    second: Measure,
    clusters: NDArray[np.integer],
    draws: int = _DRAWS,
    seed: int = 0,
    informative: int | None = None,
) -> Interval:
    """How much higher `first` is than `second` on the same items, both measured on the same draws."""
    return bootstrap(lambda weights: first(weights) - second(weights), clusters, draws, seed, informative=informative)


def binary_metrics(
    labels: Labels,
    probabilities: Probabilities,
    clusters: NDArray[np.integer],
    threshold: float = 0.5,
    draws: int = _DRAWS,
    seed: int = 0,
) -> dict[str, Interval]:
    """All figures of a yes/no answer with their intervals. `labels`, `probabilities`, `clusters` are `(n,)` each.

    What of the calibration error is chance has no interval of its own.
    """
    measures = binary_measures(labels, probabilities)
    for name in ("accuracy", "precision", "recall", "f1"):
        measures[name] = lambda w, name=name: decisions(labels, probabilities, threshold, w)[name]  # type: ignore[misc]
    telling = informative(labels, clusters)
    found = {}
    for name, measure in measures.items():
        is_distance = name == "expected_calibration_error"
        found[name] = bootstrap(measure, clusters, draws, seed, is_distance, telling)
        if is_distance:
            chance = calibration_error_by_chance(labels, probabilities.astype(np.float64), clusters)
            found["calibration_error_by_chance"] = Interval(chance, chance, chance)
    return found


def binary_measures(labels: Labels, probabilities: Probabilities) -> dict[str, Measure]:
    """AUC, average precision, log loss and calibration error of a yes/no answer as functions of weights `(n,)`.

    Sorting once makes each call's sort a pass over sorted data.
    """
    order = np.argsort(probabilities, kind="stable")
    y, p = labels[order], probabilities[order].astype(np.float64)
    measures = (auc, average_precision, log_loss, expected_calibration_error)
    return {of.__name__: lambda w, of=of: of(y, p, w[order]) for of in measures}  # type: ignore[misc]


def value_metrics(
    truth: Array, told: Array, clusters: NDArray[np.integer], draws: int = _DRAWS, seed: int = 0
) -> dict[str, Interval]:
    """All figures of a number told as point, low and high `(n, 3)` with their intervals; see `value_measures`.

    `coverage` is the share of `truth` `(n,)` inside of low and high, `width` their mean distance.
    """
    measures = value_measures(truth, told[:, 0])
    inside = (told[:, 1] <= truth) & (truth <= told[:, 2])
    measures["coverage"] = lambda w: _mean(inside, w)
    measures["width"] = lambda w: _mean(told[:, 2] - told[:, 1], w)
    return {name: bootstrap(measure, clusters, draws, seed) for name, measure in measures.items()}


def value_measures(truth: Array, points: Array) -> dict[str, Measure]:
    """Root mean squared error, mean absolute error and bias (mean point less mean truth), of weights `(n,)`."""
    apart = points - truth
    return {
        "rmse": lambda w: float(np.sqrt(_mean(apart**2, w))),
        "mae": lambda w: _mean(np.abs(apart), w),
        "bias": lambda w: _mean(apart, w),
    }


def next_event_metrics(
    codes: Labels, probabilities: Probabilities, clusters: NDArray[np.integer], draws: int = _DRAWS, seed: int = 0
) -> dict[str, Interval]:
    """Log loss, hits@1 and hits@5 of the next event with their intervals; see `next_event_measures`."""
    measures = next_event_measures(codes, probabilities)
    return {name: bootstrap(measure, clusters, draws, seed) for name, measure in measures.items()}


def next_event_measures(codes: Labels, probabilities: Probabilities) -> dict[str, Measure]:
    """Log loss, hits@1 and hits@5 of the next event as functions of weights `(n,)`.

    `codes` `(n,)` are 1-based; 0 is a name outside the vocabulary, which nobody can hit and the log loss leaves out.
    `probabilities` `(n, V)`.
    """
    known = codes > 0
    given = probabilities[np.arange(len(codes)), np.maximum(codes, 1) - 1].astype(np.float64)
    better = (probabilities > given[:, np.newaxis]).sum(1)
    surprise = -np.log(np.clip(given, _SMALLEST, 1))
    return {
        "log_loss": lambda w: _mean(surprise, w * known),
        "hits@1": lambda w: _mean(known & (better < 1), w),
        "hits@5": lambda w: _mean(known & (better < 5), w),
    }


def _tails(clusters: int) -> list[float]:
    """The percentiles between which 95 % lie, expanded for few clusters."""
    from scipy.stats import norm
    from scipy.stats import t as student

    if clusters < 2:
        return [0.0, 100.0]
    tail = 100 * float(norm.cdf(-student.ppf(0.975, clusters - 1) * (clusters / (clusters - 1)) ** 0.5))
    return [tail, 100 - tail]


def _by_score(labels: Labels, scores: Probabilities, weights: Array | None) -> tuple[Array, Array]:
    """The weight of positives and of negatives at each distinct score, lowest first."""
    weight = np.ones(len(labels)) if weights is None else weights
    order = np.argsort(scores, kind="stable")
    ranked, truth, mass = scores[order], labels[order] == 1, weight[order]
    edges = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]])) if len(ranked) else np.zeros(0, int)
    if not len(edges):
        return np.zeros(0), np.zeros(0)
    return np.add.reduceat(mass * truth, edges), np.add.reduceat(mass * ~truth, edges)


def _mean(values: NDArray[Any], weights: Array | None) -> float:
    mass = np.ones(len(values)) if weights is None else weights
    return float(np.sum(values * mass) / mass.sum()) if mass.sum() > 0 else float("nan")


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0
