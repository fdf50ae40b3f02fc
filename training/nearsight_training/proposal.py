"""Questions that a log can answer, chosen by what its users do and how long they take."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight_training.config import Inactive, LogConfig, Target
from nearsight_training.declaration import Leaves, WillDo, seconds
from nearsight_training.doubts import Kind
from nearsight_training.histories import SPLITS
from nearsight_training.labels import UNKNOWN, event_labels
from nearsight_training.log import EventLog
from nearsight_training.preparation import split_labels
from nearsight_training.roles import words
from nearsight_training.split import Plan, plan

__all__ = ["Proposal", "proposals"]

_DURATIONS = ("5m", "15m", "1h", "6h", "1d", "3d", "7d", "2w", "30d", "60d", "90d", "180d", "365d")
_DAY_SECONDS = 86400
_LARGEST_PART = 0.4  # of the span: a split by time needs more than twice the horizon
_READABLE = 0.2  # of the answers are yes: enough to learn from, and worth foreseeing
_FEWEST_YES, _MOST_YES = 0.02, 0.6
_FEWEST_USERS, _MOST_USERS = 0.02, 0.6
_USUAL_GAP = 0.95  # of the silences that end do so sooner
_FEWEST_LEAVE, _MOST_LEAVE = 0.005, 0.98  # of events; training asks in silences besides, where more leave
_MOST_FORESEEN = 2
_WORTH_FORESEEING = (
    *("purchase", "order", "buy", "bought", "checkout", "pay", "paid", "subscri", "conver", "book", "renew"),
    *("upgrade", "signup", "register", "donat", "deposit", "accept", "approv"),
)
_PASSING = ("view", "click", "open", "page", "start", "add", "remov", "cancel", "fail", "return", "refund", "declin")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A question, and the share of events after which its answer is yes, for each duration that it could have."""

    question: WillDo | Leaves
    shares: dict[str, float]


def proposals(log: EventLog, kinds: tuple[Kind, ...]) -> tuple[Proposal, ...]:
    """At most three questions that training can ask of this log, split by time as it does by default; none may fit."""
    candidates = _foreseen(log, kinds)
    leaving = _leaving(log, {each[0].question.name for each in candidates})
    return tuple(_answerable(log, [*candidates, *([leaving] if leaving else [])]))


def _foreseen(log: EventLog, kinds: tuple[Kind, ...]) -> list[list[Proposal]]:
    """For each event worth foreseeing, the question with every duration that fits, the best first."""
    found: list[list[Proposal]] = []
    for kind in _worthy(kinds):
        if found and not _preferred(kind.name):
            break
        name = _name(kind.name, {each[0].question.name for each in found})
        asked = [WillDo(name=name, events=(kind.name,), within=duration) for duration in _durations(log)]
        shares = {each.within: share for each in asked if (share := _yes(log, each.target())) is not None}
        fitting = [each for each in asked if _FEWEST_YES <= shares.get(each.within, 0) <= _MOST_YES]
        fitting.sort(key=lambda each: _distance(shares[each.within]))
        found += [[Proposal(question=each, shares=shares) for each in fitting]] if fitting else []
        if len(found) == _MOST_FORESEEN:
            break
    return found


def _worthy(kinds: tuple[Kind, ...]) -> list[Kind]:
    """Kinds of events to ask about: by their names first, then those that about a fifth of the users do."""
    preferred = [kind for kind in kinds if _preferred(kind.name) and kind.share_of_users >= _FEWEST_USERS]
    others = [kind for kind in kinds if kind not in preferred and _FEWEST_USERS <= kind.share_of_users <= _MOST_USERS]
    preferred.sort(key=lambda kind: (_place(kind.name), -kind.events))
    others.sort(key=lambda kind: _distance(kind.share_of_users))
    alone = list(kinds) if len(kinds) == 1 else []
    return preferred + others or alone


def _distance(share: float) -> int:
    """How far from the readable share, in steps of a third; of durations that are equally far, the shortest is best."""
    return round(abs(math.log(share / _READABLE)) / math.log(4 / 3))


def _preferred(name: str) -> bool:
    return _place(name) < len(_WORTH_FORESEEING)


def _place(name: str) -> int:
    """How far up a name stands among those worth foreseeing, one that only leads there below all of them."""
    spelled = words(name)
    if any(word.startswith(_PASSING) for word in spelled):
        return len(_WORTH_FORESEEING)
    whole = [*spelled, "".join(spelled)]
    places = (place for place, stem in enumerate(_WORTH_FORESEEING) if any(word.startswith(stem) for word in whole))
    return next(places, len(_WORTH_FORESEEING))


def _name(event: str, taken: set[str]) -> str:
    """What an app can write in brackets: the event's words, or a number where it has none."""
    plain = "_".join(words(event))[:40] or "question"
    free = [plain, *(f"{plain}_{number}" for number in range(2, _MOST_FORESEEN + 3))]
    return next(name for name in free if name not in {*taken, "next_event"})


def _durations(log: EventLog) -> list[str]:
    """Those that leave room for a split by time; dates without a clock can't tell what is shorter than a day."""
    least = _DAY_SECONDS if (log.times % _DAY_SECONDS == 0).all() else 0
    most = _LARGEST_PART * float(log.times.max() - log.times.min())
    return [each for each in _DURATIONS if least <= seconds(each) <= most]


def _leaving(log: EventLog, taken: set[str]) -> list[Proposal]:
    """Whether a user will be silent for longer than nearly all silences last; longer ones behind it."""
    gaps = np.diff(log.times)
    inside = np.ones(len(gaps), bool)
    inside[log.starts[1:] - 1] = False
    gaps = gaps[inside & (gaps > 0)]
    if not len(gaps):
        return []
    usual = float(np.quantile(gaps, _USUAL_GAP))
    name = next(name for name in ("leaves", "inactive", "leaves_for_good") if name not in taken)
    asked = [Leaves(name=name, span=each) for each in _durations(log) if seconds(each) >= usual]
    shares = {each.span: share for each in asked if (share := _yes(log, each.target())) is not None}
    fitting = [each for each in asked if _FEWEST_LEAVE <= shares.get(each.span, 0) <= _MOST_LEAVE]
    return [Proposal(question=each, shares=shares) for each in fitting]


def _yes(log: EventLog, target: Target | Inactive) -> float | None:
    """The share of events after which the answer is yes, of those after which it is known."""
    labels = event_labels(log, target, np.full(len(log.times), log.times.max()))
    known = labels[labels != UNKNOWN]
    return float(known.mean()) if len(known) else None


def _answerable(log: EventLog, candidates: list[list[Proposal]]) -> Iterator[Proposal]:
    """The first of each list, or a later one where the split leaves a part with one answer alone."""
    choices = [list(each) for each in candidates]
    while choices := [each for each in choices if each]:
        wrong = _one_sided(log, [each[0] for each in choices])
        if not wrong:
            break
        for index in wrong:
            choices[index].pop(0)
    yield from (each[0] for each in choices)


def _one_sided(log: EventLog, asked: list[Proposal]) -> list[int]:
    """Which questions have a part of the split without a yes or without a no; the farthest where there is no split."""
    targets = tuple(each.question.target() for each in asked)
    try:
        split = plan(log, LogConfig(targets=targets))
    except InputError:
        return [max(range(len(targets)), key=lambda index: targets[index].within_seconds or 0.0)]
    return [index for index, target in enumerate(targets) if not _both(split_labels(log, target, split), log, split)]


def _both(labels: NDArray[np.int8], log: EventLog, split: Plan) -> bool:
    parts = [labels[(split.users == part)[log.owners]] for part in range(len(SPLITS))]
    return all((part == answer).any() for part in parts for answer in (0, 1))
