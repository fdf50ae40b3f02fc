from hypothesis import given
from hypothesis import strategies as st

from nearsight_benchmarks.pareto import front

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30)


def dominated(point, others):
    cost, gain = point
    return any(c <= cost and g >= gain and (c < cost or g > gain) for c, g in others)


@given(POINTS)
def test_the_front_is_what_nothing_dominates(points):
    costs, gains = [cost for cost, _ in points], [gain for _, gain in points]
    expected = {place for place, point in enumerate(points) if not dominated(point, points)}
    found = front(costs, gains)
    assert set(found) == expected
    assert len(found) == len(expected)


@given(POINTS)
def test_the_front_is_in_order_of_cost(points):
    found = front([cost for cost, _ in points], [gain for _, gain in points])
    assert [points[place][0] for place in found] == sorted(points[place][0] for place in found)
