"""The market as a model sees it: its segments in figures, and test users on a map."""

import msgspec

from nearsight_training.metrics import Interval

__all__ = ["Kind", "Market", "Place"]


class Kind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A segment: its share of the training users and of the test users, and how often each question was yes in it."""

    name: str
    share: float
    test_share: float
    traits: tuple[str, ...]
    rates: dict[str, Interval]


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """A test user's place on the map and segment, counted from 0."""

    x: float
    y: float
    kind: int


class Market(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The segments, the largest first, and up to 1,000 test users on the first two main axes of their embeddings.

    `explained` is the share of the variance that the map shows; `stability`, `silhouette` and `moves` are as training
    measured them (`nearsight_training.beside.Segmentation`).
    """

    kinds: tuple[Kind, ...]
    places: tuple[Place, ...]
    explained: float
    stability: float
    silhouette: float
    moves: float

    @property
    def questions(self) -> list[str]:
        """The questions that any segment has a rate for."""
        return list(dict.fromkeys(name for kind in self.kinds for name in kind.rates))
