"""A Markov chain over event names or items: what comes next, told from the last one alone."""

import numpy as np
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight_training.histories import Histories

__all__ = ["Markov"]

_STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


class Markov:
    """A first-order chain, smoothed towards how often each event follows at all (Dirichlet prior: MacKay & Peto 1995).

    `popular` (V,) are these shares, which need no order, and `chances` (codes, V) the chain's.
    """

    name = "the Markov chain"

    def __init__(self, popular: NDArray[np.float64], counts: NDArray[np.float64], strength: float) -> None:
        self.popular, self.strength = popular, strength
        self.chances = (counts + strength * popular) / (counts.sum(1, keepdims=True) + strength)

    @classmethod
    def fit(
        cls, training: Histories, validation: Histories, vocabulary: int, column: int = 0, ahead: int = 0
    ) -> "Markov":
        """Count transitions of training users; the prior's strength is the one that validation users speak for.

        From the codes of `column` to the next ones of column `ahead`: events to events, unless something else is said.
        Raises `InputError` where no event is known to follow another.
        """
        codes, following = _transitions(training, column, ahead)
        if not len(codes):
            raise InputError("it needs users who have more than one event")
        counts = np.zeros((vocabulary + 1, vocabulary))
        np.add.at(counts, (codes, following - 1), 1.0)
        popular = (counts.sum(0) + 1.0) / (counts.sum() + vocabulary)
        asked, answers = _transitions(validation, column, ahead)
        chains = [cls(popular, counts, strength) for strength in _STRENGTHS]
        losses = [-np.log(chain.chances[asked, answers - 1]).sum() for chain in chains]
        return chains[int(np.argmin(losses))]


def _transitions(histories: Histories, column: int, ahead: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The codes of events and of those that follow them, where both the following one and its name are known."""
    following = histories.next_codes[:, ahead]
    return histories.codes[following > 0, column], following[following > 0]
