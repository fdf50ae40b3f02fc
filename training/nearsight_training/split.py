"""Who and when is trained on, who and when is tested: users apart, and the past apart from the future.

With the split by time, everything that a training label looks at lies at or before `cut`, and everything that a test
is asked lies at or after it, by users that training never saw. The cut follows the events, not the calendar: a shop
that grows or fades has most of its events at one end.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight_training.columns import moment
from nearsight_training.config import Fitting, LogConfig
from nearsight_training.histories import SPLITS, reference
from nearsight_training.log import EventLog

__all__ = ["TEST", "TRAIN", "VALIDATION", "Plan", "assign_users", "place_of", "plan"]

TRAIN, VALIDATION, TEST = range(len(SPLITS))
_TRAIN_SHARE_OF_EVENTS = 0.75


@dataclass(frozen=True)
class Plan:
    """`users` (H,) is each user's split. Times are seconds since 1970.

    A training or validation label may look no further than `train_until`, a test label no further than `until`; a
    test is asked from `test_from` on, and at `cutoff` alone where that is given. Then training and validation users
    are asked at `rehearsal`: the same moment, or with a split by time one horizon earlier, since their answer must be
    known at the cut.
    """

    users: NDArray[np.int8]
    train_until: float
    test_from: float
    until: float
    cutoff: float | None
    rehearsal: float | None


def plan(log: EventLog, config: LogConfig) -> Plan:
    """Split a log as `config` says. Raises `InputError` where the horizon leaves no room for it."""
    users = assign_users(log.users, config.validation_share, config.test_share, config.fitting.seed)
    first, until = _span(log, users, config.fitting)
    cutoff = None if config.cutoff is None else moment(config.cutoff)
    horizon = config.horizon_seconds
    if cutoff is not None and not first <= cutoff <= until - horizon:
        raise InputError(
            f"the cut-off must lie inside of the data with {_days(horizon)} left behind it, received {config.cutoff} "
            f"where the data run from {_day(first)} to {_day(until)}: choose another"
        )
    if config.split == "user":
        return Plan(users, until, first, until, cutoff, cutoff)
    if config.split != "time":
        raise InputError(f"split must be time or user, received {config.split!r}")
    room = until - first - 2 * horizon
    if room <= 0:
        raise InputError(
            f"a split by time needs more than twice the horizon, {_days(2 * horizon)}, received data over "
            f"{_days(until - first)}: pass --split user or a shorter horizon"
        )
    seen = (users == reference(config.fitting))[log.owners]
    cut = cutoff if cutoff is not None else _cut(log.times[seen], first + horizon, until - horizon)
    if cut - horizon < first:
        raise InputError(
            f"the cut-off leaves no {_days(horizon)} of data before it to train on: "
            "pass --split user, a later cut-off or a shorter horizon"
        )
    return Plan(users, cut, cut, until, cutoff, None if cutoff is None else cutoff - horizon)


def _span(log: EventLog, users: NDArray[np.int8], fitting: Fitting) -> tuple[float, float]:
    """From when to when the data run; where training is private, without a look at the users trained on."""
    others = (users != TRAIN)[log.owners]
    times = log.times if fitting.private is None or not others.any() else log.times[others]
    return float(times.min()), float(times.max())


def _cut(times: NDArray[np.float64], earliest: float, latest: float) -> float:
    """The moment by which three quarters of the events between the two have happened."""
    inside = times[(times >= earliest) & (times <= latest)]
    if not len(inside):
        raise InputError(
            f"a split by time needs events between {_day(earliest)} and {_day(latest)}, received none: "
            "pass --split user or a shorter horizon"
        )
    return float(np.quantile(inside, _TRAIN_SHARE_OF_EVENTS))


def assign_users(users: NDArray[np.str_], validation: float, test: float, seed: int) -> NDArray[np.int8]:
    """Each user's split, (H,), from a hash of the seed and the user: it doesn't depend on who else is in the log."""
    if not (validation > 0 and test > 0 and validation + test < 1):
        raise InputError(f"validation and test must leave users to train on, received shares {validation} and {test}")
    places = np.array([place_of(user, seed) for user in users.tolist()])
    return np.where(places < test, TEST, np.where(places < test + validation, VALIDATION, TRAIN)).astype(np.int8)


def place_of(user: str, seed: int, purpose: bytes = b"") -> float:
    """A number in [0, 1) from a hash of the seed and the user, another one for every purpose."""
    digest = hashlib.blake2b(user.encode(), digest_size=8, salt=seed.to_bytes(8, "little"), person=purpose).digest()
    return int.from_bytes(digest, "little") / 2**64


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


def _days(span: float) -> str:
    return f"{span / 86400:.4g} days"
