"""Coarsened times: the desk and the device floor alike, and nothing finer reaches a model."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import made_up
import nearsight
from nearsight.bundle import Bundle, write_bundle
from nearsight.cursor import Cursor
from nearsight.errors import InputError
from nearsight.features import Encoder
from nearsight.spec import Spec
from nearsight.values import floored
from nearsight_training.columns import Table
from nearsight_training.config import Cleaning, LogConfig, Target
from nearsight_training.declaration import read_declaration
from nearsight_training.log import log_of
from nearsight_training.preparation import prepare
from strategies import histories

HOUR = 3600.0
STEPS = st.sampled_from([1.0, 60.0, HOUR, 6 * HOUR, 86_400.0, 7 * 86_400.0])


def coarse_spec(step: float) -> Spec:
    spec = made_up.spec()
    return replace(spec, clock=replace(spec.clock, coarsen_seconds=step))


@given(st.lists(st.floats(-6e10, 2.5e11), min_size=1, max_size=9), STEPS)
def test_one_time_and_a_column_are_floored_to_the_same_bits(times, step):
    column = floored(np.array(times), step)
    assert column.tolist() == [floored(time, step) for time in times]
    assert floored(column, step).tolist() == column.tolist()
    assert ((column <= times) & (np.array(times) - column < step + 1e-4)).all()


@given(histories(), STEPS)
def test_the_device_sees_what_it_would_see_of_times_floored_before(history, step):
    exact, coarse = Encoder(made_up.spec()), Encoder(coarse_spec(step))
    cursors = [Cursor(), Cursor()]
    for name, time, fields in history:
        seen, told = coarse.seconds(time), exact.seconds(float(time // step * step))
        assert seen == told
        rows = [coarse.event(name, seen, fields, cursors[0]), exact.event(name, told, fields, cursors[1])]
        assert [part.tolist() for part in rows[0]] == [part.tolist() for part in rows[1]]
        for cursor in cursors:
            cursor.advance(seen)


def test_nothing_finer_is_kept_on_the_device(tmp_path: Path) -> None:
    made = made_up.bundle()
    write_bundle(tmp_path / "a.nsight", Bundle(replace(made.manifest, spec=coarse_spec(HOUR)), made.members))
    insight = nearsight.load(tmp_path / "a.nsight", runtime="numpy")
    sessions = [insight.session(), insight.session()]
    for turn in range(5):
        hour = 1.7e9 // HOUR * HOUR + turn * HOUR
        sessions[0].observe("view", hour + 17.25)
        sessions[1].observe("view", hour + 3599.0)
    assert sessions[0].snapshot() == sessions[1].snapshot()
    assert dict(sessions[0].score(hour + 9000.0)) == dict(sessions[1].score(hour + 7201.0))
    many = insight.score_many([[("view", hour + 1)], [("view", hour + 3000)]], time=hour + 9000)
    assert len(set(many["purchase"].tolist())) == 1


def shop(offset: float) -> Table:
    """Four events a day of sixty users, each `offset` seconds into an hour."""
    rng = np.random.default_rng(5)
    rows = [
        (f"u{user}", 1.7e9 // HOUR * HOUR + HOUR * (6 * turn + 30 * user) + offset, str(name))
        for user in range(60)
        for turn, name in enumerate(rng.choice(["view", "purchase"], 40, p=[0.8, 0.2]))
    ]
    return Table("log.csv", pl.DataFrame(rows, ["user", "time", "event"], orient="row"), 2)


CONFIG = LogConfig(
    targets=(Target(name="buys", events=("purchase",), within_seconds=12 * HOUR),),
    split="user",
    coarsen_seconds=HOUR,
)


def test_training_learns_from_floored_times_and_tells_the_device(tmp_path: Path) -> None:
    early, late = (prepare(log_of(shop(offset), CONFIG), CONFIG) for offset in (3.5, 3598.0))
    assert early.spec == late.spec
    assert early.spec.clock.coarsen_seconds == HOUR
    assert (early.histories.times % HOUR == 0).all()
    for name in ("codes", "numbers", "labels", "ask_numbers", "ask_labels"):
        np.testing.assert_array_equal(getattr(early.histories, name), getattr(late.histories, name))


def test_a_silence_is_asked_about_as_the_device_asks() -> None:
    found = prepare(log_of(shop(3.5), CONFIG), CONFIG)
    encoder, told = Encoder(found.spec), found.histories
    assert len(told.ask_time)
    for place in range(0, len(told.ask_time), 97):
        first = told.starts[told.ask_history[place]]
        cursor = Cursor()
        for time in told.times[first : first + told.ask_after[place]].tolist():
            cursor.advance(time)
        codes, numbers = encoder.now(encoder.seconds(float(told.ask_time[place])), cursor)
        assert (codes.tolist(), numbers.tolist()) == (
            [told.ask_codes[place].tolist()],
            [told.ask_numbers[place].tolist()],
        )


def test_events_within_a_step_keep_their_order_and_bots_are_told_by_exact_times() -> None:
    rows = [("a", HOUR + 50 * turn, f"e{turn}") for turn in (3, 1, 0, 2)] + [
        ("b", HOUR + turn, "e0") for turn in range(9)
    ]
    table = Table("log.csv", pl.DataFrame(rows, ["user", "time", "event"], orient="row"), 2)
    log = log_of(table, LogConfig(coarsen_seconds=HOUR, clean=Cleaning(most_per_minute=5)))
    assert log.users.tolist() == ["a"]
    assert log.names.tolist() == ["e0", "e1", "e2", "e3"]
    assert log.times.tolist() == [HOUR] * 4


def test_a_declaration_says_how_coarse(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text('[log]\ncoarsen = "1h"\nallow = ["note"]\n')
    config = read_declaration(path).config()
    assert (config.coarsen_seconds, config.allowed) == (HOUR, ("note",))


@pytest.mark.parametrize("step", ["0.5s", "367d", "often"])
def test_a_step_that_makes_no_sense_is_refused(step: str, tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(f'[log]\ncoarsen = "{step}"\n')
    with pytest.raises(InputError, match=step):
        read_declaration(path).config()
