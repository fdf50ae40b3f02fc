import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import made_up
import nearsight
from nearsight import EventError, RuntimeMissingError, SnapshotError
from nearsight.backends.reference import load as numpy_backend
from nearsight.heads import NextEventHead, Questions, Reading
from nearsight.insight import Insight
from nearsight.session import Model
from nearsight.spec import Reset
from strategies import histories

RESETS = st.builds(Reset, gap_seconds=st.none() | st.just(10_000.0), max_events=st.none() | st.integers(1, 3))


def insight(reset=Reset(), seed=0):
    made = made_up.bundle(reset, seed)
    return Insight(made.manifest, Model(numpy_backend(made.members["step.npz"], made.manifest.trunk), made.manifest))


def observed(model, events):
    session = model.session()
    return session, [session.observe(name, time, **fields) for name, time, fields in events]


@given(RESETS, st.lists(histories(), min_size=1, max_size=5))
def test_many_at_once_equal_one_by_one(reset, several):
    model = insight(reset)
    readings = model.score_many(several)
    for index, events in enumerate(several):
        last = observed(model, events)[1][-1]
        assert readings.reading(index)["purchase"] == pytest.approx(last["purchase"], abs=1e-6)
        assert readings.reading(index).next(3) == [(name, pytest.approx(p, abs=1e-6)) for name, p in last.next(3)]
        assert readings.embedding[index] == pytest.approx(last.embedding, abs=1e-6)


@given(RESETS, st.lists(histories(least=0, most=5), min_size=1, max_size=5), st.floats(1.69e9, 1.75e9))
def test_many_asked_later_equal_score(reset, several, time):
    model = insight(reset)
    readings = model.score_many(several, time=time)
    for index, events in enumerate(several):
        later = observed(model, events)[0].score(time)
        assert readings["cart"][index] == pytest.approx(later["cart"], abs=1e-6)


def test_more_histories_than_one_batch_holds():
    """Seats are taken over and, while the one long history goes on, idle: nobody's answer is another's."""
    model, rng = insight(), np.random.default_rng(0)
    lengths = [40, *rng.integers(1, 6, 600)]
    several = [[("view", 1.7e9 + k, {"price": float(n)}) for k in range(length)] for n, length in enumerate(lengths)]
    readings = model.score_many(several)
    expected = [observed(model, events)[1][-1] for events in several]
    np.testing.assert_allclose(readings["purchase"], [reading["purchase"] for reading in expected], atol=1e-6)
    np.testing.assert_allclose(readings.embedding, [reading.embedding for reading in expected], atol=1e-6)


@given(histories(least=2), RESETS)
def test_a_snapshot_goes_on_where_the_session_stopped(events, reset):
    model = insight(reset)
    half = len(events) // 2
    session, _ = observed(model, events[:half])
    restored = model.session(session.snapshot())
    for name, time, fields in events[half:]:
        assert dict(restored.observe(name, time, **fields)) == dict(session.observe(name, time, **fields))
    assert restored.snapshot() == session.snapshot()


def test_looking_ahead_leaves_the_history_as_it_is():
    session, readings = observed(insight(), [("view", 1.7e9, {"price": 3.0})])
    before = session.snapshot()
    assert session.score(1.7e9 + 30 * made_up.DAY)["purchase"] != readings[-1]["purchase"]
    assert session.snapshot() == before


@pytest.mark.parametrize("bad", [{"time": None}, {"time": 1.7e9, "price": "dear"}])
def test_an_event_that_raises_leaves_the_session_as_it_was(bad):
    session, _ = observed(insight(), [("view", 1.7e9, {"price": 3.0})])
    before = session.snapshot()
    with pytest.raises(EventError):
        session.observe("view", **bad)
    assert session.snapshot() == before


def test_a_clock_that_runs_backwards_counts_as_standing_still():
    backwards, _ = observed(insight(), [("view", 1.7e9, {}), ("cart", 1.7e9 - 5000, {})])
    # hour of day is read off the time that was given, so compare within the same hour
    still, _ = observed(insight(), [("view", 1.7e9, {}), ("cart", 1.7e9, {})])
    assert backwards.score(1.7e9 + 60)["cart"] == pytest.approx(still.score(1.7e9 + 60)["cart"], abs=0.05)
    assert backwards.count == still.count == 2


def test_many_asked_later_count_from_the_latest_time():
    """The last event's clock had jumped back by an hour: the silence began at the event before."""
    events = [("view", 1.7e9, {}), ("cart", 1.7e9 - 3600, {})]
    model = insight()
    later = observed(model, events)[0].score(1.7e9 + 60)
    assert model.score_many([events], time=1.7e9 + 60)["cart"][0] == pytest.approx(later["cart"], abs=1e-6)
    hour_late = observed(model, events)[0].score(1.7e9 + 3660)
    assert later["cart"] != pytest.approx(hour_late["cart"], abs=1e-4)


def test_a_reading_stays_when_the_next_one_comes():
    session, readings = observed(insight(), [("view", 1.7e9, {}), ("cart", 1.7e9 + 60, {})])
    kept = dict(readings[-1]), readings[-1].next(3), readings[-1].embedding.tolist()
    session.observe("purchase", 1.7e9 + 120)
    session.score(1.8e9)
    assert (dict(readings[-1]), readings[-1].next(3), readings[-1].embedding.tolist()) == kept


@pytest.mark.parametrize(("chance", "purchase", "cart"), [(0.39, False, False), (0.45, False, True), (0.5, True, True)])
def test_a_decision_is_made_at_the_heads_own_threshold(chance, purchase, cart):
    outputs = np.array([chance, chance, 1.0, 0.0, 0.0], np.float32)
    reading = Reading(Questions(made_up.heads()), outputs.tobytes(), b"")
    assert (reading.decides("purchase"), reading.decides("cart")) == (purchase, cart)


def test_fields_outside_the_specification_change_nothing():
    plain, extra = insight().session(), insight().session()
    assert dict(plain.observe("view", 1.7e9)) == dict(extra.observe("view", 1.7e9, email="x@example.org", price=None))


def test_a_reading_reads_like_a_mapping():
    reading = observed(insight(), [("view", 1.7e9, {"price": 3.0})])[1][-1]
    assert list(reading) == ["purchase", "cart"]
    assert len(reading) == 2
    assert all(0 < p < 1 for p in reading.values())
    ahead = reading.next(5)
    assert sorted(name for name, _ in ahead) == sorted(made_up.EVENTS)
    assert sum(p for _, p in ahead) == pytest.approx(1, abs=1e-6)
    assert [p for _, p in ahead] == sorted((p for _, p in ahead), reverse=True)
    assert reading.decides("cart") == (reading["cart"] >= 0.4)
    assert repr(reading).startswith(f"Reading(purchase={reading['purchase']:.3f}, cart=")


def recommending():
    head = NextEventHead(start=0, vocabulary=("hit", "niche", "flop"), shares=(0.8, 0.05, 0.15))
    return Reading(Questions((head,)), np.array([0.6, 0.3, 0.1], np.float32).tobytes(), b"")


def test_what_was_seen_can_be_left_out_of_what_comes_next():
    reading = recommending()
    assert [name for name, _ in reading.next(3, without={"hit"})] == ["niche", "flop"]
    assert reading.next(1, without=["hit", "niche"]) == [("flop", pytest.approx(0.1))]
    assert reading.next(3, without=("hit", "niche", "flop")) == []


@pytest.mark.parametrize(
    ("popularity", "expected"),
    [(0, ["hit", "niche", "flop"]), (0.5, ["niche", "hit", "flop"]), (1, ["niche", "hit", "flop"])],
)
def test_popularity_is_taken_out_of_the_order_and_not_of_the_probabilities(popularity, expected):
    """By hand: lifts are 0.6 / 0.8 = 0.75, 0.3 / 0.05 = 6 and 0.1 / 0.15 = 0.67; with the root 0.67, 1.34 and 0.26."""
    found = recommending().next(3, popularity=popularity)
    assert [name for name, _ in found] == expected
    assert dict(found) == pytest.approx({"hit": 0.6, "niche": 0.3, "flop": 0.1})


def test_a_popularity_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match=r"between 0 \(likeliest\) and 1 \(lift\), received 2"):
        recommending().next(popularity=2)


def test_a_question_that_nobody_asked_is_refused_with_those_that_are_there():
    readings = insight().score_many([[("view", 1.7e9)]])
    for asked in (readings.__getitem__, readings.reading(0).__getitem__, readings.reading(0).decides):
        with pytest.raises(KeyError, match=r"received 'churn': it answers 'purchase', 'cart'"):
            asked("churn")
    for mapping in (readings, readings.reading(0)):
        assert ("churn" in mapping, "cart" in mapping, mapping.get("churn", 0.5)) == (False, True, 0.5)
    nothing = Reading(Questions(made_up.heads()[2:]), bytes(20), b"")
    with pytest.raises(KeyError, match=r"none by name, only next\(\)"):
        nothing["purchase"]


def damaged_snapshots():
    session, _ = observed(insight(), [("view", 1.7e9, {})])
    good = session.snapshot()
    infinite = bytearray(good)
    infinite[-4:] = np.float32("inf").tobytes()
    return {"empty": b"", "cut": good[:-1], "text": b"hello", "longer": good + b"x", "infinite": bytes(infinite)}


@pytest.mark.parametrize("kind", ["empty", "cut", "text", "longer", "infinite"])
def test_damaged_snapshots_are_refused(kind):
    with pytest.raises(SnapshotError):
        insight().session(damaged_snapshots()[kind])


@pytest.mark.parametrize(
    ("position", "value", "words"),
    [
        (0, 3, "format 3"),
        (1, "0123456789abcdef", "another model"),
        (2, [float("nan"), 1.7e9, 1], "aren't finite"),
        (2, [1.7e9, float("inf"), 1], "aren't finite"),
        (2, [1.7e9, 1.7e9, -1], "fewer than no events"),
        (3, b"\0" * 8, "has 8 bytes"),
    ],
)
def test_a_snapshot_with_one_part_wrong_is_refused(position, value, words):
    session, _ = observed(insight(), [("view", 1.7e9, {})])
    parts = msgspec.msgpack.decode(session.snapshot())
    assert insight().session(msgspec.msgpack.encode(parts)).snapshot() == session.snapshot()
    parts[position] = value
    with pytest.raises(SnapshotError, match=words):
        insight().session(msgspec.msgpack.encode(parts))


def test_a_restored_history_remembers_when_it_began():
    """The age of the history is a part of later rows."""
    session, _ = observed(insight(), [("view", 1.7e9, {}), ("cart", 1.7e9 + made_up.DAY, {})])
    first, last, count, _ = msgspec.msgpack.decode(session.snapshot(), strict=False)[2]
    assert (first, last, count) == (1.7e9, 1.7e9 + made_up.DAY, 2)


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_read(noise):
    try:
        insight().session(noise)
    except SnapshotError as error:
        assert len(str(error).splitlines()) == 1


def test_a_snapshot_of_another_model_is_refused():
    session, _ = observed(insight(seed=1), [("view", 1.7e9, {})])
    with pytest.raises(SnapshotError, match="another model"):
        insight().session(session.snapshot())


@pytest.mark.parametrize("events", [[("view",)], [["view", 1.7e9, 5]], [()], [5]])
def test_events_of_another_shape_are_refused(events):
    with pytest.raises(EventError):
        insight().score_many([events])


def test_an_empty_history_has_nothing_to_read():
    with pytest.raises(EventError, match="history 1"):
        insight().score_many([[("view", 1.7e9)], []])


def test_a_missing_runtime_says_what_to_install(tmp_path):
    path = tmp_path / "shop.nsight"
    from nearsight.bundle import write_bundle

    write_bundle(path, made_up.bundle())
    assert nearsight.load(path).runtime == "numpy"
    with pytest.raises(RuntimeMissingError, match=r"step\.onnx"):
        nearsight.load(path, runtime="onnx")
    with pytest.raises(RuntimeMissingError, match="one of auto, litert"):
        nearsight.load(path, runtime="torch")
