import math
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import made_up
from nearsight import EventError, features, formulas
from nearsight.cursor import Cursor, segment_starts
from nearsight.features import Encoder
from nearsight.formulas import COLUMNS
from nearsight.names import Names
from nearsight.spec import Category, Clock, Number, Reset, Spec, Steps
from strategies import histories

ENCODER = Encoder(made_up.spec())


def one_by_one(encoder, events):
    cursor, rows = Cursor(), []
    for name, time, fields in events:
        rows.append(encoder.event(name, time, fields, cursor))
        code = int(rows[-1][0][0, 0])
        cursor.advance(time, code if code in encoder.counted else None)
    return [np.concatenate(part) for part in zip(*rows, strict=True)]


def as_columns(encoder, several):
    events = [event for events in several for event in events]
    lengths = [len(events) for events in several]
    starts = np.cumsum([0, *lengths[:-1]])
    fields = {field: [fields.get(field) for _, _, fields in events] for field in encoder.spec.fields}
    return encoder.columns([event[0] for event in events], np.array([event[1] for event in events]), fields, starts)


@given(st.lists(histories(), min_size=1, max_size=4))
def test_columns_equal_single_events_bit_for_bit(several):
    singly = [one_by_one(ENCODER, events) for events in several]
    for columns, rows in zip(as_columns(ENCODER, several), zip(*singly, strict=True), strict=True):
        assert columns.tobytes() == np.concatenate(rows).tobytes()


@given(st.lists(histories(), min_size=1, max_size=4))
def test_names_are_encoded_as_their_strings_are(several):
    events = [(name, {"device": fields.get("device") or ""}) for events in several for name, _, fields in events]
    starts = np.cumsum([0, *(len(events) for events in several[:-1])])
    times = np.array([time for events in several for _, time, _ in events])
    names, devices = [name for name, _ in events], [fields["device"] for _, fields in events]
    strings = ENCODER.columns(names, times, {"device": devices}, starts)
    coded = ENCODER.columns(Names.of(names), times, {"device": Names.of(devices)}, starts)
    assert [part.tobytes() for part in strings] == [part.tobytes() for part in coded]


def test_more_rows_than_are_worked_out_at_once_are_the_same(monkeypatch):
    generator = np.random.default_rng(1)
    times, starts = np.sort(generator.uniform(0, 1e9, 50)), np.array([0, 20])
    given_fields = {"price": generator.lognormal(2, 1, 50)}
    whole = ENCODER.columns(["cart"] * 50, times, given_fields, starts)[1]
    counts = [times % 7, times % 5]
    now = ENCODER.now_columns(times, times, counts)[1]
    monkeypatch.setattr(features, "_AT_ONCE", 7)
    assert ENCODER.columns(["cart"] * 50, times, given_fields, starts)[1].tobytes() == whole.tobytes()
    assert ENCODER.now_columns(times, times, counts)[1].tobytes() == now.tobytes()


def test_a_logarithm_of_numpys_own_is_not_used(monkeypatch):
    """As with AVX-512: it differs from the C library's in the last bit of some values."""
    x = np.random.default_rng(1).lognormal(3, 3, 1000)
    rounded = np.log1p
    monkeypatch.setattr(np, "log1p", lambda x: np.where(x % 1 < 0.03, np.nextafter(rounded(x), 0), rounded(x)))
    formulas._is_shared.cache_clear()
    try:
        assert COLUMNS.log1p(x).tolist() == [math.log1p(each) for each in x.tolist()]
    finally:
        formulas._is_shared.cache_clear()


def test_a_row_by_hand():
    # 2024-01-03 06:00 UTC, a Wednesday; 100 s after an event that was 1,000 s after the first
    time = 1_704_261_600.0
    cursor = Cursor(first_time=time - 1100, last_time=time - 100, count=2, counts={1: 2})
    fields = {"device": "desktop", "age": 30, "price": 20.0, "balance": 50.0}
    codes, numbers = ENCODER.event("cart", time, fields, cursor)
    assert codes.tolist() == [[2, 2, 3]]
    clock = made_up.spec().clock
    expected = {
        "first": 0.0,
        "gap": (math.log(101) - clock.gap.mean) * clock.gap.scale,
        "age": (math.log(1101) - clock.age.mean) * clock.age.scale,
        "hour_sin": math.sin(math.pi / 2),
        "hour_cos": 0.0,
        "weekday_sin": math.sin(2 * math.pi * 2 / 7),
        "weekday_cos": math.cos(2 * math.pi * 2 / 7),
        "season_sin": math.sin(2 * math.pi / 365.2425),  # 19,725 days less 54 years are 1.9 days
        "season_cos": math.cos(2 * math.pi / 365.2425),
        "purchase_so_far": (math.log(1) - 0.4) * 1.5,
        "view_so_far": (math.log(3) - 0.9) * 2.0,
        "price": (math.log(21) - 2.5) * 0.8,
        "price_missing": 0.0,
        "balance": (10.0 - 1.0) * 0.25,  # clipped
    }
    assert ENCODER.spec.number_names == tuple(expected)
    assert numbers[0] == pytest.approx(list(expected.values()), abs=1e-6)


@pytest.mark.parametrize(("name", "code"), [("view", 1), ("cart", 2), ("never seen", 0)])
def test_a_runtimes_memory_is_filled_as_arrays_are(name, code):
    tensors = ENCODER.empty()
    memory = tuple(memoryview(tensor.data).cast("B") for tensor in tensors)
    event = name, 1.7e9, {"device": "desktop", "price": 20.0}, Cursor(1.6e9, 1.65e9, 3)
    assert ENCODER.fill(memory, *event) == code
    for filled, expected in zip(tensors, ENCODER.event(*event), strict=True):
        np.testing.assert_array_equal(filled, expected)


def test_unknown_names_and_missing_values():
    codes, numbers = ENCODER.event("never seen", 1.7e9, {"device": None}, Cursor())
    row = dict(zip(ENCODER.spec.number_names, numbers[0].tolist(), strict=True))
    assert codes.tolist() == [[0, 0, 0]]
    assert (row["first"], row["price"], row["price_missing"], row["balance"]) == (1.0, 0.0, 1.0, 0.0)


def test_a_missing_name_is_not_the_name_of_something_missing():
    """A log may well hold the words that a language has for nothing."""
    words = Category(name="kind", vocabulary=("None", "nan", "null", "x"))
    encoder = Encoder(Spec(event=Category(name="event", vocabulary=("e",)), categories=(words,)))
    singly = [encoder.event("e", 0.0, {"kind": kind}, Cursor())[0][0, 1] for kind in (None, "None", "x")]
    assert singly == [encoder.event("e", 0.0, {}, Cursor())[0][0, 1], 1, 4] == [0, 1, 4]
    together = encoder.columns(["e"] * 3, None, {"kind": [None, "None", "x"]}, np.array([0]))
    assert together[0][:, 1].tolist() == [0, 1, 4]


def test_the_now_row_knows_the_time_that_passed_and_the_counts_and_nothing_else():
    time = 1.7e9
    cursor = Cursor(first_time=time - 5000, last_time=time - 4000, count=3, counts={1: 1, 3: 2})
    codes, numbers = ENCODER.now(time, cursor)
    event = ENCODER.event("cart", time, {}, cursor)[1]
    assert codes.tolist() == [[len(made_up.EVENTS) + 1, 0, 0]]
    assert numbers[0, :3].tolist() == event[0, :3].tolist()
    assert not numbers[0, 3:9].any()
    assert numbers[0, 9:11].tolist() == event[0, 9:11].tolist() != [0.0, 0.0]
    assert not numbers[0, 11:].any()


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.integers(0, 9))
def test_now_columns_equal_single_now_rows(gap, more, views):
    cursor = Cursor(first_time=0.0, last_time=more, count=9, counts={1: views})
    together = ENCODER.now_columns(np.array([gap]), np.array([more + gap]), [np.zeros(1), np.array([float(views)])])
    singly = ENCODER.now(more + gap, cursor)
    assert cursor.gap(more + gap) == pytest.approx(gap, rel=1e-6, abs=1e-6)
    assert together[0].tolist() == singly[0].tolist()
    assert together[1] == pytest.approx(singly[1], abs=1e-6)


def test_steps_scale_by_position_like_the_wide_table():
    steps = Steps(name="value", lows=(0.0, 10.0, 5.0), highs=(2.0, 30.0, 5.0))
    encoder = Encoder(Spec(event=Category(name="event", vocabulary=("step",)), steps=steps))
    values, expected = [1.0, 25.0, 7.0, 5.0, None], [0.5, 0.75, 0.0, 0.0, 0.0]
    numbers = encoder.columns(["step"] * 5, None, {"value": values}, np.array([0]))[1]
    assert numbers[:, 0].tolist() == expected
    singly = [encoder.event("step", 0.0, {"value": v}, Cursor(count=i))[1][0, 0] for i, v in enumerate(values)]
    assert singly == expected


@given(
    st.lists(histories(most=15), min_size=1, max_size=3), st.none() | st.integers(1, 4), st.none() | st.just(10_000.0)
)
def test_segments_begin_where_a_session_would_reset(several, max_events, gap_seconds):
    reset = Reset(max_events=max_events, gap_seconds=gap_seconds)
    expected, events = [], 0
    for history in several:
        cursor = Cursor()
        for _, time, _ in history:
            if cursor.count == 0 or reset.due(cursor.count, cursor.gap(time)):
                expected.append(events)
                cursor = Cursor()
            cursor.advance(time)
            events += 1
    lengths = [len(history) for history in several]
    times = np.array([time for history in several for _, time, _ in history])
    starts = np.cumsum([0, *lengths[:-1]])
    assert segment_starts(reset, times, starts, events).tolist() == expected


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([10_000.0, 10_001.0], [0, 2]),  # as long as allowed, and one second more
        ([-30.0, 10_020.0], [0]),  # since the latest time so far, which the clock then left, only 9,990 s have passed
        ([-30.0, 10_031.0], [0, 2]),
    ],
)
def test_a_history_begins_anew_after_more_than_the_gap_since_the_latest_time(gaps, expected):
    times = np.cumsum([1.7e9, *gaps])
    assert segment_starts(Reset(gap_seconds=10_000.0), times, np.array([0]), 3).tolist() == expected


SECRET = "4111-1111-1111-1111"


@pytest.mark.parametrize(
    ("event", "time", "fields", "named"),
    [
        (7.5, 1.7e9, {}, ("event", "float")),
        (None, 1.7e9, {}, ("event", "NoneType")),
        ("view", None, {}, ("time", "none")),
        ("view", math.nan, {}, ("time", "none")),
        ("view", math.inf, {}, ("time", "infinite")),
        ("view", SECRET, {}, ("time", "str")),
        ("view", 1.77e12, {}, ("time must be in seconds since 1970", "outside of the years", "milliseconds")),
        ("view", -1.77e12, {}, ("time must be in seconds since 1970", "outside of the years")),
        ("view", datetime(2024, 1, 3, tzinfo=UTC), {}, ("time", "datetime", ".timestamp()")),
        ("view", 1.7e9, {"price": SECRET}, ("price", "str")),
        ("view", 1.7e9, {"price": True}, ("price", "bool")),
        ("view", 1.7e9, {"price": -math.inf}, ("price", "infinite")),
        ("view", 1.7e9, {"device": [SECRET]}, ("device", "list")),
        ("view", 1.7e9, {"device": True}, ("device", "bool", "pass that name")),
        (True, 1.7e9, {}, ("event", "bool", "pass that name")),
    ],
)
def test_unusable_parts_are_named_without_their_value(event, time, fields, named):
    with pytest.raises(EventError) as singly:
        ENCODER.event(event, ENCODER.seconds(time), fields, Cursor())
    with pytest.raises(EventError) as together:
        as_columns(ENCODER, [[("view", 1.7e9, {}), (event, time, fields)]])
    for message in (str(singly.value), str(together.value)):
        assert all(word in message for word in named)
        assert SECRET not in message


@pytest.mark.parametrize("time", [-62_135_596_800, 0, 253_402_300_799])
def test_any_time_that_a_date_can_say_is_one(time):
    assert ENCODER.seconds(time) == time == ENCODER.times([time])[0]
    for beyond in (time - 1e12, time + 1e12):
        with pytest.raises(EventError, match="years 1 to 9999"):
            ENCODER.times([time, beyond])


def test_a_bool_is_called_as_in_a_column_of_bools():
    encoder = Encoder(
        Spec(event=Category(name="event", vocabulary=("e",)), categories=(Category(name="vip", vocabulary=("true",)),))
    )
    singly = [encoder.event("e", 0.0, {"vip": vip}, Cursor())[0][0, 1] for vip in (True, False, "true")]
    assert singly == encoder.columns(["e"] * 3, None, {"vip": [True, False, "true"]}, np.array([0]))[0][:, 1].tolist()
    assert singly == [1, 0, 1]


@pytest.mark.parametrize(
    "build",
    [
        lambda: Category(name="a", vocabulary=("x", "x")),
        lambda: Number(name="a", low=2.0, high=1.0),
        lambda: Number(name="a", low=float("nan"), high=1.0),
        lambda: Number(name="a", low=-1.0, high=1.0, edges=(0.0, 1.0, 1.0)),
        lambda: Number(name="a", low=-1.0, high=1.0, edges=(0.0, float("nan"))),
        lambda: Number(name="a", low=-1.0, high=1.0, edges=(0.0,)),
        lambda: Steps(name="a", lows=(1.0,), highs=()),
        lambda: Clock(gap=Number(name="gap", low=1.0, high=0.0), age=Number(name="age", low=0.0, high=1.0)),
    ],
)
def test_impossible_specifications_are_refused(build):
    with pytest.raises(ValueError, match=r"."):
        build()


def test_a_specification_written_before_seasons_groups_and_counts_gives_the_rows_that_it_gave():
    """What an earlier version wrote into a bundle, and what it made of these events."""
    written = (
        b'{"event":{"name":"event","vocabulary":["view","cart","purchase"]},"categories":[{"name":"device",'
        b'"vocabulary":["phone","desktop"]}],"numbers":[{"name":"price","low":0.0,"high":500.0,"log":true,"mean":2.5,'
        b'"scale":0.8,"flag":true},{"name":"balance","low":-10.0,"high":10.0,"log":false,"mean":1.0,"scale":0.25,'
        b'"flag":false}],"steps":null,"clock":{"gap":{"name":"gap","low":0.0,"high":7776000.0,"log":true,"mean":9.0,'
        b'"scale":0.3,"flag":false},"age":{"name":"age","low":0.0,"high":34560000.0,"log":true,"mean":11.0,"scale":0.4,'
        b'"flag":false},"hour":true,"weekday":true},"reset":{"gap_seconds":null,"max_events":null}}'
    )
    events = [
        ("view", 1_700_000_000.0, {"device": "phone", "price": 19.9}),
        ("cart", 1_700_000_100.5, {"balance": -3.25}),
        ("never seen", 1_700_900_000.0, {"device": "fridge", "price": 1e6, "balance": 7}),
    ]
    clock = [
        [1.0, -2.70000005, -4.4000001, -0.5, 0.866025388, 0.781831503, 0.623489797],
        [0.0, -1.31398237, -2.55197644, -0.5, 0.866025388, 0.781831503, 0.623489797],
        [0.0, 1.41301179, 1.08406043, 0.866025388, -0.5, -0.974927902, -0.222520933],
    ]
    fields = [[0.431799322, 0.0, 0.0], [0.0, 1.0, -1.0625], [2.97328496, 0.0, 1.5]]
    encoder = Encoder(msgspec.json.decode(written, type=Spec))
    codes, numbers = one_by_one(encoder, events)
    assert codes.tolist() == [[1, 1], [2, 0], [0, 0]]
    assert np.array_equal(numbers, np.array([[*a, *b] for a, b in zip(clock, fields, strict=True)], np.float32))
    now = encoder.now(1_700_950_000.0, Cursor(1_700_000_000.0, 1_700_900_000.0, 3))
    assert now[0].tolist() == [[4, 0]]
    assert np.array_equal(now[1][0], np.array([0.0, 0.545939505, 1.10568738, *[0.0] * 7], np.float32))


@pytest.mark.parametrize(
    "bounds",
    [
        {"low": 0.0, "high": 1e39},
        {"low": -1e308, "high": 0.0, "mean": 1e308},
        {"low": 0.0, "high": 9.0, "scale": 1e300},
        {"low": 0.0, "high": 1.0, "mean": 1e39},
    ],
)
def test_a_number_that_a_row_cant_hold_is_refused(bounds):
    with pytest.raises(ValueError, match="larger than a row can hold"):
        Number(name="price", **bounds)
    assert Number(name="price", low=0.0, high=1e300, log=True).high == 1e300
