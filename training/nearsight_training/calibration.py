"""Makes each head's probabilities honest, and chooses its threshold, on validation data."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from nearsight_training.config import Decision
from nearsight_training.metrics import best_threshold

__all__ = ["conformal", "platt", "temperature", "threshold"]

_BEST_F1 = Decision()
_WIDEST = 3.0  # the temperature lies between exp(-3) and exp(3)


def platt(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> tuple[float, float]:
    """The scale and offset under which a logit `(n,)` best explains its label (Platt 1999).

    (1, 0) where the logits say the opposite of the labels, which no scale should hide.
    """
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    model.fit(np.asarray(logits, np.float64)[:, np.newaxis], labels)
    scale, offset = float(model.coef_[0, 0]), float(model.intercept_[0])
    return (scale, offset) if scale > 0 else (1.0, 0.0)


def temperature(logits: NDArray[np.floating], codes: NDArray[np.integer]) -> float:
    """The temperature under which logits `(n, V)` best explain the codes `(n,)` (1-based) (Guo et al. 2017)."""
    rows, columns = logits.astype(np.float64), codes - 1

    def surprise(log_temperature: float) -> float:
        scaled = rows / np.exp(log_temperature)
        top = scaled.max(1)
        total = top + np.log(np.exp(scaled - top[:, np.newaxis]).sum(1))
        return float(np.mean(total - scaled[np.arange(len(rows)), columns]))

    return float(np.exp(minimize_scalar(surprise, bounds=(-_WIDEST, _WIDEST), method="bounded").x))


def conformal(
    outputs: NDArray[np.floating], truth: NDArray[np.floating], coverage: float
) -> tuple[float, float, float]:
    """What to add to point, low and high `(n, 3)` so that they fit the truth `(n,)`.

    The point's mean error becomes 0; low and high each leave `(1 - coverage) / 2` of the truth outside, with the
    margin of a sample of this size (conformalised quantile regression: Romano, Patterson & Candès 2019).
    """
    share = min((1 + coverage) / 2 * (1 + 1 / max(len(truth), 1)), 1.0)
    point = float(np.mean(truth - outputs[:, 0]))
    return point, -float(np.quantile(outputs[:, 1] - truth, share)), float(np.quantile(truth - outputs[:, 2], share))


def threshold(labels: NDArray[np.integer], probabilities: NDArray[np.floating], decision: Decision = _BEST_F1) -> float:
    """The probability from which on to say yes: labels 0 or 1 and calibrated probabilities, `(n,)` each.

    By costs that is where both errors cost the same, `1 / (1 + miss_costs)` (Elkan 2001), since probabilities are
    calibrated. Where no threshold has the precision asked for, it lies above all probabilities: the answer is no.
    """
    if decision.miss_costs is not None:
        return 1 / (1 + decision.miss_costs)
    if decision.precision is not None:
        return _precise(labels, probabilities.astype(np.float64), decision.precision)
    return best_threshold(labels, probabilities)


def _precise(labels: NDArray[np.integer], probabilities: NDArray[np.float64], least: float) -> float:
    order = np.argsort(-probabilities, kind="stable")
    p = np.append(probabilities[order], 0.0)
    precision = np.cumsum(labels[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero((precision >= least) & (p[:-1] > p[1:]))
    if not len(good):
        return (1.0 + float(p[0])) / 2
    return float(p[good[-1]] + p[good[-1] + 1]) / 2
