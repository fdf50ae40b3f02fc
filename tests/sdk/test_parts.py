"""Numbers in parts, and logarithms on both sides of 0: one event, whole columns, and by hand."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearsight.cursor import Cursor
from nearsight.features import Encoder
from nearsight.spec import Category, Clock, Number, Spec

DAY = 86400.0
BALANCE = Number(
    name="balance", low=-1e4, high=1e3, log=True, mean=0.5, scale=0.3, flag=True, edges=(-2.5, -0.1, 0.1, 1.9)
)
SPAN = Number(name="gap", low=0.0, high=300 * DAY, log=True, mean=9.0, scale=0.3, edges=(-2.0, 0.5, 1.25, 2.5))
ENCODER = Encoder(
    Spec(
        event=Category(name="event", vocabulary=("buy",)),
        numbers=(BALANCE, Number(name="score", low=0.0, high=10.0, edges=(0.0, 0.3, 7.7, 10.0))),
        clock=Clock(gap=SPAN, age=Number(name="age", low=0.0, high=900 * DAY, log=True), hour=True),
    )
)
EDGES = [0.3, 7.7, np.nextafter(7.7, 0), np.nextafter(7.7, 9), 0.0, -0.0, 10.0, None]


def by_hand(number, x):
    x = min(max(x, number.low), number.high)
    told = math.copysign(math.log1p(abs(x)), x) if number.log else x
    z = (told - number.mean) * number.scale
    return [min(max((z - low) / (high - low), 0.0), 1.0) for low, high in pairwise(number.edges)]


@given(
    st.lists(
        st.tuples(
            st.floats(0, 400 * DAY),
            st.none() | st.floats(-1e5, 1e5) | st.just(-0.0),
            st.sampled_from(EDGES) | st.floats(-1, 12),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_columns_equal_single_events_bit_for_bit(events):
    cursor, time, rows, times = Cursor(), 1e9, [], []
    for gap, balance, score in events:
        time += gap
        times.append(time)
        rows.append(ENCODER.event("buy", time, {"balance": balance, "score": score}, cursor)[1])
        cursor.advance(time)
    fields = {"balance": [each[1] for each in events], "score": [each[2] for each in events]}
    columns = ENCODER.columns(["buy"] * len(events), np.array(times), fields, np.array([0]))[1]
    assert columns.tobytes() == np.concatenate(rows).tobytes()


@given(st.floats(-2e4, 2e4), st.floats(-1, 12))
def test_a_row_is_what_the_formula_says(balance, score):
    names = ENCODER.spec.number_names
    row = ENCODER.event("buy", 1e9, {"balance": balance, "score": score}, Cursor())[1][0]
    start = names.index("balance_1")
    expected = [*by_hand(BALANCE, balance), 0.0, *by_hand(ENCODER.spec.numbers[1], score)]
    assert names[start : start + 4] == ("balance_1", "balance_2", "balance_3", "balance_missing")
    assert row[start:] == pytest.approx(expected, abs=1e-6)


def test_a_missing_number_is_missing_in_all_of_its_parts():
    row = dict(zip(ENCODER.spec.number_names, ENCODER.event("buy", 1e9, {}, Cursor())[1][0].tolist(), strict=True))
    assert {value for name, value in row.items() if name.startswith(("balance", "score"))} == {0.0, 1.0}
    assert [name for name, value in row.items() if name.startswith(("balance", "score")) and value] == [
        "balance_missing"
    ]


@given(st.floats(0, 500 * DAY), st.floats(0, 500 * DAY))
def test_a_now_row_has_the_parts_of_the_time_that_passed_and_no_others(age, gap):
    cursor = Cursor(first_time=0.0, last_time=age, count=3)
    row = ENCODER.now(age + gap, cursor)[1]
    moment = len(ENCODER.spec.moment_names)
    assert ENCODER.spec.moment_names == ("first", "gap_1", "gap_2", "gap_3", "age")
    assert row[0, 1:4] == pytest.approx(by_hand(SPAN, age + gap - age), abs=1e-5)
    assert not row[0, moment:].any()
    columns = ENCODER.now_columns(np.array([age + gap - age]), np.array([age + gap]), ())[1]
    assert columns.tobytes() == row.tobytes()
