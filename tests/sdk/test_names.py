import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearsight.names import Names

TEXTS = st.text(st.sampled_from("abéz,\u4e2d"), max_size=3)


@given(st.lists(TEXTS), st.lists(TEXTS, max_size=3))
def test_names_read_like_the_array_of_strings_that_they_stand_for(texts, others):
    array = np.array(texts, str)
    names = Names.of(array)
    assert (len(names), names.dtype, names.tolist()) == (len(array), array.dtype, texts)
    assert np.array_equal(np.asarray(names), array)
    assert np.array_equal(names.isin(others), np.isin(array, others))
    assert names.present().tolist() == sorted(set(texts))
    for other in [*others, *texts[:1]]:
        assert np.array_equal(names == other, array == other)
        assert np.array_equal(names != other, array != other)


@given(st.lists(TEXTS, min_size=1), st.data())
def test_places_masks_and_slices_pick_what_they_pick_of_the_array(texts, data):
    array, names = np.array(texts), Names.of(texts)
    places = data.draw(st.lists(st.integers(-len(texts), len(texts) - 1)))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts))))
    for pick in (np.array(places, int), mask, slice(1, None, 2)):
        assert names[pick].tolist() == array[pick].tolist()
        assert np.array_equal(names[pick] == Names.of(array[pick]), np.full(len(array[pick]), True))
    assert names[0] == texts[0]


def test_columns_with_other_vocabularies_are_compared_by_what_they_say():
    assert (Names.of(["a", "b", "c"]) == Names.of(["c", "b", "a"])).tolist() == [False, True, False]
    assert (Names.of(["a", "b"]) == Names.of(["b", "b"])).tolist() == [False, True]


@pytest.mark.parametrize(("size", "kind"), [(2, np.uint8), (256, np.uint8), (257, np.uint16), (65537, np.uint32)])
def test_codes_are_as_small_as_the_vocabulary_allows(size, kind):
    names = Names.of([f"{number:05d}" for number in range(size)])
    assert names.codes.dtype == kind
    assert names[size - 1] == f"{size - 1:05d}"
