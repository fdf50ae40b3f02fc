"""Looks at a bundle's segments: what training said of them, and where test users lie."""

import numpy as np
from numpy.typing import NDArray

from nearsight.backends.reference import NumpyBackend
from nearsight.segment import Segments
from nearsight_benchmarks.market import Kind, Market, Place
from nearsight_benchmarks.material import Material
from nearsight_export.replay import replayed

__all__ = ["market"]

_MOST_PLACES = 1000


def market(material: Material) -> Market | None:
    """The market of a bundle's test users; None where the model has no segments."""
    found, segments = material.run.beside.segmentation, material.bundle.manifest.segments
    if found is None or not segments:
        return None
    histories = material.exam.histories
    if len(histories) > _MOST_PLACES:
        histories = histories.take(np.arange(_MOST_PLACES))
    trunk = material.run.trunk
    embeddings = replayed(NumpyBackend(material.weights, trunk), trunk, histories).embeddings
    points, explained = _flattened(embeddings)
    kinds = zip(segments, found.test_shares, found.rates, strict=True)
    return Market(
        kinds=tuple(
            Kind(name=each.name, share=each.share, test_share=share, traits=each.traits, rates=rates)
            for each, share, rates in kinds
        ),
        places=tuple(
            Place(round(x, 3), round(y, 3), kind)
            for (x, y), kind in zip(points.tolist(), Segments(segments).places(embeddings).tolist(), strict=True)
        ),
        explained=explained,
        stability=found.stability,
        silhouette=found.silhouette,
        moves=found.moves,
    )


def _flattened(embeddings: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """The standardised embeddings on their first two main axes `(H, 2)`, and the share of the variance there."""
    spread = embeddings.std(0, dtype=np.float64)
    points = (embeddings - embeddings.mean(0, dtype=np.float64)) / np.where(spread > 0, spread, 1.0)
    left, sizes, _ = np.linalg.svd(points, full_matrices=False)
    axes = np.zeros((len(points), 2))
    axes[:, : min(2, len(sizes))] = left[:, :2] * sizes[:2]
    return axes, float((sizes[:2] ** 2).sum() / max((sizes**2).sum(), 1e-12))
