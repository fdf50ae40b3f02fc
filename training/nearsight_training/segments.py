"""Clusters of users by what the network remembers of them, named by what sets them apart.

K-means (Lloyd 1982) on the standardised embeddings after each training user's last event; as many clusters as the
silhouette likes best (Rousseeuw 1987). How far that can be relied on is measured: clusters of two halves of the users
are compared by the adjusted Rand index (Hubert & Arabie 1985), 1 where both agree, 0 by chance.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.profile import Tally
from nearsight.segment import Segment, Segments
from nearsight.spec import Spec
from nearsight_training.habits import Difference, distinct

__all__ = ["LEAST_USERS", "Found", "centred", "clusters", "folded", "named", "refound", "told_apart"]

LEAST_USERS = 20  # in a segment: the centre of fewer could tell what one of them did
_COUNTS, _FEWEST = range(3, 9), range(2, 3)
_SILHOUETTE_USERS, _FIT_USERS = 2000, 5000
_HALVINGS = 5
_STARTS = 3
_CONSTANT = 1e-6
_ITERATIONS = 1000
_NAMED_TRAITS, _TOLD_TRAITS = 2, 4

Floats = NDArray[np.float64]
Embeddings = NDArray[np.float32]


class Found(msgspec.Struct, frozen=True):
    """Each user's cluster `(H,)`, the largest cluster first, with figures as in `Segmentation`."""

    places: NDArray[np.int64]
    silhouette: float
    stability: float


def clusters(
    embeddings: Embeddings, seed: int, are_told_apart: Callable[[NDArray[np.int64]], bool] = lambda _: True
) -> Found | None:
    """Cluster embeddings `(H, U)` into three to eight, or two where no such number leaves each of them enough users.

    Of numbers whose clusters `are_told_apart`, the one with the highest silhouette; of all, where nothing tells any
    apart. None where two are too many as well.
    """
    _, _, points = _standardised(embeddings)
    tried = _tried(points, _COUNTS, seed) or _tried(points, _FEWEST, seed)
    if not tried:
        return None
    silhouette, places = next((each for each in tried if are_told_apart(each[1])), tried[0])
    return Found(places, silhouette, _stability(points, int(places.max()) + 1, seed))


def told_apart(tallied: list[Tally], spec: Spec, places: NDArray[np.int64]) -> bool:
    """Whether what the users in each cluster do gives each of them a name of its own."""
    spoken = _spoken(distinct(tallied, spec, places))
    return len(set(map(frozenset, spoken))) == len(spoken)


def folded(embeddings: Embeddings, places: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Weights `(K, U)` and offsets `(K,)` that find the nearest of the clusters' centres, as `Segment` has them.

    With z = (e - mean) / scale and a centre c, -|z - c|² / 2 is z · c - |c|² / 2 and a part that all centres share.
    """
    mean, scale, points = _standardised(embeddings)
    centres = np.stack([points[places == place].mean(0) for place in range(places.max() + 1)])
    weights = centres / scale
    return weights, -weights @ mean - (centres**2).sum(1) / 2


def named(found: Found, embeddings: Embeddings, tallied: list[Tally], spec: Spec) -> tuple[Segment, ...]:
    """The segments with names and traits, but for the rates."""
    traits = distinct(tallied, spec, found.places)
    shares = np.bincount(found.places) / len(found.places)
    segments = tuple(
        Segment(
            name=name,
            weights=(),
            offset=0.0,
            share=_figure(shares[place]),
            traits=tuple(trait.sentence for trait in traits[place][:_TOLD_TRAITS]),
        )
        for place, name in enumerate(_names(traits))
    )
    return centred(segments, embeddings, found.places)


def centred(segments: tuple[Segment, ...], embeddings: Embeddings, places: NDArray[np.int64]) -> tuple[Segment, ...]:
    """The same segments with the centres of the embeddings `(H, U)` at their `places` `(H,)`."""
    return _drawn(segments, *folded(embeddings, places))


def refound(segments: tuple[Segment, ...], embeddings: Embeddings, places: NDArray[np.int64]) -> tuple[Segment, ...]:
    """The same segments, to be found among another network's embeddings `(H, U)` of users whose `places` are known.

    By their centres or, where that puts more users where they belong, by a logistic regression on the standardised
    embeddings: what one network keeps apart in round clusters another may hold in long ones.
    """
    from sklearn.linear_model import LogisticRegression

    by_centres = centred(segments, embeddings, places)
    mean, scale, points = _standardised(embeddings)
    model = LogisticRegression(max_iter=_ITERATIONS).fit(points, places)
    # Of two segments it has the second's weights alone.
    parts = [np.concatenate([-each, each]) if len(segments) == 2 else each for each in (model.coef_, model.intercept_)]
    weights = parts[0] / scale
    by_regression = _drawn(segments, weights, parts[1] - weights @ mean)
    return max(by_centres, by_regression, key=lambda found: np.mean(Segments(found).places(embeddings) == places))


def _drawn(segments: tuple[Segment, ...], weights: Floats, offsets: Floats) -> tuple[Segment, ...]:
    return tuple(
        msgspec.structs.replace(
            segment, weights=tuple(_figure(weight) for weight in weights[place]), offset=_figure(offsets[place])
        )
        for place, segment in enumerate(segments)
    )


def _names(traits: list[list[Difference]]) -> list[str]:
    """A name of each cluster's foremost traits, with a number where another has the same."""
    seen: dict[frozenset[str], int] = {}
    numbered = []
    for words in _spoken(traits):
        same = frozenset(words)
        seen[same] = seen.get(same, 0) + 1
        name = ", ".join(words) or "average"
        numbered.append(name if seen[same] == 1 else f"{name} ({seen[same]})")
    return numbered


def _spoken(traits: list[list[Difference]]) -> list[tuple[str, ...]]:
    """The words of each cluster's two foremost traits, of more where another has the same, in whatever order."""
    lengths = [_NAMED_TRAITS] * len(traits)
    for _ in range(1 + max(map(len, traits))):
        spoken = [tuple(_words(each, length)) for each, length in zip(traits, lengths, strict=True)]
        sets = list(map(frozenset, spoken))
        lengths = [length + (sets.count(same) > 1) for same, length in zip(sets, lengths, strict=True)]
    return spoken


def _words(traits: list[Difference], count: int) -> Iterator[str]:
    """The words of the foremost traits, one of each topic."""
    topics: dict[str, str] = {}
    for trait in traits:
        topics.setdefault(trait.topic, trait.words)
    yield from list(topics.values())[:count]


def _tried(points: Floats, counts: range, seed: int) -> list[tuple[float, NDArray[np.int64]]]:
    """Silhouettes of clusters that all have enough users, the highest first; places count from the largest cluster."""
    from sklearn.metrics import silhouette_score

    found = []
    for count in counts:
        if len(points) < count * LEAST_USERS:
            break
        places = _fitted(points, count, seed).predict(points)
        sizes = np.bincount(places, minlength=count)
        if sizes.min() >= LEAST_USERS:
            sample = min(len(points), _SILHOUETTE_USERS)
            score = float(silhouette_score(points, places, sample_size=sample, random_state=seed))
            found.append((score, np.argsort(np.argsort(-sizes, kind="stable"))[places]))
    return sorted(found, key=lambda each: -each[0])


def _standardised(embeddings: Embeddings) -> tuple[Floats, Floats, Floats]:
    """The mean and scale of each dimension `(U,)`, and the points `(H, U)` that they make."""
    mean, spread = embeddings.mean(0, dtype=np.float64), embeddings.std(0, dtype=np.float64)
    scale = np.where(spread > _CONSTANT, spread, 1.0)
    return mean, scale, (embeddings - mean) / scale


def _fitted(points: Floats, count: int, seed: int) -> Any:
    from sklearn.cluster import KMeans

    some = points
    if len(points) > _FIT_USERS:
        some = points[np.random.default_rng(seed).choice(len(points), _FIT_USERS, replace=False)]
    return KMeans(count, n_init=_STARTS, random_state=seed).fit(some)


def _stability(points: Floats, count: int, seed: int) -> float:
    from sklearn.metrics import adjusted_rand_score

    generator = np.random.default_rng(seed)
    agreements = []
    for halving in range(_HALVINGS):
        first, second = np.array_split(generator.permutation(len(points)), 2)
        told = [_fitted(points[half], count, seed + halving).predict(points) for half in (first, second)]
        agreements.append(adjusted_rand_score(*told))
    return float(np.mean(agreements))


def _figure(value: float) -> float:
    """Seven digits: a float32 holds no more."""
    return float(f"{value:.7g}")
