"""Attacks with known outcomes: a network that remembers its users is caught, one that never saw them isn't."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import made_up
from export.conftest import HEADS, SPEC, TRUNK, WEIGHTS, labelled, lived
from nearsight.backends.reference import NumpyBackend
from nearsight.heads import BinaryHead, NextEventHead, ValueHead, calibrated
from nearsight.spec import Category
from nearsight_export.audit import BRIEF, audited
from nearsight_export.disclosure import outlined, told
from nearsight_export.inversion import Depth, Seen, disclosed, seen
from nearsight_export.membership import Witness, found_at, inferred, losses
from nearsight_export.replay import Replay, replayed
from nearsight_export.reports import Audit, Membership
from nearsight_training.config import Fitting
from nearsight_training.fit import fit, seeded
from nearsight_training.metrics import Interval
from nearsight_training.network import build, canonical
from nearsight_training.run import load_histories

DEPTH = Depth(backs=(1, 2, 3), learned=1500, judged=800, trees=15)


def tossed(seed, users=120):
    """Histories of a few events whose answers are tosses of a coin: all that can be learned of them is by heart."""
    histories, rng = lived(seed, users), np.random.default_rng(seed)
    short = histories.shortened(np.minimum(histories.lengths, 6))
    codes = np.where(short.next_codes > 0, rng.integers(1, 4, short.next_codes.shape), -1).astype(np.int32)
    labels, asked = (rng.integers(0, 2, each.shape).astype(np.int8) for each in (short.labels, short.ask_labels))
    return replace(short, labels=labels, ask_labels=asked, next_codes=codes)


def replied(backend, histories):
    return Witness(histories, replayed(backend, TRUNK, histories, keep=True))


@pytest.fixture(scope="module")
def by_heart():
    """A network that was trained on one hundred and twenty users until it knew them."""
    seeded(1)
    users, model = tossed(1), build(TRUNK, asks=True)
    fit(model, users, users, HEADS, Fitting(epochs=60, learning_rate=2e-2, batch_events=256, dropout=0.0), 12)
    return NumpyBackend(calibrated(canonical(model), HEADS), TRUNK)


def test_a_network_that_knows_its_users_by_heart_is_caught(by_heart):
    found = inferred(*(replied(by_heart, tossed(seed)) for seed in (1, 2, 3)), HEADS)
    assert all(auc.low > 0.6 for auc in found.attacks.values())
    assert found.attacks["loss"].value > 0.9
    assert all(auc.low > 0.6 for auc in found.questions.values())
    assert set(found.questions) == {"purchase", "cart", "next_event"}
    assert found.control.low < 0.5 < found.control.high
    assert found.found.value > 0.3
    lines = list(told(Audit(artifact="int8/step.tflite", membership=found, disclosure=None)))
    assert any("it remembers users" in line for line in lines)


def test_a_network_that_never_saw_its_members_gives_nobody_away(by_heart):
    found = inferred(*(replied(by_heart, tossed(seed)) for seed in (4, 5, 3)), HEADS)
    assert all(auc.low < 0.5 < auc.high for auc in (found.control, *found.attacks.values()))
    assert found.found.low < 0.02


def test_a_reference_network_leaves_what_is_only_hard_out(by_heart):
    """A reference that answers as the network does leaves nothing to tell members by."""
    parts = [replied(by_heart, tossed(seed)) for seed in (1, 2, 3)]
    same = [msgspec.structs.replace(each, reference=each.replay) for each in parts]
    found = inferred(*same, HEADS)
    assert found.attacks["loss less a reference network's"].value == 0.5
    foreign = NumpyBackend(calibrated(WEIGHTS, HEADS), TRUNK)
    other = [msgspec.structs.replace(each, reference=replayed(foreign, TRUNK, each.histories)) for each in parts]
    assert inferred(*other, HEADS).attacks["loss less a reference network's"].low > 0.6


def test_users_who_differ_are_no_fault_of_the_model():
    """Members with longer histories are told by these alone, and the words say so."""
    backend = NumpyBackend(calibrated(WEIGHTS, HEADS), TRUNK)
    long = labelled(lived(1), 4)
    long = long.take(np.flatnonzero(long.lengths > 15))
    found = inferred(replied(backend, long), replied(backend, tossed(2)), replied(backend, tossed(3)), HEADS)
    assert found.control.low > 0.9
    assert "the model needn't be why" in " ".join(told(Audit(artifact="a", membership=found, disclosure=None)))


def test_too_few_users_with_known_answers_are_said_to_be_too_few(by_heart):
    parts = [replied(by_heart, tossed(seed)) for seed in (1, 2, 3)]
    few = [parts[0], replied(by_heart, tossed(2, 19)), parts[2]]
    assert inferred(*few, HEADS) is None
    audit = Audit(artifact="a", membership=None, disclosure=None)
    assert "too few users" in next(told(audit))
    assert outlined(audit) == "little was measured"
    alone = inferred(parts[0], parts[1], replied(by_heart, tossed(3, 2)), HEADS)
    assert set(alone.attacks) == {"loss", "trees"}


def test_losses_are_those_worked_out_by_hand():
    histories = tossed(1, 2).shortened(np.array([1, 2]))
    histories = replace(
        histories,
        labels=np.array([[1], [0], [-1]], np.int8),
        ask_history=np.zeros(0, np.int64),
        **{name: getattr(histories, name)[:0] for name in ("ask_after", "ask_time", "ask_codes", "ask_numbers")},
        ask_labels=np.zeros((0, 1), np.int8),
        next_codes=np.array([[-1, -1], [2, -1], [0, -1]], np.int32),
        values=np.array([[np.nan], [15.0], [90.0]], np.float32),
        ask_values=np.zeros((0, 1), np.float32),
    )
    bounds = {"kind": "total", "field": "price", "within_seconds": 1.0, "low": 10.0, "high": 20.0}
    heads = (
        BinaryHead(name="yes", start=0),
        ValueHead(name="number", start=1, **bounds, scale=1.0, offsets=(0.0, 0.0, 0.0)),
        NextEventHead(name="next", start=4, vocabulary=("a", "b")),
    )
    given = np.array([[0.25, 0, 0, 0, 0.5, 0.5], [0.25, 0.3, 0, 0, 0.9, 0.1], [0.5, 0.7, 0, 0, 0, 1]], np.float32)
    nothing = np.zeros((0, 6), np.float32)
    found = losses(histories, Replay(given, nothing, nothing, nothing, nothing), heads)
    assert found["yes"] == pytest.approx(np.array([[np.log(4)] * 2, [np.log(4 / 3)] * 2]))
    assert found["number"] == pytest.approx(np.array([[np.nan] * 2, [(0.2 + 0.3) / 2, 0.3]]), nan_ok=True)
    assert found["next"] == pytest.approx(np.array([[np.nan] * 2, [np.log(10)] * 2]), nan_ok=True)


def test_members_found_at_a_rate_of_false_alarms():
    labels = np.array([1, 1, 1, 0, 0, 0, 0])
    scores = np.array([9.0, 5.0, 1.0, 7.0, 5.0, 3.0, 2.0])
    alike = np.ones(7)
    assert found_at(labels, scores, alike, 0.0) == pytest.approx(1 / 3)
    assert found_at(labels, scores, alike, 0.25) == pytest.approx(1 / 3)  # 5.0 ties with the next false alarm
    assert found_at(labels, scores, alike, 0.5) == pytest.approx(2 / 3)
    assert found_at(labels, scores, alike, 1.0) == 1.0
    assert np.isnan(found_at(labels, scores, np.where(labels == 1, 0.0, 1.0)))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30), st.floats(0, 1))
def test_no_threshold_finds_more_members_with_as_few_false_alarms(people, allowed):
    labels, scores = (np.array(column).astype(float) for column in zip(*people, strict=True))
    if not 0 < labels.sum() < len(labels):
        return
    shares = [
        ((scores[labels == 1] > threshold).mean(), (scores[labels == 0] > threshold).mean())
        for threshold in (-np.inf, *scores)
    ]
    best = max(found for found, alarms in shares if alarms <= allowed)
    assert found_at(labels.astype(int), scores, np.ones(len(labels)), allowed) == pytest.approx(best)


@pytest.fixture(scope="module")
def states():
    """The states of a made-up network on two halves of some users."""
    backend = NumpyBackend(calibrated(WEIGHTS, HEADS), TRUNK)
    parts = []
    for seed, most in ((1, DEPTH.learned), (2, DEPTH.judged)):
        histories = lived(seed)
        parts.append(seen(backend, histories, replayed(backend, TRUNK, histories, keep=True), most, seed))
    return parts


def test_states_are_those_after_the_events(states):
    backend, own = NumpyBackend(calibrated(WEIGHTS, HEADS), TRUNK), states[0]
    histories = own.histories
    for place in (0, 7, 100):
        event = own.events[place]
        state = np.zeros((1, TRUNK.state_size), np.float32)
        for step in range(event - histories.since_fresh[event], event + 1):
            heads, _, state = backend.step(histories.codes[[step]], histories.numbers[[step]], state)
        assert own.states[place] == pytest.approx(state[0], abs=1e-5)
        assert own.heads[place] == pytest.approx(heads[0], abs=1e-5)


def test_a_state_that_holds_the_last_rows_tells_them(states):
    """A cnn_lstm's state has the last two rows in it; of the third it has what the network made of it."""
    found = disclosed(*states, SPEC, TRUNK, DEPTH)
    last, before, third = found.events
    assert min(last.share, before.share) > 0.97
    assert third.share < before.share
    assert last.guessing == pytest.approx(0.5, abs=0.06)  # half of the events are views
    assert last.states == 800
    numbers = {each.name: each for each in found.numbers}
    assert numbers["the time since the event before"].share > 0.9
    assert numbers["balance of the last event"].share > 0.9
    assert numbers["price of the event before"].states < 800 * 0.8  # a fifth of the prices is missing


def test_a_state_that_holds_nothing_tells_what_guessing_does(states):
    rng = np.random.default_rng(3)
    empty = [
        msgspec.structs.replace(each, states=rng.random((len(each.events), 5)).astype(np.float32)) for each in states
    ]
    found = disclosed(*empty, SPEC, TRUNK, DEPTH)
    assert all(each.share == pytest.approx(each.guessing, abs=0.06) for each in found.events)
    assert all(each.share < 0.02 for each in found.numbers)


@pytest.mark.parametrize("back", [1, 2, 3])
def test_a_state_that_holds_one_event_tells_that_event(states, back):
    """Planted: nothing but the name of the event that many from the end."""
    planted = [planted_with(each, back) for each in states]
    found = {each.back: each for each in disclosed(*planted, SPEC, TRUNK, DEPTH).events}
    for place, each in found.items():
        assert (each.share == 1.0) == (place == back)
        assert place == back or each.share < each.guessing + 0.06


def planted_with(each: Seen, back: int) -> Seen:
    at = np.maximum(each.events - back + 1, 0)
    states = np.eye(5, dtype=np.float32)[np.minimum(each.histories.codes[at, 0], 4)]
    return msgspec.structs.replace(each, states=states)


def test_one_kind_of_event_has_no_names_to_tell(states):
    single = msgspec.structs.replace(made_up.spec(counts=()), event=Category(name="event", vocabulary=("a",)))
    found = disclosed(*states, single, TRUNK, DEPTH)
    assert found.events == ()
    assert "the number of events" in {each.name for each in found.numbers}


def test_an_audit_of_an_artifact_is_the_same_again_and_says_all_of_it(made, run_path):
    arguments = (made.run, made.run.heads, load_histories(run_path), "int8/step.tflite", made.files["int8/step.tflite"])
    audit = audited(*arguments)
    assert audit == audited(*arguments)
    assert audit.membership.attacks["loss"].low < 0.5 < audit.membership.attacks["loss"].high  # it was never trained
    assert [each.back for each in audit.disclosure.events] == list(BRIEF.depth.backs)
    lines = list(told(audit))
    assert f"{audit.membership.members} users whom it was trained on" in lines[0]
    events, numbers, lead = lines[-3:]
    assert f"the last event in {100 * audit.disclosure.events[0].share:.3g} %" in events
    assert "the 10th last" in events
    assert "price of the last event" in numbers
    assert lead.startswith("A state is as personal as the events")
    assert "an AUC of" in outlined(audit)


def test_no_more_is_said_of_an_auc_within_the_bound():
    half = Interval(0.51, 0.49, 0.53)
    found = Membership(
        members=30, others=20, attacks={"loss": half}, questions={}, control=half, strongest="loss", found=half
    )
    audit = Audit(artifact="a", membership=found, disclosure=None)
    assert len(list(told(audit))) == 2
    assert "the strongest of 1 attacks" in next(told(audit))


@pytest.mark.parametrize(
    ("best", "control", "words"),
    [
        (Interval(0.6, 0.54, 0.66), Interval(0.5, 0.4, 0.7), "it can be chance"),
        (Interval(0.6, 0.56, 0.64), Interval(0.5, 0.4, 0.7), "it remembers users"),
        (Interval(0.6, 0.56, 0.64), Interval(0.58, 0.53, 0.63), "the users differ"),
        (Interval(0.8, 0.76, 0.84), Interval(0.58, 0.53, 0.63), "it remembers users"),
    ],
)
def test_more_than_the_bound_is_said_with_what_may_be_why(best, control, words):
    found = Membership(
        members=30, others=20, attacks={"loss": best}, questions={}, control=control, strongest="loss", found=best
    )
    assert words in list(told(Audit(artifact="a", membership=found, disclosure=None)))[1]
