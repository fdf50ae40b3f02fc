from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nearsight_training import timestamps
from nearsight_training.timestamps import iso_column, iso_seconds

MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
ZONES = st.one_of(st.none(), st.just(UTC), st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))))
DIGITS = st.sampled_from(["seconds", "milliseconds", "microseconds"])
ODD = st.sampled_from(
    [
        *("", None, "1.5", "2024", "20240101", "2024-1-1", " 2024-01-01", "2024-02-30", "0000-01-01"),
        *("2024-01-01T10", "2024-01-01T24:00:00", "2024-01-01T10:00:60", "2024-01-01T10:00:00,5"),
        *("2024-01-01T10:00:00+24:00", "2024-01-01T10:00:00+02:00:30", "2024-01-01T10:00:00z"),
    ]
)


@st.composite
def columns(draw):
    """Moments in one spelling, among them others."""
    separator, digits, zone, is_date = draw(st.sampled_from("T ")), draw(DIGITS), draw(ZONES), draw(st.booleans())

    def spelled(moment):
        text = moment.replace(tzinfo=zone).isoformat(separator, digits)
        return text[:10] if is_date else text.replace("+00:00", draw(st.sampled_from(["Z", "+00:00"])))

    texts = [spelled(moment) for moment in draw(st.lists(MOMENTS, min_size=1))]
    return draw(st.permutations([*texts, *draw(st.lists(ODD, max_size=3))]))


@given(columns())
@example(["2024-01-01T10:00:00+02:00", "2024-01-01T10:00:00-00:30", "2024-01-01T10:00:00+23:59"])
@example(["2024-01-01", "٢٠٢٤-01-01", "9999-12-31"])  # digits, but not those of ISO 8601
@example(["٢٠٢٤-01-01", "2024-01-01"])
def test_a_column_is_read_as_its_texts_are_one_by_one(texts):
    found = iso_column(pl.Series(texts, dtype=pl.String))
    assert (found.to_list(), found.dtype) == ([iso_seconds(text) for text in texts], pl.Float64)


@pytest.mark.parametrize("text", ["2024-03-01", "2024-03-01 10:20:30", "2024-03-01T10:20:30.123+02:00"])
def test_a_usual_spelling_is_not_read_one_by_one(text, monkeypatch):
    expected = iso_seconds(text)
    monkeypatch.setattr(timestamps, "iso_seconds", None)
    assert iso_column(pl.Series([text] * 3)).to_list() == [expected] * 3


def test_an_empty_column_is_an_empty_one():
    assert iso_column(pl.Series([], dtype=pl.String)).to_list() == []
