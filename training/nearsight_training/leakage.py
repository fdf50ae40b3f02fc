"""Columns that know the future: filled in afterwards, so that one of them alone answers a question."""

import numpy as np
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight.spec import Spec
from nearsight_training.histories import Histories
from nearsight_training.metrics import auc

__all__ = ["check_leakage"]

_TOO_GOOD = 0.99  # AUC of a single column, when it says as much about users whom nobody looked at
_FEWEST_USERS = 20  # with each answer


def check_leakage(training: Histories, spec: Spec, names: tuple[str, ...], trusted: tuple[str, ...]) -> None:
    """Raises `InputError` for a field by which alone a question could be answered, unless it is `trusted`.

    `names` are the questions', in the labels' order. What is looked at: how the numbers rank, whether a value is
    missing, and how often each name came with a yes among half of the users, asked of the other half. A column that
    was joined to a log after the fact looks like that; an honest one hardly ever does.
    """
    for target, name in enumerate(names):
        known = np.flatnonzero(training.labels[:, target] >= 0)
        labels, owners = training.labels[known, target], training.owners[known]
        if min(len(np.unique(owners[labels == answer])) for answer in (0, 1)) < _FEWEST_USERS:
            continue
        for field in spec.fields:
            found = 0.0 if field in trusted else _telling(training, spec, field, known, labels, owners)
            if found >= _TOO_GOOD:
                raise InputError(
                    f"column {field!r} alone answers {name!r} (AUC {found:.3f}), so it was probably filled in after "
                    f"the fact: leave it out (--field names those to keep), or --trust {field} if an app knows it then"
                )


def _telling(
    training: Histories,
    spec: Spec,
    field: str,
    known: NDArray[np.int64],
    labels: NDArray[np.int8],
    owners: NDArray[np.int64],
) -> float:
    """The best AUC that the field alone reaches, either way round."""
    values = training.fields[field][known]
    if values.dtype.kind != "f":
        column = 1 + [category.name for category in spec.categories].index(field)
        return _by_name(training.codes[known, column], labels, owners)
    missing = np.isnan(values)
    scores = [missing.astype(np.float64), np.where(missing, np.inf, values), np.where(missing, -np.inf, values)]
    return max(_either_way(labels, each) for each in scores)


def _by_name(codes: NDArray[np.int32], labels: NDArray[np.int8], owners: NDArray[np.int64]) -> float:
    half = owners % 2 == 0
    size = int(codes.max(initial=0)) + 1
    yes, all_of = np.bincount(codes[half], labels[half], size), np.bincount(codes[half], minlength=size)
    share = (yes + labels[half].mean()) / (all_of + 1)
    return _either_way(labels[~half], share[codes[~half]])


def _either_way(labels: NDArray[np.int8], scores: NDArray[np.float64]) -> float:
    found = auc(labels, scores)
    return 0.0 if np.isnan(found) else max(found, 1 - found)
