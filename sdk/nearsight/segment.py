"""The kinds of users that training found, and which of them a reading belongs to."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Segment", "Segments"]


class Segment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cluster of training users' embeddings, named by what sets it apart.

    An embedding belongs to the segment with the largest `weights · embedding + offset`: that is the nearest centre,
    with the scales in which training looked for clusters folded in. `share` of the training users ended in it; `traits`
    say how they differ from all users. `rates` are, by question, how often it was answered yes of test users who were
    in the segment when it was asked.
    """

    name: str
    weights: tuple[float, ...]  # (U,)
    offset: float
    share: float
    traits: tuple[str, ...] = ()
    rates: dict[str, float] = {}


class Segments:
    """All segments of a model, ready to be asked."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.names = [segment.name for segment in segments]
        self._weights = np.array([segment.weights for segment in segments], np.float32)  # (K, U)
        self._offsets = np.array([segment.offset for segment in segments], np.float32)

    def places(self, embeddings: NDArray[np.float32]) -> NDArray[np.int64]:
        """The segment of each embedding `(H, U)`, counted from 0: `(H,)` int64."""
        found: NDArray[np.int64] = (embeddings @ self._weights.T + self._offsets).argmax(1)
        return found

    def name(self, embedding: NDArray[np.float32]) -> str:
        """The segment of one embedding `(U,)`."""
        scores: NDArray[np.float32] = self._weights.dot(embedding) + self._offsets
        return self.names[scores.argmax()]
