"""The season of a row, beside the calendar."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearsight.cursor import Cursor
from nearsight.features import Encoder
from nearsight.spec import Category, Clock, Number, Spec
from nearsight.values import EARLIEST, LATEST

SPAN = Number(name="span", low=0.0, high=1e9, log=True)
ENCODER = Encoder(
    Spec(event=Category(name="event", vocabulary=("e",)), clock=Clock(gap=SPAN, age=SPAN, season=True)),
)
SINE, COSINE = (ENCODER.spec.number_names.index(name) for name in ("season_sin", "season_cos"))


def season(time):
    row = ENCODER.event("e", time, {}, Cursor())[1][0]
    return float(row[SINE]), float(row[COSINE])


@pytest.mark.parametrize(
    ("date", "day"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 12, 31, 23, 59, 59, tzinfo=UTC), 364),
        # 730 days less two years of 365.2425 are -0.485 days: still the year before, on day 364.7575
        (datetime(1972, 1, 1, tzinfo=UTC), 364),
        # 20,089 days less 55 years are 0.6625 days
        (datetime(2025, 1, 1, tzinfo=UTC), 0),
        (datetime(2025, 7, 2, 12, tzinfo=UTC), 182),
        (datetime(1969, 12, 31, tzinfo=UTC), 364),
    ],
)
def test_a_day_of_the_year_by_hand(date, day):
    turn = 2 * math.pi * day / 365.2425
    assert season(date.timestamp()) == pytest.approx((math.sin(turn), math.cos(turn)), abs=1e-6)


@given(st.integers(0, 180 * 366))
def test_the_season_lies_within_two_days_of_the_calendars(days):
    date = datetime(1970, 1, 1, 9, tzinfo=UTC) + timedelta(days=days)
    sine, cosine = season(date.timestamp())
    found = math.atan2(sine, cosine) / (2 * math.pi) * 365.2425
    apart = (found - (date.timetuple().tm_yday - 1) + 180) % 365.2425 - 180
    assert abs(apart) <= 2


@given(st.lists(st.floats(EARLIEST, LATEST), min_size=1, max_size=20))
def test_columns_equal_single_events_bit_for_bit(times):
    together = ENCODER.columns(["e"] * len(times), np.array(times), {}, np.arange(len(times)))[1]
    singly = [ENCODER.event("e", time, {}, Cursor())[1] for time in times]
    assert together.tobytes() == np.concatenate(singly).tobytes()


def test_a_question_knows_no_season():
    assert ENCODER.now(1.7e9, Cursor(first_time=1.6e9, last_time=1.6e9, count=1))[1][0, SINE:].tolist() == [0.0, 0.0]
