"""Labels of hand-made histories, and properties that hold for any."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearsight_training.config import Inactive, Target
from nearsight_training.labels import ask_labels, event_labels, next_index
from training.conftest import make_log

BUY = Target(name="buy", events=("buy",), within_seconds=10)
histories = st.lists(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["buy", "look", "ask"])), min_size=1, max_size=12).map(
        lambda events: sorted(events, key=lambda event: event[0])
    ),
    min_size=1,
    max_size=6,
)


def all_until(log, end):
    return np.full(len(log.times), float(end))


def test_a_target_on_the_horizon_counts_and_one_just_behind_it_does_not():
    log = make_log([(0, "look"), (10, "buy"), (21, "buy")])
    assert event_labels(log, BUY, all_until(log, 100)).tolist() == [1, 0, 0]


def test_the_event_itself_and_its_equals_in_time_are_not_the_future():
    log = make_log([(5, "buy"), (5, "buy"), (30, "look")])
    assert event_labels(log, BUY, all_until(log, 100)).tolist() == [0, 0, 0]


def test_the_next_users_events_are_not_this_ones_future():
    log = make_log([(0, "look")], [(1, "buy")])
    assert event_labels(log, BUY, all_until(log, 100)).tolist() == [0, 0]


def test_a_horizon_past_the_end_is_unknown_even_where_the_target_came():
    """Known at t=90 exactly, whose horizon ends with the data; at 91 the answer is yes but not yet known."""
    log = make_log([(90, "look"), (91, "look"), (95, "buy")])
    assert event_labels(log, BUY, all_until(log, 100)).tolist() == [1, -1, -1]


def test_any_of_several_events_is_a_yes():
    log = make_log([(0, "look"), (3, "ask"), (40, "look")])
    either = Target(name="either", events=("buy", "ask"), within_seconds=10)
    assert event_labels(log, either, all_until(log, 100)).tolist() == [1, 0, 0]


def test_a_question_looks_from_its_own_time():
    log = make_log([(0, "look"), (15, "buy")])
    history, after = np.array([0, 0, 0]), np.array([1, 1, 2])
    times = np.array([4.0, 5.0, 16.0])
    assert ask_labels(log, BUY, history, after, times, np.full(3, 100.0)).tolist() == [0, 1, 0]
    assert ask_labels(log, BUY, history, after, times, np.full(3, 15.0)).tolist() == [0, 1, -1]


@given(
    histories, st.integers(0, 80), st.sampled_from([(), ("buy",), ("buy", "ask")]), st.sampled_from([None, 0.5, 7.0])
)
def test_inactivity_equals_its_definition_written_as_loops(events, until, active, recent):
    log = make_log(*events)
    leaves = Inactive(name="leaves", within_seconds=10, events=active, active_within_seconds=recent)
    asked, expected, expected_later = [], [], []

    def label(history, time):
        counted = [other for other, name in history if not active or name in active]
        before = [other for other in counted if other <= time]
        if time + 10 > until or not before or (recent is not None and time - max(before) > recent):
            return -1
        return int(not any(time < other <= time + 10 for other in counted))

    for number, history in enumerate(events):
        for time, _ in history:
            expected.append(label(history, time))
            after = sum(other <= time + 2.5 for other, _ in history)
            asked.append((number, after, time + 2.5))
            expected_later.append(label(history, time + 2.5))
    owner, after, times = (np.array(column) for column in zip(*asked, strict=True))
    assert event_labels(log, leaves, all_until(log, until)).tolist() == expected
    found = ask_labels(log, leaves, owner, after, times.astype(float), np.full(len(times), float(until)))
    assert found.tolist() == expected_later


@given(histories, st.integers(0, 80))
def test_who_has_bought_and_does_not_buy_again_is_inactive_as_a_buyer(events, until):
    log = make_log(*events)
    buys = event_labels(log, BUY, all_until(log, until))
    leaves = Inactive(name="leaves", within_seconds=10, events=("buy",))
    left = event_labels(log, leaves, all_until(log, until))
    assert (left[left >= 0] == 1 - buys[left >= 0]).all()


@given(histories, st.integers(0, 80))
def test_labels_equal_the_definition_written_as_loops(events, until):
    log = make_log(*events)
    expected = []
    for history in events:
        for time, _ in history:
            yes = any(time < other <= time + 10 and name == "buy" for other, name in history)
            expected.append(int(yes) if time + 10 <= until else -1)
    assert event_labels(log, BUY, all_until(log, until)).tolist() == expected


@given(histories, st.integers(0, 80), st.integers(0, 80))
def test_what_lies_behind_the_end_never_changes_a_label(events, until, extra):
    """Maturity: cutting the data at `until` must leave every known label as it was with the whole data."""
    log = make_log(*events)
    cut = [[event for event in history if event[0] <= until] for history in events]
    kept = [index for index, (time, _) in enumerate(event for history in events for event in history) if time <= until]
    known = event_labels(log, BUY, all_until(log, until))[kept]
    if not kept:
        return
    seen = make_log(*[history for history in cut if history])
    assert event_labels(seen, BUY, all_until(seen, until)).tolist() == known.tolist()


@given(histories)
def test_the_next_event_is_the_next_in_the_same_history(events):
    log = make_log(*events)
    following = next_index(log)
    owners = log.owners
    for index, found in enumerate(following.tolist()):
        last = index + 1 == len(owners) or owners[index + 1] != owners[index]
        assert found == (-1 if last else index + 1)


def among(history, place, count):
    """The label by its definition: of the next `count` events, where there are as many."""
    following = history[place + 1 : place + 1 + count]
    return -1 if len(following) < count else int(any(name == "buy" for _, name in following))


@given(histories, st.integers(1, 4))
def test_a_question_about_the_next_events_looks_at_as_many_and_no_further(several, count):
    log, target = make_log(*several), Target(name="buy", events=("buy",), within_events=count)
    found = event_labels(log, target, all_until(log, 100)).tolist()
    assert found == [among(history, place, count) for history in several for place in range(len(history))]


@given(histories, st.integers(1, 4), st.integers(0, 60))
def test_the_next_events_must_have_happened_in_time(several, count, until):
    log, target = make_log(*several), Target(name="buy", events=("buy",), within_events=count)
    found = event_labels(log, target, all_until(log, until)).tolist()
    places = [(history, place) for history in several for place in range(len(history))]
    for label, (history, place) in zip(found, places, strict=True):
        last = history[place + count][0] if place + count < len(history) else np.inf
        assert label == (among(history, place, count) if last <= until else -1)


GAP = 10


def session_label(history, place, until):
    """The label by its definition: of what follows until the first gap of more than ten seconds."""
    rest = []
    for before, after in zip(history[place:], history[place + 1 :], strict=False):
        if after[0] - before[0] > GAP:
            break
        rest.append(after)
    last = rest[-1][0] if rest else history[place][0]
    return -1 if last + GAP > until else int(any(name == "buy" for _, name in rest))


@given(histories, st.integers(0, 80))
def test_a_question_about_the_session_looks_as_far_as_its_last_event(several, until):
    log, target = make_log(*several), Target(name="buy", events=("buy",), session_gap_seconds=GAP)
    found = event_labels(log, target, all_until(log, until)).tolist()
    assert found == [session_label(history, place, until) for history in several for place in range(len(history))]


def test_a_question_in_silence_is_of_the_session_while_that_goes_on():
    log = make_log([(0, "look"), (8, "buy"), (30, "buy")])
    target = Target(name="buy", events=("buy",), session_gap_seconds=GAP)
    history, after, until = np.array([0, 0, 0]), np.array([1, 2, 2]), np.full(3, 100.0)
    assert ask_labels(log, target, history, after, np.array([5.0, 18.0, 19.0]), until).tolist() == [1, 0, -1]


def test_a_question_about_events_has_one_horizon():
    for several in ({}, {"within_seconds": 1.0, "within_events": 1}, {"within_events": 1, "session_gap_seconds": 1.0}):
        with pytest.raises(ValueError, match="one of within_seconds"):
            Target(name="buy", events=("buy",), **several)
