"""An embedding's width follows from how many codes it tells apart."""

import msgspec

from nearsight_training.config import Size
from nearsight_training.embeddings import widths
from nearsight_training.learning import trunk_of


def test_an_events_embedding_is_twice_as_wide_as_another_fields():
    assert widths((215, 215, 5, 2)) == (30, 15, 2, 2)


def test_the_largest_embedding_bounds_every_width(cdnow_prepared):
    spec, heads = cdnow_prepared.spec, cdnow_prepared.heads
    assert trunk_of(spec, heads, Size()).embedding_sizes == widths(spec.code_sizes)
    small = trunk_of(spec, heads, msgspec.structs.replace(Size(), largest_embedding=3))
    assert small.embedding_sizes == tuple(min(3, width) for width in widths(spec.code_sizes))
