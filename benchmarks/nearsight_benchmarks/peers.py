"""Models of another kind that answer the same question: they read a user's whole history anew at every call."""

import contextlib
import io
import math
import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.errors import InputError

__all__ = ["BoostedTrees", "BuyTillYouDie", "Past", "Peer"]

_DAY_SECONDS = 86400.0
_TREES = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 50,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}
_MOST_TREES, _PATIENCE = 400, 30
_PENALTIES = (0.0, 0.001, 0.01, 0.1)  # lifetimes advises 0.001 to 0.1 for small data


class Past(msgspec.Struct, frozen=True):
    """What a peer is given: one user's events so far and the moment of the question.

    `times (n,)` seconds in order, `codes (n,)` the events' codes, `values (n, F)` raw numeric fields with 0 for a
    missing one, `targets (n,)` whether an event is one of those that the question asks for, `now` in seconds.
    """

    times: NDArray[np.float64]
    codes: NDArray[np.int32]
    values: NDArray[np.float64]
    targets: NDArray[np.bool_]
    now: float


class Peer(Protocol):
    """A fitted peer."""

    name: str

    def score(self, past: Past) -> float:
        """The probability of a yes. This whole call, features included, is what is timed."""
        ...


class BoostedTrees:
    """LightGBM (Ke et al. 2017) on recency, frequency and value: what a data scientist tries first.

    Where a log has several kinds of events, how often each of them happened and the last one are features as well.
    """

    name = "LightGBM"

    def __init__(self, booster: Any, kinds: int) -> None:
        self.booster, self._kinds = booster, kinds

    @classmethod
    def fit(
        cls,
        training: Sequence[tuple[Past, int]],
        validation: Sequence[tuple[Past, int]],
        kinds: int,
        *,
        seed: int = 0,
        threads: int = 1,
    ) -> "BoostedTrees":
        """Fit on questions with known answers; the number of trees is chosen on `validation`.

        `kinds` is how many event codes there are. Raises `InputError` where the answers are all the same.
        """
        import lightgbm

        if len({answer for _, answer in training}) < 2:
            raise InputError("it needs training questions of both answers")
        features, answers = _table(training, kinds)
        known = lightgbm.Dataset(features, answers)
        parameters = {**_TREES, "seed": seed, "num_threads": threads}
        parameters["min_data_in_leaf"] = min(50, max(1, len(answers) // 50))
        if not validation:
            return cls(lightgbm.train(parameters, known, _MOST_TREES // 4), kinds)
        watched = lightgbm.Dataset(*_table(validation, kinds), reference=known)
        stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
        return cls(lightgbm.train(parameters, known, _MOST_TREES, [watched], callbacks=[stop]), kinds)

    def score(self, past: Past) -> float:
        """See `Peer.score`."""
        return float(self.booster.predict(_features(past, self._kinds)[np.newaxis], num_threads=1)[0])

    def content(self) -> bytes:
        """The file that would have to be shipped."""
        text: str = self.booster.model_to_string()
        return text.encode()


class BuyTillYouDie:
    """BG/NBD (Fader, Hardie & Lee 2005) as the lifetimes package has it: how many purchases to expect.

    It is ranked by expected purchases, never by P(alive), which is 1 for whoever bought once. A logistic curve over
    the logarithm of that number, fitted on the same customers, makes it a probability; the ranks stay.
    """

    name = "BG/NBD"

    def __init__(self, fitter: Any, horizon_days: float, curve: tuple[float, float]) -> None:
        self.fitter, self.curve = fitter, curve
        self._horizon = horizon_days

    @classmethod
    def fit(
        cls, customers: Sequence[Past], horizon_seconds: float, answers: Sequence[tuple[Past, int]]
    ) -> "BuyTillYouDie":
        """Fit to each customer's purchases so far; `answers` fit the curve.

        Raises `InputError` where nobody bought twice or the likelihood has no maximum.
        """
        frequency, recency, age = np.array([purchases(past) for past in customers]).T
        if not (frequency > 0).any():
            raise InputError("it needs customers who bought on more than one day")
        fitter = _fitted(frequency, recency, age)
        peer = cls(fitter, horizon_seconds / _DAY_SECONDS, (1.0, 0.0))
        return cls(fitter, peer._horizon, _curve([peer.expected(past) for past, _ in answers], [a for _, a in answers]))

    def expected(self, past: Past) -> float:
        """How many purchases the horizon is expected to bring."""
        frequency, recency, age = purchases(past)
        count = self.fitter.conditional_expected_number_of_purchases_up_to_time(self._horizon, frequency, recency, age)
        return float(np.squeeze(count))

    def score(self, past: Past) -> float:
        """See `Peer.score`."""
        slope, offset = self.curve
        return 1 / (1 + math.exp(-(slope * _log(self.expected(past)) + offset)))

    def content(self) -> bytes:
        """The file that would have to be shipped: four parameters and the curve."""
        return msgspec.json.encode({**{k: float(v) for k, v in self.fitter.params_.items()}, "curve": self.curve})


def purchases(past: Past) -> tuple[float, float, float]:
    """Repeat purchases, days from the first to the last one and days under observation; a day's are one purchase."""
    days = np.unique(past.times[past.targets] // _DAY_SECONDS)
    now = past.now // _DAY_SECONDS
    if not len(days):
        return 0.0, 0.0, max(now - past.times[0] // _DAY_SECONDS, 0.0) if len(past.times) else 0.0
    return len(days) - 1.0, float(days[-1] - days[0]), float(now - days[0])


def _features(past: Past, kinds: int) -> NDArray[np.float64]:
    """One question's features `(6 + 2·F,)`, or `(7 + kinds + 2·F,)` where there are several kinds of events."""
    times, now = past.times, past.now
    count, last = len(times), times[-1]
    gap = last - times[-2] if count > 1 else math.nan
    age = now - times[0]
    clock = [now - last, age, count, gap, age / count, (last - times[0]) / age if age else 0.0]
    value = [*(past.values.sum(0) / count), *past.values[-1]]
    if kinds < 2:
        return np.array([*clock, *value])
    return np.concatenate([clock, value, [past.codes[-1]], np.bincount(past.codes, minlength=kinds)[:kinds]])


def _table(questions: Sequence[tuple[Past, int]], kinds: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    features = np.stack([_features(past, kinds) for past, _ in questions])
    return features, np.array([answer for _, answer in questions])


def _fitted(frequency: NDArray[np.float64], recency: NDArray[np.float64], age: NDArray[np.float64]) -> Any:
    """Maximum likelihood by lifetimes; where it has no maximum, with the smallest penalty that gives it one.

    What lifetimes and the libraries below it warn of and print stays off the terminal.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        from lifetimes import BetaGeoFitter
        from lifetimes.utils import ConvergenceError

        for penalty in _PENALTIES:
            with contextlib.suppress(ConvergenceError):
                return BetaGeoFitter(penalizer_coef=penalty).fit(frequency, recency, age)
    raise InputError("its likelihood has no maximum on these customers")


def _curve(expected: Sequence[float], answers: Sequence[int]) -> tuple[float, float]:
    """Slope and offset of the logistic curve over log-expectations; the identity where the answers are all the same."""
    from sklearn.linear_model import LogisticRegression

    if len(set(answers)) < 2:
        return 1.0, 0.0
    logs = np.array([[_log(value)] for value in expected])
    model = LogisticRegression(C=1e6).fit(logs, answers)
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _log(expected: float) -> float:
    return math.log(max(expected, 1e-9)) if expected == expected else math.log(1e-9)
