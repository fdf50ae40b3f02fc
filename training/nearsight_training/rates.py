"""How often something is so, with an interval over users that doesn't vanish where all of them agree."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from nearsight_training.metrics import Interval, bootstrap

__all__ = ["rate"]

_MISSED = 0.025


def rate(happened: NDArray[np.bool_], owners: NDArray[np.int64]) -> Interval:
    """The share of what `happened` `(n,)`, of at least one item, with a 95 % interval; `owners` `(n,)` are the users.

    Where nothing or everything happened no draw varies. Of n users none is seen with a chance of 2.5 % where the share
    is 1 - 0.025 ** (1 / n) (exact binomial: Clopper & Pearson 1934), and that is the bound then.
    """
    found = bootstrap(partial(_mean, happened), owners)
    unseen = float(1 - _MISSED ** (1 / len(np.unique(owners))))
    if found.value == 0:
        return Interval(0.0, 0.0, unseen)
    return Interval(1.0, 1 - unseen, 1.0) if found.value == 1 else found


def _mean(happened: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    return float(np.average(happened, weights=weights))
