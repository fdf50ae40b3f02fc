"""Parts of the test data in the shapes that contestants take."""

import numpy as np
from numpy.typing import NDArray

from nearsight_training.histories import Histories
from nearsight_training.questions import Questions

__all__ = ["sample", "windows"]

Window = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]


def sample(histories: Histories, users: int, seed: int) -> Histories:
    """At most `users` of the histories, drawn without replacement, in their order."""
    if len(histories) <= users:
        return histories
    drawn = np.random.default_rng(seed).choice(len(histories), users, replace=False)
    return histories.take(np.sort(drawn))


def windows(histories: Histories, asked: Questions, size: int) -> Window:
    """Each question's last rows since the history began, as many as `size` holds, padded on the right.

    Returns codes `(Q, T, K)`, numbers `(Q, T, N)` and the true lengths `(Q,)`; an ask's *now* row is its last.
    """
    is_ask = asked.kind == "ask"
    before = histories.since_fresh[asked.events] + 1
    kept = np.minimum(before, size - is_ask)
    inside = np.arange(size) < kept[:, None]
    rows = np.where(inside, asked.events[:, None] - kept[:, None] + 1 + np.arange(size), 0)
    codes = np.where(inside[:, :, None], histories.codes[rows], 0).astype(np.int32)
    numbers = np.where(inside[:, :, None], histories.numbers[rows], 0).astype(np.float32)
    if is_ask:
        everyone = np.arange(len(asked))
        codes[everyone, kept] = histories.ask_codes[asked.indices]
        numbers[everyone, kept] = histories.ask_numbers[asked.indices]
    return codes, numbers, (kept + is_ask).astype(np.int32)
