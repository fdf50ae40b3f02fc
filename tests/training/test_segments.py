"""Segments are found again among the embeddings of another network."""

import numpy as np
import pytest

from nearsight.segment import Segment, Segments
from nearsight_training.segments import centred, refound


def long_ones(rng, users):
    """Two long clusters side by side: whose centre is nearer says where along them a point lies, not in which."""
    places, along = np.repeat([0, 1], users // 2), rng.normal(0, 5, users)
    return np.stack([along, along + 4 * places + rng.normal(0, 0.2, users)], 1).astype(np.float32), places


@pytest.mark.parametrize("count", [2, 3])
def test_segments_are_found_again_where_another_network_has_them_in_long_clusters(count):
    rng = np.random.default_rng(4)
    bare = tuple(Segment(name=f"s{place}", weights=(), offset=0.0, share=0.5) for place in range(count))
    points, places = long_ones(rng, 600)
    if count == 3:
        points = np.concatenate([points, points + np.array([0, 8], np.float32)])
        places = np.concatenate([places, np.full(len(places), 2)])
    centres, best = (Segments(found(bare, points, places)).places(points) == places for found in (centred, refound))
    assert centres.mean() < 0.9
    assert best.mean() > 0.99


def test_segments_that_lie_where_they_lay_keep_their_centres():
    rng = np.random.default_rng(5)
    points = np.concatenate([rng.normal(at, 0.5, (100, 3)) for at in (0, 8)]).astype(np.float32)
    places, bare = np.repeat([0, 1], 100), tuple(Segment(name=n, weights=(), offset=0.0, share=0.5) for n in "ab")
    assert refound(bare, points, places) == centred(bare, points, places)
