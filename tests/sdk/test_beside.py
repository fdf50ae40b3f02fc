"""What a reading offers beside the heads: segment, surprise and, of the session, the profile."""

import math
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import made_up
from nearsight import EventError, SnapshotError
from nearsight.backends.reference import load as numpy_backend
from nearsight.bundle import read_bundle, write_bundle
from nearsight.insight import Insight
from nearsight.manifest import Manifest
from nearsight.profile import Profile, Tally, Traits, profiled
from nearsight.session import Model
from nearsight.spec import Reset
from nearsight.surprise import excess_bits
from nearsight.testing import scripted
from strategies import histories

DAY = made_up.DAY
MONDAY = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
RESETS = st.builds(Reset, gap_seconds=st.none() | st.just(10_000.0), max_events=st.none() | st.integers(1, 3))


def loaded(made):
    return Insight(made.manifest, Model(numpy_backend(made.members["step.npz"], made.manifest.trunk), made.manifest))


def insight(reset=Reset()):
    return loaded(made_up.beside(made_up.bundle(reset)))


def observed(model, events):
    session = model.session()
    return session, [session.observe(name, time, **fields) for name, time, fields in events]


@given(RESETS, st.lists(histories(), min_size=1, max_size=5))
def test_segments_of_many_equal_those_of_single_sessions(reset, several):
    model = insight(reset)
    singles = [observed(model, events)[1][-1].segment for events in several]
    readings = model.score_many(several)
    assert readings.segments == singles
    assert [readings.reading(place).segment for place in range(len(several))] == singles


@given(st.integers(0, 2**32 - 1))
def test_a_segment_is_the_nearest_centre(seed):
    """Folded: |e - c|² = |e|² - 2 (c · e - |c|² / 2), and the first part is the same for all centres."""
    rng = np.random.default_rng(seed)
    bundle = made_up.beside(made_up.bundle())
    reading = observed(loaded(bundle), [("view", 1.7e9 + rng.uniform(0, 1e6), {"price": rng.uniform(0, 400)})])[1][0]
    apart = [np.linalg.norm(reading.embedding - np.array(each.weights)) for each in bundle.manifest.segments]
    assert reading.segment == bundle.manifest.segments[int(np.argmin(apart))].name


@given(histories(least=2), RESETS)
def test_a_snapshot_keeps_profile_and_surprise(events, reset):
    model = insight(reset)
    half = len(events) // 2
    session, _ = observed(model, events[:half])
    restored = model.session(session.snapshot())
    for name, time, fields in events[half:]:
        after, expected = restored.observe(name, time, **fields), session.observe(name, time, **fields)
        assert (after.surprise, after.unusual, after.segment) == (expected.surprise, expected.unusual, expected.segment)
        assert restored.profile() == session.profile()
    assert restored.snapshot() == session.snapshot()


def test_a_snapshot_of_the_first_format_goes_on_with_an_empty_tally():
    model, plain = insight(), loaded(made_up.bundle())
    events = [("view", 1.7e9, {}), ("cart", 1.7e9 + 60, {})]
    old = msgspec.msgpack.decode(observed(plain, events)[0].snapshot())[:4]
    restored = model.session(msgspec.msgpack.encode([1, *old[1:]]))
    assert restored.count == 2
    assert restored.profile().count == 0
    assert restored.observe("view", 1.7e9 + 120).surprise == 0.0
    assert restored.profile().count == 1


@pytest.mark.parametrize(
    ("part", "value"),
    [
        (4, [{99: 2}, [0] * 27 + [2], 1, 1.7e9, 1.7e9]),
        (4, [{1: 2}, [0] * 27 + [3], 1, 1.7e9, 1.7e9]),
        (4, [{1: 2}, [0] * 27 + [2], 0, 1.7e9, 1.7e9]),
        (4, [{1: 2}, [0] * 27 + [2], 1, 1.7e9, math.nan]),
        (4, [{1: 2}, [2], 1, 1.7e9, 1.7e9]),
        (5, [b"\0" * 4, []]),
        (5, [b"\0" * 20, [math.inf]]),
    ],
)
def test_a_tally_or_an_expectation_that_cannot_be_is_refused(part, value):
    session, _ = observed(insight(), [("view", 1.7e9, {}), ("cart", 1.7e9 + 60, {})])
    parts = msgspec.msgpack.decode(session.snapshot(), strict=False)
    parts[part] = value
    with pytest.raises(SnapshotError):
        insight().session(msgspec.msgpack.encode(parts))


def test_a_model_without_them_offers_none_and_keeps_nothing():
    session, readings = observed(loaded(made_up.bundle()), [("view", 1.7e9, {}), ("cart", 1.7e9 + 60, {})])
    assert (readings[-1].segment, readings[-1].surprise, readings[-1].unusual, session.profile()) == (None,) * 4
    assert msgspec.msgpack.decode(session.snapshot())[4:] == [None, None]
    many = loaded(made_up.bundle()).score_many([[("view", 1.7e9)]])
    assert many.segments is None
    assert scripted([{"a": 0.5}]).session().observe("x", time=0.0).segment is None


@given(histories(least=2, most=16), RESETS)
def test_surprise_by_hand(events, reset):
    """Each event under the reading before it, by the definition, over the last ten of them."""
    session, readings = observed(insight(reset), events)
    bits = []
    for before, (name, _, _) in zip(readings, events[1:], strict=False):
        chances = dict(before.next(3))
        expected = -sum(p * math.log2(p) for p in chances.values())
        bits.append(-math.log2(chances.get(name, min(chances.values()))) - expected)
    assert readings[-1].surprise == pytest.approx(sum(bits[-10:]) / (len(bits[-10:]) + 3), abs=1e-5)
    assert readings[-1].unusual == (readings[-1].surprise > made_up.ALARM.threshold)
    assert readings[0].surprise == 0.0
    assert session.score(1.9e9).surprise == readings[-1].surprise


def test_a_reading_keeps_its_surprise_when_the_next_event_comes():
    model, events = insight(), [("view", 1.7e9 + 60 * k, {}) for k in range(30)]
    _, at_once = observed(model, events)
    session, kept = model.session(), []
    for name, time, fields in events:
        kept.append(session.observe(name, time, **fields).surprise)
    assert [reading.surprise for reading in at_once] == kept


def test_excess_by_hand():
    """A quarter carries 2 bits; of (1/2, 1/4, 1/4), 1.5 are expected. What is unknown is the least likely."""
    chances = np.array([[0.5, 0.25, 0.25]] * 3)
    assert excess_bits(chances, np.array([0, 1, -1])) == pytest.approx([-0.5, 0.5, 0.5])
    assert excess_bits(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx([-math.log2(1e-6)])


def test_traits_by_hand():
    """Two visits on a Monday evening and one on the Saturday after, five days and two hours later."""
    tally = Tally()
    evening = MONDAY + 20 * 3600
    for code, time in ((1, evening), (1, evening + 60), (2, evening + 4000), (0, evening + 5 * DAY - 6 * 3600)):
        tally.add(code, time)
    found = tally.traits(4)
    assert found.events == (0.25, 0.5, 0.25, 0.0)
    assert found.parts == (0.0, 0.0, 0.25, 0.75)
    assert (found.weekend, found.per_visit) == (0.25, 4 / 3)
    assert found.between_seconds == pytest.approx((5 * DAY - 6 * 3600) / 2)


def test_a_clock_that_jumps_back_begins_no_visit():
    tally = Tally()
    for time in (MONDAY, MONDAY - DAY, MONDAY + 60):
        tally.add(1, time)
    assert (tally.visits, tally.last_time) == (1, MONDAY + 60)


@given(st.integers(-62_000_000_000, 200_000_000_000))
def test_the_part_of_the_week_is_the_calendars(time):
    tally = Tally()
    tally.add(1, float(time))
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time)
    assert tally.week[4 * moment.weekday() + moment.hour // 6] == 1


def test_a_profile_reads_like_a_sentence():
    tally = Tally()
    for day in range(5):
        for minute in (0, 5, 10):
            tally.add(1 if minute else 2, MONDAY + 2 * day * DAY + 19 * 3600 + 60 * minute)
    average = Traits(
        events=(0.0, 0.41, 0.3, 0.29), parts=(0.1, 0.3, 0.3, 0.3), weekend=0.5, per_visit=2.0, between_seconds=6 * DAY
    )
    found = profiled(tally, ("page", "cart", "purchase"), average)
    assert str(found) == (
        "mostly page (67 % of 15 events, the average user 41 %), "
        "in the evening more than others (100 %, average 30 %), every 2 days (average 6 days)"
    )
    assert list(found.shares) == ["page", "cart"]
    assert (found.visits, found.per_visit.value, found.weekend.value) == (5, 3.0, 0.2)
    assert str(profiled(Tally(), ("page", "cart", "purchase"), average)) == "no events yet"


def test_a_profile_goes_on_where_a_history_starts_anew():
    session, _ = observed(insight(Reset(max_events=2)), [("view", 1.7e9 + k * DAY, {}) for k in range(5)])
    found = session.profile()
    assert isinstance(found, Profile)
    assert (session.count, found.count, found.visits) == (1, 5, 5)


def test_an_event_that_raises_counts_nowhere():
    session, _ = observed(insight(), [("view", 1.7e9, {})])
    before = session.snapshot()
    with pytest.raises(EventError):
        session.observe("view", 1.7e9, balance="dear")
    assert session.snapshot() == before


def test_bundles_made_before_them_load(tmp_path):
    """A manifest that names none of them is read as one without."""
    bundle = made_up.bundle()
    fields = msgspec.json.decode(msgspec.json.encode(bundle.manifest))
    for name in ("segments", "average", "alarm"):
        fields.pop(name)
    old = msgspec.json.decode(msgspec.json.encode(fields), type=Manifest)
    assert old == bundle.manifest
    write_bundle(tmp_path / "new.nsight", made_up.beside(bundle))
    assert read_bundle(tmp_path / "new.nsight").manifest == made_up.beside(bundle).manifest


@pytest.mark.parametrize(
    ("part", "words"), [("segments", "embeddings"), ("average", "different events"), ("alarm", "needs a head")]
)
def test_a_manifest_whose_parts_disagree_is_refused(part, words):
    manifest = made_up.beside(made_up.bundle()).manifest
    wrong = {
        "segments": (msgspec.structs.replace(manifest.segments[0], weights=(1.0,)),),
        "average": Traits(events=(1.0,)),
        "alarm": made_up.ALARM,
    }
    changes = {part: wrong[part]}
    if part == "alarm":
        trunk = msgspec.structs.replace(manifest.trunk, activations=manifest.trunk.activations[:1])
        changes |= {"heads": manifest.heads[:2], "trunk": trunk}
    with pytest.raises(ValueError, match=words):
        msgspec.structs.replace(manifest, **changes)
