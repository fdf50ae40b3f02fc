"""Groups of test users, and what compression costs each of them.

A group's loss is that within the group, so it is held against the mean of the groups' own losses, weighted by their
users, and not against the loss of all users: to rank within a group is harder than to rank between groups, and every
group could lose more than all do together.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.segment import Segments
from nearsight.spec import Category, Groups, Spec
from nearsight_export.exam import Exam, Paper
from nearsight_export.replay import Replay
from nearsight_export.reports import GroupFigures
from nearsight_training.beside import Beside
from nearsight_training.gate import ENOUGH
from nearsight_training.histories import Histories
from nearsight_training.metrics import Interval, auc, informative, log_loss

__all__ = ["Parting", "costs", "partings", "simultaneous"]

_MOST_VALUES = 8  # of a field whose values make groups
_DRAWS = 200

Array = NDArray[np.float64]


class Parting(msgspec.Struct, frozen=True):
    """Users parted into named groups: `places` `(H,)` says which of the `names` each belongs to."""

    names: tuple[str, ...]
    places: NDArray[np.int64]


def partings(spec: Spec, beside: Beside, histories: Histories, before: Replay) -> tuple[Parting, ...]:
    """The groups that compression is held against: segments, or quartiles of how long histories are where the network
    has none, and the values of each field that has at most eight, as a user's last event holds them.

    `before` is what the trained network answers; its embeddings say who belongs to which segment.
    """
    if beside.segmentation is not None:
        segments = Segments(beside.segmentation.segments)
        found = [Parting(tuple(segments.names), segments.places(before.embeddings))]
    else:
        found = [_by_length(histories.lengths)]
    last = histories.codes[histories.starts + histories.lengths - 1]
    fields: tuple[Category | Groups, ...] = (*spec.categories, *spec.groups)
    for column, field in enumerate(fields, 1):
        names = tuple(_values(field))
        if len(names) <= _MOST_VALUES + 1:
            found.append(Parting(names, last[:, column].astype(np.int64)))
    return tuple(found)


def costs(exam: Exam, parted: Sequence[Parting], before: Replay, after: Replay) -> Iterator[GroupFigures]:
    """What the replay `after` all passes, of what ships, costs each group against the one `before` any.

    Of a group in which fewer than 100 users gave the rarer answer nothing is said, nor where it has no other to be
    compared with.
    """
    first, second = (np.concatenate([replay.heads, replay.asked]) for replay in (before, after))
    for paper in exam.papers:
        told = [group for kind, parting in enumerate(parted) for group in _telling(paper, kind, parting)]
        if told:
            old, new = (x[paper.decisions, paper.head.start].astype(np.float64) for x in (first, second))
            yield from _compared(paper, told, old, new)


def simultaneous(values: Array, drawn: Array) -> list[Interval]:
    """Intervals that hold all figures `(M,)` together in 95 % of cases, from those of resamples `(draws, M)`.

    Each reaches as many standard errors as the largest of all deviations does in 95 % of the draws (the single-step
    max-t of Westfall & Young 1993).
    """
    errors = np.sqrt(np.mean((drawn - values) ** 2, 0))
    apart = np.divide(np.abs(drawn - values), errors, out=np.zeros_like(drawn), where=errors > 0)
    reach = float(np.percentile(apart.max(1), 95)) * errors
    return [Interval(float(v), float(v - r), float(v + r)) for v, r in zip(values, reach, strict=True)]


class _Group(msgspec.Struct, frozen=True):
    """A group that can be told of: the kind that it belongs to, its users, and its places among a paper's decisions."""

    kind: int
    name: str
    users: int
    inside: NDArray[np.int64]


def _by_length(lengths: NDArray[np.int64]) -> Parting:
    edges = np.unique(np.percentile(lengths, (25, 50, 75), method="lower"))
    begins, ends = [1, *(int(edge) + 1 for edge in edges)], [*(int(edge) for edge in edges), None]
    return Parting(tuple(map(_spoken, begins, ends)), np.searchsorted(edges, lengths))


def _spoken(shortest: int, longest: int | None) -> str:
    if longest is None:
        return f"{shortest} events or more"
    return f"{shortest} to {longest} events" if shortest < longest else f"{longest} event{'s' * (longest > 1)}"


def _values(field: Category | Groups) -> Iterator[str]:
    """A field's values by their codes."""
    yield f"{field.name} unknown"
    if isinstance(field, Category):
        yield from (f"{field.name} {value}" for value in field.vocabulary)
        return
    yield f"{field.name} below {field.edges[0]:g}"
    yield from (f"{field.name} from {low:g} to {high:g}" for low, high in pairwise(field.edges))
    yield f"{field.name} from {field.edges[-1]:g}"


def _telling(paper: Paper, kind: int, parting: Parting) -> list[_Group]:
    """The parting's groups of whom enough users gave each answer; none where there are fewer than two."""
    where, found = parting.places[paper.owners], []
    for place, name in enumerate(parting.names):
        inside = np.flatnonzero(where == place)
        owners = paper.owners[inside]
        if informative(paper.labels[inside], owners) >= ENOUGH:
            found.append(_Group(kind, name, len(np.unique(owners)), inside))
    return found if len(found) > 1 else []


def _compared(paper: Paper, groups: list[_Group], old: Array, new: Array) -> Iterator[GroupFigures]:
    ranks = [_Pair(paper.labels[g.inside], old[g.inside], new[g.inside], g.inside) for g in groups]
    average = _averaging(groups)

    def lost(weights: Array) -> Array:
        """What each group loses of AUC, then in nats, then how much more that is than on average: `(4·G,)`."""
        areas = np.array([pair.lost_auc(weights) for pair in ranks])
        nats = np.array([pair.lost_nats(weights) for pair in ranks])
        return np.concatenate([areas, nats, areas - average @ areas, nats - average @ nats])

    values, drawn = lost(np.ones(len(old))), _resampled(lost, paper.owners)
    half = 2 * len(groups)  # losses are one family, what they are more than the average another
    found = simultaneous(values[:half], drawn[:, :half]) + simultaneous(values[half:], drawn[:, half:])
    flips = (old >= paper.head.threshold) != (new >= paper.head.threshold)
    for place, group in enumerate(groups):
        lost_auc, lost_nats, more_auc, more_nats = found[place :: len(groups)]
        yield GroupFigures(
            head=paper.head.name,
            group=group.name,
            users=group.users,
            lost_auc=lost_auc,
            more_auc=more_auc,
            lost_nats=lost_nats,
            more_nats=more_nats,
            flipped=float(flips[group.inside].mean()),
        )


class _Pair:
    """A group's answers by both networks, sorted once so that each resample's sort is a pass over sorted data."""

    def __init__(self, labels: NDArray[np.int8], old: Array, new: Array, places: NDArray[np.int64]) -> None:
        self._sorted = []
        for chances in (old, new):
            order = np.argsort(chances, kind="stable")
            self._sorted.append((labels[order], chances[order], places[order]))

    def lost_auc(self, weights: Array) -> float:
        """How much lower the second's AUC is."""
        first, second = (auc(labels, chances, weights[places]) for labels, chances, places in self._sorted)
        return first - second

    def lost_nats(self, weights: Array) -> float:
        """How much higher the second's log loss is."""
        first, second = (log_loss(labels, chances, weights[places]) for labels, chances, places in self._sorted)
        return second - first


def _averaging(groups: list[_Group]) -> Array:
    """What turns the groups' figures `(G,)` into the mean of those of each one's kind: `(G, G)`."""
    kinds, users = (np.array([getattr(g, name) for g in groups]) for name in ("kind", "users"))
    same = (kinds[:, None] == kinds) * users.astype(np.float64)
    averaging: Array = same / same.sum(1, keepdims=True)
    return averaging


def _resampled(measure: Callable[[Array], Array], clusters: NDArray[np.int64]) -> Array:
    """A measure of weights on draws of whole users with replacement: `(draws, M)`."""
    owners = np.unique(clusters, return_inverse=True)[1]
    count, generator = int(owners.max()) + 1, np.random.default_rng(0)
    draws = (np.bincount(generator.integers(0, count, count), minlength=count) for _ in range(_DRAWS))
    return np.array([measure(times.astype(np.float64)[owners]) for times in draws])
