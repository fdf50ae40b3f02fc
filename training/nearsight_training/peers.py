"""Models of another kind that answer the same question: they read a user's whole history anew at every call."""

import contextlib
import io
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight.spec import Spec

__all__ = [
    "Answered",
    "BoostedTrees",
    "BuyTillYouDie",
    "Past",
    "Peer",
    "Told",
    "features_of",
    "kinds_of",
    "purchases",
    "regressed",
]

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
_MOST_KINDS = 128
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


class Told(msgspec.Struct, frozen=True):
    """Questions with known answers: `features (n, D)` and `answers (n,)` of 0 or 1."""

    features: NDArray[np.float64]
    answers: NDArray[np.int8]


Answered = Sequence[tuple[Past, int]]


class Peer(Protocol):
    """A fitted peer."""

    name: str

    def score(self, past: Past) -> float:
        """The probability of a yes. This whole call, features included, is what is timed."""
        ...


class BoostedTrees:
    """LightGBM (Ke et al. 2017) on recency, frequency and value: what a data scientist tries first.

    Where a log has several kinds of events, how often each of them happened and the last three are features as well.
    """

    name = "LightGBM"

    def __init__(self, booster: Any, kinds: int, without: str = "") -> None:
        self.booster, self._kinds, self._without = booster, kinds, without

    @classmethod
    def fit(
        cls, training: Told, validation: Told, kinds: int, *, seed: int = 0, threads: int = 1, without: str = ""
    ) -> "BoostedTrees":
        """Fit on questions with known answers; the number of trees is chosen on `validation`.

        `kinds` is that of the features. `without` "time" leaves out gaps and ages, "order" which events were the
        last. Raises `InputError` where the answers are all the same.
        """
        import lightgbm

        if len(np.unique(training.answers)) < 2:
            raise InputError("it needs training questions of both answers")
        trees = cls(None, kinds, without)
        known = lightgbm.Dataset(trees.kept(training.features), training.answers)
        parameters = {**_TREES, "seed": seed, "num_threads": threads}
        parameters["min_data_in_leaf"] = min(50, max(1, len(training.answers) // 50))
        if not len(validation.answers):
            trees.booster = lightgbm.train(parameters, known, _MOST_TREES // 4)
            return trees
        watched = lightgbm.Dataset(trees.kept(validation.features), validation.answers, reference=known)
        stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
        trees.booster = lightgbm.train(parameters, known, _MOST_TREES, [watched], callbacks=[stop])
        return trees

    def score(self, past: Past) -> float:
        """See `Peer.score`."""
        return float(self.scores(features_of(past, self._kinds)[np.newaxis])[0])

    def scores(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probabilities of a yes `(n,)` for rows of features."""
        found: NDArray[np.float64] = self.booster.predict(self.kept(features), num_threads=1)
        return found

    def kept(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """The features without those that aren't looked at."""
        if not self._without:
            return features
        groups = _groups(self._kinds, features.shape[1])
        return features[:, [group != self._without for group in groups]]

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
    def fit(cls, customers: Sequence[Past], horizon_seconds: float, answers: Answered) -> "BuyTillYouDie":
        """Fit to each customer's purchases so far; `answers` fit the curve.

        Raises `InputError` where nobody bought twice or the likelihood has no maximum.
        """
        frequency, recency, age = np.array([purchases(past) for past in customers]).T
        if not (frequency > 0).any():
            raise InputError("it needs customers who bought on more than one day")
        fitter = _fitted(frequency, recency, age)
        peer = cls(fitter, horizon_seconds / _DAY_SECONDS, (1.0, 0.0))
        expected = peer._expected([past for past, _ in answers]) if answers else np.zeros(0)
        return cls(fitter, peer._horizon, _curve(expected, _answers(answers)))

    def expected(self, past: Past) -> float:
        """How many purchases the horizon is expected to bring."""
        return float(self._expected([past])[0])

    def _expected(self, pasts: Sequence[Past]) -> NDArray[np.float64]:
        frequency, recency, age = np.array([purchases(past) for past in pasts]).T
        with _silenced():
            count = self.fitter.conditional_expected_number_of_purchases_up_to_time(
                self._horizon, frequency, recency, age
            )
        return np.atleast_1d(np.squeeze(np.asarray(count, np.float64)))

    def score(self, past: Past) -> float:
        """See `Peer.score`."""
        return float(self.scores([past])[0])

    def scores(self, pasts: Sequence[Past]) -> NDArray[np.float64]:
        """The probabilities of a yes for several questions `(n,)`."""
        slope, offset = self.curve
        return 1 / (1 + np.exp(-(slope * _log(self._expected(pasts)) + offset)))

    def content(self) -> bytes:
        """The file that would have to be shipped: four parameters and the curve."""
        return msgspec.json.encode({**{k: float(v) for k, v in self.fitter.params_.items()}, "curve": self.curve})


def kinds_of(spec: Spec) -> int:
    """How many event codes trees look at: 0 for a wide table, 1 where there is one kind of event, 128 at most."""
    if spec.steps:
        return 0
    return 1 if len(spec.event.vocabulary) == 1 else min(spec.code_sizes[0], _MOST_KINDS)


def purchases(past: Past) -> tuple[float, float, float]:
    """Repeat purchases, days from the first to the last one and days under observation; a day's are one purchase."""
    days = np.unique(past.times[past.targets] // _DAY_SECONDS)
    now = past.now // _DAY_SECONDS
    if not len(days):
        return 0.0, 0.0, max(now - past.times[0] // _DAY_SECONDS, 0.0) if len(past.times) else 0.0
    return len(days) - 1.0, float(days[-1] - days[0]), float(now - days[0])


def features_of(past: Past, kinds: int) -> NDArray[np.float64]:
    """One question's features `(6 + 2·F,)`, or `(9 + kinds + 2·F,)` where there are several kinds of events.

    With 0 kinds, for a wide table, they are its raw steps. `nearsight_training.questions.features` gives the same for
    many questions at once.
    """
    if not kinds:
        return past.values[:, 0]
    times, now = past.times, past.now
    count, last = len(times), times[-1]
    gap = last - times[-2] if count > 1 else math.nan
    age = now - times[0]
    clock = [now - last, age, count, gap, age / count, (last - times[0]) / age if age else 0.0]
    value = [*(past.values.sum(0) / count), *past.values[-1]]
    if kinds == 1:
        return np.array([*clock, *value])
    before = [past.codes[-back] if count >= back else math.nan for back in (2, 3)]
    counts = np.bincount(past.codes[past.codes < kinds], minlength=kinds)
    return np.concatenate([clock, value, [past.codes[-1]], counts, before])


def _groups(kinds: int, width: int) -> list[str]:
    """What each of `width` features tells of: "time", "order" or "" (what happened, whenever it was)."""
    fields = (width - 6) // 2 if kinds == 1 else (width - 9 - kinds) // 2
    groups = ["time", "time", "", "time", "time", "time", *[""] * fields, *["order"] * fields]
    return groups if kinds == 1 else [*groups, "order", *[""] * kinds, "order", "order"]


def _answers(answered: Answered) -> NDArray[np.int64]:
    return np.array([answer for _, answer in answered], np.int64)


def _fitted(frequency: NDArray[np.float64], recency: NDArray[np.float64], age: NDArray[np.float64]) -> Any:
    """Maximum likelihood by lifetimes; where it has no maximum, with the smallest penalty that gives it one.

    What lifetimes and the libraries below it warn of and print stays off the terminal.
    """
    with _silenced(), contextlib.redirect_stdout(io.StringIO()):
        from lifetimes import BetaGeoFitter
        from lifetimes.utils import ConvergenceError

        for penalty in _PENALTIES:
            with contextlib.suppress(ConvergenceError):
                return BetaGeoFitter(penalizer_coef=penalty).fit(frequency, recency, age)
    raise InputError("its likelihood has no maximum on these customers")


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _curve(expected: NDArray[np.float64], answers: NDArray[np.int64]) -> tuple[float, float]:
    """Slope and offset of the logistic curve over log-expectations; the identity where the answers are all the same."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(answers)) < 2:
        return 1.0, 0.0
    model = LogisticRegression(C=1e6).fit(_log(expected)[:, np.newaxis], answers)
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _log(expected: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.maximum(np.nan_to_num(expected, nan=0.0), 1e-9))


def regressed(
    training: tuple[NDArray[np.float64], NDArray[np.float64]],
    validation: tuple[NDArray[np.float64], NDArray[np.float64]],
    *,
    seed: int = 0,
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """LightGBM for numbers: features `(n, D)` and numbers `(n,)`, the trees counted on `validation` if it has any."""
    import lightgbm

    parameters = {**_TREES, "objective": "regression", "seed": seed, "num_threads": 1}
    parameters["min_data_in_leaf"] = min(50, max(1, len(training[1]) // 50))
    known = lightgbm.Dataset(*training)
    if len(validation[1]):
        watched = lightgbm.Dataset(*validation, reference=known)
        stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
        booster = lightgbm.train(parameters, known, _MOST_TREES, [watched], callbacks=[stop])
    else:
        booster = lightgbm.train(parameters, known, _MOST_TREES // 4)
    return lambda features: booster.predict(features, num_threads=1)
