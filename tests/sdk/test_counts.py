"""Counts so far: the same for one event and for columns, kept by sessions and snapshots, never of what follows."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import made_up
from nearsight import SnapshotError
from nearsight.backends.reference import load as numpy_backend
from nearsight.cursor import Cursor, occurrences, segment_starts
from nearsight.features import Encoder
from nearsight.insight import Insight
from nearsight.session import Model
from nearsight.spec import Category, Clock, Number, Reset, Spec
from strategies import histories

DURATION = Number(name="duration", low=0.0, high=1e9, log=True)
RESETS = st.builds(Reset, gap_seconds=st.none() | st.just(10_000.0), max_events=st.none() | st.integers(1, 4))


def plain(*names, high=1e6, reset=Reset()):
    """A specification that shows the counts of `names` as they are."""
    event = Category(name="event", vocabulary=made_up.EVENTS)
    counts = tuple(Number(name=name, low=0.0, high=high) for name in names)
    return Spec(event=event, clock=Clock(gap=DURATION, age=DURATION), counts=counts, reset=reset)


def loaded(reset=Reset(), counts=made_up.COUNTS):
    made = made_up.bundle(reset, counts=counts)
    return Insight(made.manifest, Model(numpy_backend(made.members["step.npz"], made.manifest.trunk), made.manifest))


def streamed(encoder, events):
    """Rows as a session makes them, which starts anew where the specification says so."""
    cursor, rows = Cursor(), []
    for name, time, fields in events:
        if encoder.spec.reset.due(cursor.count, cursor.gap(time)):
            cursor = Cursor()
        rows.append(encoder.event(name, time, fields, cursor))
        code = int(rows[-1][0][0, 0])
        cursor.advance(time, code if code in encoder.counted else None)
    return [np.concatenate(part) for part in zip(*rows, strict=True)]


def together(encoder, several):
    events, lengths = [event for each in several for event in each], [len(each) for each in several]
    times, starts = np.array([time for _, time, _ in events]), np.cumsum([0, *lengths[:-1]])
    fields = {field: [given.get(field) for _, _, given in events] for field in encoder.spec.fields}
    begins = segment_starts(encoder.spec.reset, times, starts, len(events))
    return encoder.columns([name for name, _, _ in events], times, fields, begins)


def test_counts_by_hand():
    encoder = Encoder(plain("view", "purchase", high=2.0))
    names = ["view", "cart", "purchase", "never seen", "view", "view", "purchase"]
    events = [(name, 1.7e9 + k, {}) for k, name in enumerate(names)]
    expected = [[1, 0], [1, 0], [1, 1], [1, 1], [2, 1], [2, 1], [2, 2]]  # the third view is clipped
    columns = encoder.spec.count_columns
    assert encoder.spec.number_names[columns] == ("view_so_far", "purchase_so_far")
    assert streamed(encoder, events)[1][:, columns].tolist() == expected
    assert together(encoder, [events, events[:2]])[1][:, columns].tolist() == [*expected, *expected[:2]]


@given(RESETS, st.lists(histories(most=12), min_size=1, max_size=4))
def test_columns_equal_single_events_bit_for_bit_where_histories_begin_anew(reset, several):
    encoder = Encoder(made_up.spec(reset))
    singly = [streamed(encoder, events) for events in several]
    for columns, rows in zip(together(encoder, several), zip(*singly, strict=True), strict=True):
        assert columns.tobytes() == np.concatenate(rows).tobytes()


@given(RESETS, histories(most=12), st.data())
def test_counts_begin_anew_with_the_history(reset, events, data):
    """The oracle counts names since the last beginning."""
    encoder = Encoder(plain("cart", "view", reset=reset))
    times, names = np.array([time for _, time, _ in events]), [name for name, _, _ in events]
    begins = segment_starts(reset, times, np.array([0]), len(events))
    found = together(encoder, [events])[1][:, encoder.spec.count_columns]
    place = data.draw(st.integers(0, len(events) - 1))
    past = names[max(begin for begin in begins if begin <= place) : place + 1]
    assert found[place].tolist() == [past.count("cart"), past.count("view")]


@given(histories(least=2), histories(), st.integers(1, 8))
def test_a_row_looks_at_no_later_one(events, others, place):
    """Whatever comes behind a row, it stays as it is."""
    encoder, place = Encoder(made_up.spec()), min(place, len(events) - 1)
    last = events[place - 1][1]
    changed = [*events[:place], *[(name, max(time, last), fields) for name, time, fields in others]]
    whole, other = (together(encoder, [each])[1][:place] for each in (events, changed))
    assert whole.tobytes() == other.tobytes()


@given(st.lists(st.booleans(), max_size=20), st.data())
def test_occurrences_are_those_between(happened, data):
    begin = data.draw(st.integers(0, len(happened)))
    end = data.draw(st.integers(begin, len(happened)))
    found = occurrences(np.array(happened, bool), np.array([begin]), np.array([end]))
    assert found.tolist() == [sum(happened[begin:end])]


def test_a_question_sees_the_counts_as_they_stand():
    encoder = Encoder(plain("view", "cart"))
    codes, numbers = encoder.now(1.7e9, Cursor(1.6e9, 1.6e9, 5, {1: 3}))
    assert (codes.tolist(), numbers[0, encoder.spec.count_columns].tolist()) == ([[4]], [3.0, 0.0])


@pytest.mark.parametrize("reset", [Reset(), Reset(max_events=3)], ids=["never", "events"])
def test_a_session_counts_on_where_its_snapshot_stopped(reset):
    """Until the history begins anew; what the answers rest on is in the snapshot."""
    session = loaded(reset).session()
    for k in range(5):
        session.observe("purchase" if k % 2 else "view", time=1.7e9 + k)
    *_, counts = msgspec.msgpack.decode(session.snapshot(), strict=False)[2]
    assert counts == ({1: 3, 3: 2} if reset == Reset() else {1: 1, 3: 1})
    restored = loaded(reset).session(session.snapshot())
    assert dict(restored.observe("view", 1.7e9 + 9)) == dict(session.observe("view", 1.7e9 + 9))
    assert restored.snapshot() == session.snapshot()


def test_two_histories_that_differ_in_their_counts_alone_are_read_differently():
    model = loaded()
    parts = msgspec.msgpack.decode(model.session().snapshot())
    few, many = (
        model.session(msgspec.msgpack.encode([*parts[:2], [1.7e9, 1.7e9, 5, {3: purchases}], *parts[3:]]))
        for purchases in (1, 3)
    )
    assert few.score(1.7e9 + 60)["cart"] != pytest.approx(many.score(1.7e9 + 60)["cart"], abs=1e-4)
    assert few.observe("view", 1.7e9 + 60)["cart"] != pytest.approx(many.observe("view", 1.7e9 + 60)["cart"], abs=1e-4)


def test_a_snapshot_without_counts_has_the_bytes_that_it_had():
    """As an SDK wrote it that knew of no counts: an array of format, model, cursor, state, tally and expectation."""
    model = loaded(counts=())
    session = model.session()
    session.observe("view", time=1.7e9)
    session.observe("cart", time=1.7e9 + 60)
    made = model.manifest
    state = msgspec.msgpack.decode(session.snapshot())[3]
    assert len(state) == 4 * made.trunk.state_size
    floats = b"".join(b"\xcb" + msgspec.msgpack.encode(time)[1:] for time in (1.7e9, 1.7e9 + 60))
    header = b"\x96\x02\xb0" + made.model.encode() + b"\x93" + floats + b"\x02"
    size = b"\xc5" + len(state).to_bytes(2) if len(state) > 255 else b"\xc4" + len(state).to_bytes(1)
    old = header + size + state + b"\xc0\xc0"
    assert session.snapshot() == old
    restored = model.session(old)
    assert (restored.count, restored.snapshot()) == (2, old)
    first = b"\x94\x01" + old[2:-2]
    assert model.session(first).snapshot() == old


@pytest.mark.parametrize("counts", [{2: 1}, {1: 6}, {1: 3, 3: 3}, {1: 0}, {1: -1}, {99: 1}])
def test_counts_that_cannot_be_are_refused(counts):
    model = loaded()
    parts = msgspec.msgpack.decode(model.session().snapshot())
    parts[2] = [1.7e9, 1.7e9, 5, counts]
    with pytest.raises(SnapshotError, match="counts don't add up"):
        model.session(msgspec.msgpack.encode(parts))


def test_many_asked_later_see_each_ones_counts():
    """Bought twice, never, and nothing done at all."""
    model, later = loaded(), 1.7e9 + made_up.DAY
    several = [[("purchase", 1.7e9), ("purchase", 1.7e9)], [("cart", 1.7e9), ("cart", 1.7e9)], []]
    expected = []
    for events in several:
        session = model.session()
        for name, time in events:
            session.observe(name, time)
        expected.append(session.score(later)["purchase"])
    assert model.score_many(several, time=later)["purchase"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((Number(name="refund", low=0.0, high=1.0),), "different events of the vocabulary"),
        ((made_up.COUNTS[0], made_up.COUNTS[0]), "different events of the vocabulary"),
        ((Number(name="view", low=0.0, high=1.0, flag=True),), "never missing"),
    ],
)
def test_counts_of_what_is_no_event_are_refused(counts, words):
    with pytest.raises(ValueError, match=words):
        made_up.spec(counts=counts)


def test_the_logarithm_is_of_the_count_with_this_event():
    numbers = Encoder(made_up.spec()).event("purchase", 1.7e9, {}, Cursor(1.7e9, 1.7e9, 1, {3: 1}))[1]
    columns = made_up.spec().count_columns
    assert numbers[0, columns] == pytest.approx([(math.log(3) - 0.4) * 1.5, (0.0 - 0.9) * 2.0])
