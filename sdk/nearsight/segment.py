"""The kinds of users that training found, and which of them a reading belongs to."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Segment", "Segments"]


class Segment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cluster of training users' embeddings, named by what sets it apart.

    An embedding belongs to the segment with the largest `weights · embedding + offset`: that is the nearest centre, with
    the scales and axes in which training looked for clusters folded into the weights. `share` of the training users
    ended in it; `traits` say how they differ from the others.
    """

    name: str
    weights: tuple[float, ...]  # (U,)
    offset: float
    share: float
    traits: tuple[str, ...] = ()


class Segments:
    """All segments of a model, ready to be asked."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.names = [segment.name for segment in segments]
        self._weights = np.array([segment.weights for segment in segments]).T
        self._offsets = np.array([segment.offset for segment in segments])

    def places(self, embeddings: NDArray[np.float32]) -> NDArray[np.int64]:
        """The segment of each embedding `(H, U)`, counted from 0: `(H,)` int64."""
        # Summed in float64 and row by row, so that one embedding and many give the same answer.
        found: NDArray[np.int64] = (embeddings.astype(np.float64) @ self._weights + self._offsets).argmax(1)
        return found

    def name(self, embedding: NDArray[np.float32]) -> str:
        """The segment of one embedding `(U,)`."""
        return self.names[int(self.places(embedding[np.newaxis])[0])]
