"""Numbers that are read in groups: the code of an interval, and nothing finer."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearsight import EventError
from nearsight.cursor import Cursor
from nearsight.features import Encoder
from nearsight.spec import Category, Groups, Spec

AGE = Groups(name="age", edges=(18.0, 30.0, 65.0))
KIND = Category(name="kind", vocabulary=("a", "b"))
NUMBERS = st.sampled_from([18.0, 30.0, 65.0, 18, 65, -0.0, None, math.nan]) | st.floats(-1e9, 1e9)


def encoder(*groups):
    return Encoder(Spec(event=Category(name="event", vocabulary=("e",)), categories=(KIND,), groups=groups))


def codes(of, values, field="age"):
    """What single events give, held to what columns give."""
    singly = [of.event("e", 0.0, {field: value, "kind": "b"}, Cursor())[0][0].tolist() for value in values]
    fields = {field: values, "kind": ["b"] * len(values)}
    together = of.columns(["e"] * len(values), None, fields, np.array([0]))[0]
    assert together.dtype == np.int32
    assert together.tolist() == singly
    return [row[-1] for row in singly]


def test_an_edge_belongs_to_the_group_that_it_begins():
    below = [math.nextafter(edge, 0) for edge in AGE.edges]
    assert codes(encoder(AGE), below) == [1, 2, 3]
    assert codes(encoder(AGE), list(AGE.edges)) == [2, 3, 4]
    assert codes(encoder(AGE), [18, 17, 29.999, 64, 65, 1000, -5]) == [2, 1, 2, 3, 4, 4, 1]
    assert encoder(AGE).spec.code_sizes == (3, 3, 5)


def test_what_is_missing_has_code_0():
    assert codes(encoder(AGE), [None, math.nan, 20]) == [0, 0, 2]
    assert encoder(AGE).event("e", 0.0, {}, Cursor())[0].tolist() == [[1, 0, 0]]
    assert encoder(AGE).columns(["e"], None, {}, np.array([0]))[0].tolist() == [[1, 0, 0]]


def test_a_question_between_events_has_no_group():
    assert encoder(AGE).now(1.0, Cursor(count=1))[0].tolist() == [[2, 0, 0]]


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6, unique=True).map(sorted),
    st.lists(NUMBERS, min_size=1, max_size=9),
)
def test_a_code_counts_the_edges_that_a_value_reaches(edges, values):
    expected = [0 if x is None or x != x else 1 + sum(x >= edge for edge in edges) for x in values]
    assert codes(encoder(Groups(name="x", edges=tuple(edges))), values, "x") == expected


def test_several_groups_follow_the_categories_in_their_order():
    both = encoder(AGE, Groups(name="income", edges=(1000.0,)))
    assert both.spec.fields == ("kind", "age", "income")
    event = both.event("e", 0.0, {"kind": "b", "income": 5, "age": 70}, Cursor())
    assert event[0].tolist() == [[1, 2, 4, 1]]
    assert event[1].size == 0


@pytest.mark.parametrize("value", ["4111", "18 to 30", True, math.inf, [18]])
def test_what_is_no_number_is_named_without_its_value(value):
    for read in (
        lambda: encoder(AGE).event("e", 0.0, {"age": value}, Cursor()),
        lambda: encoder(AGE).columns(["e"], None, {"age": [value]}, np.array([0])),
    ):
        with pytest.raises(EventError, match=r"age must (be|hold) .*number") as raised:
            read()
        assert "4111" not in str(raised.value)


@pytest.mark.parametrize("edges", [(), (1.0, 1.0), (2.0, 1.0), (math.nan,), (1.0, math.inf), (-math.inf, 1.0)])
def test_impossible_edges_are_refused(edges):
    with pytest.raises(ValueError, match="'x' need edges"):
        Groups(name="x", edges=edges)


def test_groups_have_names():
    assert Groups(name="x", edges=(0.5, 1e6)).names == ("below 0.5", "0.5 to 1000000", "1000000 and more")
    assert len(AGE.names) == encoder(AGE).spec.code_sizes[-1] - 1
