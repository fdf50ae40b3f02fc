"""Columns that know the future: filled in afterwards, so that an app would never have them when it asks.

Two marks give them away. Joined to the rows of a user after the fact, such a column is the same in all of them and
filled only for users who come to do something. Or it answers a question by itself, as no honest column does.
"""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight.spec import Spec
from nearsight_training.config import Asked
from nearsight_training.histories import Histories
from nearsight_training.log import EventLog
from nearsight_training.metrics import auc

__all__ = ["Doers", "check_answers", "check_columns", "doers", "is_joined"]

_TOO_GOOD = 0.99  # AUC of a single column, when it says as much about users whom nobody looked at
_FEWEST_USERS = 20  # with each answer
_CHANCE = 1e-6  # that a column filled at random would meet such users alone
_FEWEST_EARLY = 5  # users who have it before they do what it tells


class Doers(msgspec.Struct, frozen=True):
    """Who ever does something, `ever (H,)`, and of those whose first event is another one, `later (H,)`."""

    ever: NDArray[np.bool_]
    later: NDArray[np.bool_]


def doers(log: EventLog, events: Sequence[str]) -> Doers:
    """Who does any of `events`."""
    done = log.names.isin(events)
    at_once = done & (log.times == np.repeat(log.times[log.starts], log.lengths))
    ever, first = (np.logical_or.reduceat(marked, log.starts) for marked in (done, at_once))
    return Doers(ever, ever & ~first)


def is_joined(log: EventLog, values: NDArray[Any], who: Doers) -> bool:
    """Whether a field `(E,)` tells who will do something.

    It is the same in all rows of a user, empty or not; it is filled for nobody else, for more users than chance would
    meet, and in rows that come before.
    """
    missing = np.isnan(values) if values.dtype.kind == "f" else values == ""
    firsts = np.repeat(values[log.starts], log.lengths)
    filled = ~missing[log.starts]
    same = (values == firsts) | (missing & np.repeat(~filled, log.lengths))
    if not same.all() or not 0 < filled.sum() < len(filled) or (filled & ~who.ever).any():
        return False
    share = who.ever.mean()
    improbable = share < 1 and filled.sum() * math.log(share) < math.log(_CHANCE)
    return bool(improbable and (filled & who.later).sum() >= _FEWEST_EARLY)


def check_columns(log: EventLog, fields: Sequence[str], targets: Sequence[Asked], trusted: Sequence[str]) -> None:
    """Raises `InputError` for a field that tells who will do what a question asks for, unless it is `trusted`."""
    for target in targets:
        if not target.events:
            continue
        who = doers(log, target.events)
        for field in fields:
            if field not in trusted and is_joined(log, log.fields[field], who):
                raise InputError(
                    f"column {field!r} is the same in all of a user's rows and filled only for users who ever do what "
                    f"{target.name!r} asks, so it was probably filled in after the fact: leave it out (--field names "
                    f"those to keep), or --trust {field} if an app knows it before"
                )


def check_answers(histories: Histories, split: int, spec: Spec, names: Sequence[str], trusted: Sequence[str]) -> None:
    """Raises `InputError` for a field by which alone a question could be answered, unless it is `trusted`.

    `names` are the questions', in the labels' order. What is looked at, of the users of `split` alone: how the numbers
    rank, whether a value is missing, and how often each name came with a yes among half of the users, asked of the
    other half. A column that was joined to a log after the fact looks like that; an honest one hardly ever does.
    """
    inside, places = histories.events_of(split), np.cumsum(histories.split == split) - 1
    for target, name in enumerate(names):
        known = np.flatnonzero(inside & (histories.labels[:, target] >= 0))
        labels, owners = histories.labels[known, target], places[histories.owners[known]]
        if min(len(np.unique(owners[labels == answer])) for answer in (0, 1)) < _FEWEST_USERS:
            continue
        for field in spec.fields:
            found = 0.0 if field in trusted else _telling(histories, spec, field, known, labels, owners)
            if found >= _TOO_GOOD:
                raise InputError(
                    f"column {field!r} alone answers {name!r} (AUC {found:.3f}), so it was probably filled in after "
                    f"the fact: leave it out (--field names those to keep), or --trust {field} if an app knows it then"
                )


def _telling(
    histories: Histories,
    spec: Spec,
    field: str,
    known: NDArray[np.int64],
    labels: NDArray[np.int8],
    owners: NDArray[np.int64],
) -> float:
    """The best AUC that the field alone reaches, either way round."""
    values = histories.fields[field][known]
    if values.dtype.kind != "f":
        column = 1 + [category.name for category in spec.categories].index(field)
        return _by_name(histories.codes[known, column], labels, owners)
    return _by_number(values, labels)


def _by_number(values: NDArray[np.float64], labels: NDArray[np.int8]) -> float:
    """By whether a value is missing, and by its rank where a missing one is the highest or the lowest of all.

    The three come from one sort of the known values: each pair of a yes and a no is of known values, or isn't.
    """
    missing = np.isnan(values)
    lost_yes, lost_no = float(missing[labels == 1].mean()), float(missing[labels == 0].mean())
    both_known, both_lost = (1 - lost_yes) * (1 - lost_no), lost_yes * lost_no
    ranked = both_known * auc(labels[~missing], values[~missing]) if both_known else 0.0
    highest = ranked + lost_yes * (1 - lost_no) + both_lost / 2
    lowest = ranked + (1 - lost_yes) * lost_no + both_lost / 2
    alone = lost_yes * (1 - lost_no) + (both_lost + both_known) / 2
    return max(max(found, 1 - found) for found in (highest, lowest, alone))


def _by_name(codes: NDArray[np.int32], labels: NDArray[np.int8], owners: NDArray[np.int64]) -> float:
    half = owners % 2 == 0
    size = int(codes.max(initial=0)) + 1
    yes, all_of = np.bincount(codes[half], labels[half], size), np.bincount(codes[half], minlength=size)
    share = (yes + labels[half].mean()) / (all_of + 1)
    return _either_way(labels[~half], share[codes[~half]])


def _either_way(labels: NDArray[np.int8], scores: NDArray[np.float64]) -> float:
    found = auc(labels, scores)
    return 0.0 if np.isnan(found) else max(found, 1 - found)
