import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import invented
from nearsight_benchmarks.axes import Axis, Shape
from nearsight_benchmarks.page import render
from nearsight_benchmarks.plots import Point, scatter
from nearsight_training.metrics import Interval

SHAPE = Shape(width=400, height=300, x_label="time", y_label="a < b")


def point(x, y, **more):
    return Point(label="a", told="a: <b>", family="step", runtime="NumPy", x=x, y=Interval(y, y, y), **more)


@given(st.floats(1e-3, 1e6), st.floats(1.01, 1e6), st.booleans())
def test_ticks_are_round_and_lie_on_the_axis(low, times, is_logarithmic):
    axis = Axis(low=low, high=low * times, start=300, stop=10, logarithmic=is_logarithmic)
    assert axis.at(axis.low) == pytest.approx(300)
    assert axis.at(axis.high) == pytest.approx(10)
    ticks = axis.ticks()
    assert is_logarithmic or 2 <= len(ticks) <= 8
    assert not is_logarithmic or times < 2.5 or ticks
    for tick in ticks:
        assert 10 - 1e-6 <= axis.at(tick) <= 300 + 1e-6
        assert not is_logarithmic or float(f"{tick:.6e}".partition("e")[0]) in ((1, 2, 5) if times < 101 else (1,))


def test_a_logarithmic_axis_gives_each_decade_the_same_room():
    axis = Axis(low=1, high=1000, start=0, stop=300, logarithmic=True)
    assert [axis.at(value) for value in (1, 10, 100, 1000)] == pytest.approx([0, 100, 200, 300])
    assert axis.ticks() == [1, 10, 100, 1000]
    assert axis.at(math.sqrt(10)) == pytest.approx(50)


def test_words_are_escaped():
    drawn = scatter([point(1.0, 0.7), point(10.0, 0.8)], SHAPE, "µs")
    assert 'aria-label="a: &lt;b&gt;"' in drawn
    assert "<title>a: &lt;b&gt;</title>" in drawn
    assert ">a &lt; b</text>" in drawn


def test_the_front_rises_in_steps_through_its_points():
    drawn = scatter([point(1.0, 0.7, on_front=True), point(5.0, 0.6), point(10.0, 0.8, on_front=True)], SHAPE, "µs")
    way = drawn.partition('class="front" d="')[2].partition('"')[0]
    places = [part.partition(")")[0].split() for part in drawn.split("translate(")[1:]]
    (x, y), _, (other_x, other_y) = places
    assert way == f"M{x} {y}H{x}V{y}H{other_x}V{other_y}"


def test_the_same_results_give_the_same_page():
    assert render(invented.results()) == render(invented.results())
