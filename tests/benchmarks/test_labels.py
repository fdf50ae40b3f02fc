import itertools

from hypothesis import given
from hypothesis import strategies as st

from nearsight_benchmarks.labels import Box, place

AREA = Box(0, 0, 400, 300)
POINTS = st.lists(st.tuples(st.floats(0, 400), st.floats(0, 300)), max_size=25)


@given(POINTS, st.floats(10, 120))
def test_labels_meet_nothing_and_stay_inside(points, width):
    markers = [Box(x - 4, y - 4, 8, 8) for x, y in points]
    boxes = [box for box in place(points, [(width, 12)] * len(points), AREA, markers) if box]
    assert all(AREA.holds(box) for box in boxes)
    assert not any(a.meets(b) for a, b in itertools.combinations(boxes, 2))
    assert not any(box.meets(marker) for box in boxes for marker in markers)


def test_a_lonely_label_stands_right_beside_its_point():
    (box,) = place([(100, 100)], [(50, 12)], AREA, [])
    assert box.bottom < 100 < box.bottom + box.height
    assert 100 < box.left <= 110


def test_points_on_a_line_all_get_labels():
    points = [(40 + 30 * i, 150) for i in range(11)]
    assert None not in place(points, [(60, 12)] * 11, AREA, [Box(x - 5, y - 5, 10, 10) for x, y in points])


def test_what_has_no_place_gets_none():
    assert place([(100, 100)], [(500, 12)], AREA, []) == [None]
