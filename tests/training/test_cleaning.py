"""Cleaning drops what was declared, counts it, names nobody, and leaves everything else as it was."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearsight.errors import InputError
from nearsight_training.cleaning import Dropped, cleaned, hasty, whole_rows
from nearsight_training.columns import Table
from nearsight_training.config import Cleaning, LogConfig
from nearsight_training.log import log_of, read_log
from nearsight_training.specification import fit_spec, handled

ALL = Cleaning(missing="drop", duplicates="drop", most_per_minute=3)
HEADER = ["user", "time", "event", "price"]
CLEAN = [  # in the order of users and times, as a log has them
    ("a", 10.0, "look", 1.5),
    ("a", 10.0, "look", 2.5),
    ("a", 10.0, "buy", 1.5),
    ("a", 70.0, "look", 1.5),
    ("b", 10.0, "look", 1.5),
    ("b", 10.0, "look", None),
]
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", None]),
        st.sampled_from([1.0, 2.0, 30.0, 61.0, 62.0, 200.0, None]),
        st.sampled_from(["look", "buy", None]),
        st.sampled_from([0.5, -0.0, 0.0, None]),
    ),
    min_size=1,
    max_size=30,
)


def table(rows):
    kinds = {"user": pl.String, "time": pl.Float64, "event": pl.String, "price": pl.Float64}
    return Table("log.csv", pl.DataFrame(rows, kinds, orient="row"), 2)


def read(rows, clean):
    return log_of(table(rows), LogConfig(fields=("price",), clean=clean))


def rows_of(log):
    prices = [None if price != price else price for price in log.fields["price"].tolist()]
    return list(zip(log.users[log.owners].tolist(), log.times.tolist(), log.names.tolist(), prices, strict=True))


def test_nothing_is_dropped_without_being_asked():
    log = read([*CLEAN, *CLEAN], Cleaning())
    assert len(log.times) == 2 * len(CLEAN)
    assert log.dropped.notes == ()


def test_rows_that_lack_something_are_dropped_and_counted():
    lacking = [(None, 1.0, "look", 9.0), ("", 2.0, "look", 9.0), ("c", None, "buy", 9.0), ("a", np.nan, "", 9.0)]
    log = read([lacking[0], *CLEAN[:3], *lacking[1:], *CLEAN[3:]], Cleaning(missing="drop"))
    assert rows_of(log) == CLEAN
    assert log.dropped.notes == ("dropped 4 of 10 rows: 2 lack a user, 2 lack a time, 1 lacks an event",)


@pytest.mark.parametrize(
    ("lacking", "note"),
    [
        ([(None, 1.0, "look", 9.0)] * 2, "dropped 2 of 8 rows: they lack a user"),
        ([("a", 1.0, None, 9.0)], "dropped 1 of 7 rows: it lacks an event"),
    ],
)
def test_rows_that_all_lack_the_same(lacking, note):
    assert read([*CLEAN, *lacking], Cleaning(missing="drop")).dropped.notes == (note,)


@pytest.mark.parametrize("kind", [pl.Categorical, pl.Enum(["", "a"])])
def test_empty_names_of_every_type_are_missing(kind):
    frame = pl.DataFrame({"user": pl.Series(["a", "", None], dtype=kind), "time": [1.0, 2.0, 3.0]})
    log = log_of(Table("log.parquet", frame, 1), LogConfig(event=None, clean=Cleaning(missing="drop")))
    assert (log.users.tolist(), log.times.tolist()) == (["a"], [1.0])


def test_rows_that_repeat_another_are_dropped_and_counted():
    """The first of them stays where it is; events of one time that differ in a field are no repetition."""
    log = read([*CLEAN, CLEAN[5], CLEAN[0], CLEAN[3], CLEAN[0]], Cleaning(duplicates="drop"))
    assert rows_of(log) == CLEAN
    assert log.dropped.notes == ("dropped 4 rows that repeat another",)
    assert read([*CLEAN, CLEAN[0]], Cleaning(duplicates="drop")).dropped.notes == (
        "dropped 1 row that repeats another",
    )


def test_a_column_that_is_not_read_does_not_tell_rows_apart():
    rows = [("a", 10.0, "look", 1.0), ("a", 10.0, "look", 2.0), ("b", 10.0, "look", 2.0)]
    config = LogConfig(fields=(), clean=Cleaning(duplicates="drop"))
    assert log_of(table(rows), config).users.tolist() == ["a", "b"]
    assert log_of(table(rows), config).lengths.tolist() == [1, 1]


def test_users_that_are_too_fast_are_dropped_whole_and_counted():
    """Four events within less than a minute are more than three; with the fourth after a whole minute they aren't."""
    bot = [("bot", time, "look", 1.0) for time in (5.0, 900.0, 910.0, 920.0, 959.0, 5000.0)]
    keen = [("keen", time, "look", 1.0) for time in (900.0, 910.0, 920.0, 960.0)]
    log = read([*bot, *CLEAN[3:], *keen], Cleaning(most_per_minute=3))
    assert rows_of(log) == [*CLEAN[3:], *keen]
    assert log.dropped.notes == ("dropped 1 user with 6 events: more than 3 events within a minute",)


def test_what_was_logged_twice_makes_nobody_a_bot():
    log = read([*CLEAN[3:], *CLEAN[3:], *CLEAN[3:]], ALL)
    assert rows_of(log) == CLEAN[3:]
    assert log.dropped.notes == ("dropped 6 rows that repeat another",)


def test_fast_users_are_those_that_counting_finds():
    """Against a window that starts at each event in turn."""
    generator = np.random.default_rng(3)
    owners = np.sort(generator.integers(0, 40, 400))
    times = np.concatenate([np.sort(generator.integers(0, 900, (owners == owner).sum())) for owner in range(40)])
    for most in (1, 2, 3, 4, 500):
        counted = {
            owner
            for owner, time in zip(owners, times, strict=True)
            if ((owners == owner) & (times >= time) & (times < time + 60)).sum() > most
        }
        assert set(hasty(times.astype(float), owners, most)) == counted


def test_what_is_dropped_of_two_logs_adds_up():
    """Those of users apart, as the parts of a large log are."""
    rows = [*CLEAN, ("a", None, "look", 1.0), ("b", 1.0, None, 1.0), CLEAN[0], CLEAN[4]]
    rows += [("bot", float(k), "look", 1.0) for k in range(5)] + [(user, 99.0, "buy", None) for user in "dde"]
    parts = [read([row for row in rows if (row[0] in "ad") == first], ALL).dropped for first in (True, False)]
    assert sum(parts, Dropped()).notes == read(rows, ALL).dropped.notes
    assert len(read(rows, ALL).dropped.notes) == 3


def test_notes_name_nobody_and_no_value():
    rows = [("secret", float(time), "look", 123.25) for time in range(1, 9)]
    notes = " ".join(read([*rows, *rows, (None, 1.0, "look", 123.25), *CLEAN[3:]], ALL).dropped.notes)
    assert "dropped" in notes
    assert not any(word in notes for word in ("secret", "look", "123"))


def test_what_is_wrong_is_told_by_its_line_in_the_file():
    """Behind rows that were dropped, one with a line break in it."""
    text = 'user,time,event\n,1,"e\ne"\nu,1,e\n,2,e\nu,soon,e\n'
    frame = pl.read_csv(text.encode(), infer_schema=False)
    with pytest.raises(
        InputError, match=r"line 6: column 'time' must hold a time .* received what is spelled like 'xxxx'"
    ):
        log_of(Table("log.csv", frame, 2), LogConfig(clean=Cleaning(missing="drop")))


@pytest.mark.parametrize(
    ("rows", "clean", "words"),
    [
        ([(None, 1.0, "look", 1.0)] * 3, ALL, "no row with user, time, event all filled, received 3 rows: pass"),
        (CLEAN[:3], Cleaning(most_per_minute=2), "no user left, received 1 user, all with more than 2 events"),
        ([("a", 86400.0, "look", 1.0)], ALL, "times with a clock where most_per_minute is set, received dates"),
    ],
)
def test_a_log_of_which_nothing_is_left_is_refused_in_one_sentence(rows, clean, words):
    with pytest.raises(InputError, match=words) as refused:
        read(rows, clean)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("row", [(None, 1.0, "look", 1.0), ("a", None, "look", 1.0), ("a", 1.0, None, 1.0)])
def test_a_row_that_lacks_something_is_refused_with_the_way_out(row):
    with pytest.raises(InputError, match=r"line 3: .*mend the row, or .* --drop-missing") as refused:
        read([CLEAN[0], row], Cleaning())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("wrong", [{"missing": "Drop"}, {"duplicates": "refuse"}, {"most_per_minute": 0}])
def test_a_cleaning_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValueError, match=r"must be .*, received"):
        Cleaning(**wrong)


@given(ROWS)
@settings(deadline=None)
def test_cleaning_drops_what_counting_finds_and_twice_is_once(rows):
    """The frame that is cleaned, cleaned again, is the same without a note; and it is what loops over rows leave."""
    once = frame_of(rows)
    if once is None:
        return
    frame, _ = once
    left = sorted((row for row in rows if None not in row[:3]), key=lambda row: row[:2])
    left = list(dict.fromkeys(left))
    starts = {row[0]: [other[1] for other in left if other[0] == row[0]] for row in left}
    bots = {user for user, times in starts.items() if any(sum(t <= o < t + 60 for o in times) > 3 for t in times)}
    assert frame.rows() == [row for row in left if row[0] not in bots]
    again, dropped = cleaned(frame, ALL, "log")
    assert again.equals(frame)
    assert dropped == Dropped()


@given(ROWS)
@settings(deadline=None)
def test_a_clean_log_stays_as_it_is(rows):
    found = frame_of(rows)
    if found is None:
        return
    kept, plain = (
        log_of(Table("log.csv", found[0], 2), LogConfig(fields=("price",), clean=clean)) for clean in (ALL, Cleaning())
    )
    assert kept.dropped.notes == plain.dropped.notes == ()
    assert kept.users.tolist() == plain.users.tolist()
    assert kept.starts.tolist() == plain.starts.tolist()
    assert rows_of(kept) == rows_of(plain)


def frame_of(rows):
    """What is left of rows and how much was dropped, or None where that is nothing."""
    try:
        whole, _ = whole_rows(table(rows), {name: name for name in HEADER[:3]}, ALL)
        return cleaned(whole.frame.sort("user", "time", maintain_order=True), ALL, "log")
    except InputError:
        return None


def test_values_that_training_copes_with_are_counted(logs):
    """Of 2,000 prices a fifth is missing, and two of the others lie beyond each bound."""
    prices = np.arange(2000.0)
    prices[::5] = np.nan
    shops = np.resize(["north", "south"], 2000)
    shops[0] = ""
    fields = {"shop": shops, "price": prices, "size": np.resize([1.0, 2.0], 2000)}
    log = logs(*[[(60.0 * k, "look") for k in range(1000)]] * 2, fields=fields)
    seen = np.ones(2000, bool)
    spec, _ = fit_spec(log, seen, 1)
    assert handled(log, seen, spec) == (
        "values that are missing, which are learned as unknown: price 20.0 %, shop less than 0.1 %",
        "outliers in the training data, which are clipped to the bounds of nearly all values: price 0.2 %",
    )
    assert handled(log, (np.arange(2000) % 5 == 1) & (prices > 10) & (prices < 1900), spec) == ()


@pytest.mark.skipif(not os.environ.get("NEARSIGHT_DATA"), reason="NEARSIGHT_DATA isn't set, so there is no shop")
def test_a_real_shop_with_rows_of_nobody(tmp_path):
    """UCI's table: 541,909 lines, of which 135,080 name no customer and 5,225 are there twice (Chen, Sain & Guo)."""
    raw = Path(os.environ["NEARSIGHT_DATA"], "online_retail", "retail_session.parquet.snappy")
    (tmp_path / "lines.parquet").symlink_to(raw)
    config = LogConfig(
        user="CustomerID", time="InvoiceDate", event=None, clean=Cleaning(missing="drop", duplicates="drop")
    )
    log = read_log(tmp_path / "lines.parquet", config)
    assert (len(log.times), len(log.users)) == (541_909 - 135_080 - 5_225, 4_372)
    assert log.dropped.notes == (
        "dropped 135,080 of 541,909 rows: they lack a user",
        "dropped 5,225 rows that repeat another",
    )
