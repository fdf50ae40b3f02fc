"""No user and no window leaks from training into the test."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearsight.errors import InputError
from nearsight_training.asks import drawn_asks
from nearsight_training.config import LogConfig, Target
from nearsight_training.preparation import prepare
from nearsight_training.split import TEST, TRAIN, VALIDATION, assign_users, plan
from training.conftest import DAY, make_log

BUY = Target(name="buy", events=("buy",), within_seconds=3 * DAY)
CONFIG = LogConfig(targets=(BUY,), min_users=1)


def busy_log(seed=0, users=120, days=40):
    generator = np.random.default_rng(seed)
    histories = []
    for _ in range(users):
        times = np.sort(generator.uniform(0, days * DAY, generator.integers(1, 30)))
        histories.append([(time, str(generator.choice(["buy", "look"]))) for time in times.tolist()])
    return make_log(*histories)


@settings(max_examples=40)
@given(st.integers(0, 50), st.sampled_from(["time", "user"]), st.sampled_from([None, 20 * DAY]))
def test_training_looks_no_further_than_the_cut_and_the_test_no_earlier(seed, split, cutoff):
    log = busy_log(seed)
    config = msgspec.structs.replace(CONFIG, split=split, cutoff=cutoff, validation_share=0.3)
    told = plan(log, config)
    histories = prepare(log, config).histories
    trained, tested = histories.select(TRAIN), histories.select(TEST)
    for part in (trained, histories.select(VALIDATION)):
        known = part.labels[:, 0] >= 0
        assert (part.times[known] + BUY.within_seconds <= told.train_until).all()
        assert (part.times <= told.train_until).all()
        assert (part.ask_time + BUY.within_seconds <= told.train_until)[part.ask_labels[:, 0] >= 0].all()
    known = tested.labels[:, 0] >= 0
    assert (tested.times[known] >= told.test_from).all()
    assert (tested.times[known] + BUY.within_seconds <= told.until).all()
    assert (tested.times[tested.next_codes[:, 0] >= 0] >= told.test_from).all()
    if split == "time":
        assert told.train_until <= told.test_from
    if cutoff is not None:
        assert (tested.times <= cutoff).all()
        assert set(tested.ask_time) == {cutoff}
        asked = log.times[log.starts][told.users == TEST] <= cutoff
        assert len(tested.ask_time) == asked.sum()


def test_a_shop_that_fades_is_tested_on_as_many_events_as_one_that_grows():
    """Most events of the one lie early, of the other late: both keep a quarter of them for the test."""
    for turned in (False, True):
        log = busy_log(users=200)
        span = log.times / log.times.max()
        bent = np.where(turned, 1 - (1 - span) ** 4, span**4) * 400 * DAY
        faded = replace(log, times=bent)
        told = plan(faded, CONFIG)
        room = bent[(bent >= bent.min() + BUY.within_seconds) & (bent <= told.until - BUY.within_seconds)]
        assert (room > told.train_until).mean() == pytest.approx(0.25, abs=0.05)
        assert (prepare(faded, CONFIG).histories.select(TEST).labels >= 0).sum() > 80


def test_a_test_that_knows_too_little_says_so():
    assert not prepare(busy_log(users=800), CONFIG).notes
    told = " ".join(prepare(busy_log(users=100), CONFIG).notes)
    assert "buy: the test knows" in told
    assert "users in all; its figures are rough until there are 100 of each" in told


@settings(max_examples=10)
@given(st.integers(0, 20))
def test_what_happens_after_the_cut_changes_nothing_that_training_reads(seed):
    """Other events after the cut for everybody: the trained rows, labels and specification must stay."""
    log = busy_log(seed)
    cut = plan(log, CONFIG).train_until
    late = (log.times > cut) & (log.times < log.times.max())
    changed = replace(log, names=np.where(late, "buy", log.names))
    before, after = (prepare(each, CONFIG) for each in (log, changed))
    assert before.spec == after.spec
    for part in (TRAIN, VALIDATION):
        one, other = before.histories.select(part), after.histories.select(part)
        for name in ("codes", "numbers", "labels", "next_codes", "ask_labels", "ask_numbers"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name


def with_fields(log, seed=0):
    """The same log with a number and a name beside each event."""
    generator = np.random.default_rng(seed)
    price = np.where(generator.random(len(log.times)) < 0.1, np.nan, generator.lognormal(2, 1, len(log.times)))
    return replace(log, fields={"price": price, "shop": generator.choice(["north", "south"], len(log.times))})


@pytest.mark.parametrize("split", ["time", "user"])
@pytest.mark.parametrize("what", ["the test users'", "the validation users'", "everybody's after the cut"])
def test_the_specification_learns_from_training_users_before_the_cut_alone(what, split):
    """All of the other events become different: names, numbers, gaps, hours. Nothing learned may move."""
    log = with_fields(busy_log(3))
    config = msgspec.structs.replace(CONFIG, split=split)
    told = plan(log, config)
    other = {
        "the test users'": (told.users == TEST)[log.owners],
        "the validation users'": (told.users == VALIDATION)[log.owners],
        "everybody's after the cut": log.times > told.train_until,
    }[what]
    # Whoever holds the log's first or last moment keeps it: the plan is drawn from those.
    other = other & (log.times > log.times.min()) & (log.times < log.times.max())
    steady = np.arange(len(log.times)) % 3 > 0
    squeezed = np.where(log.times > told.train_until, told.train_until, log.times.min()) + 1.0
    later = log.times + 0.5 * np.where(other, squeezed - log.times, 0.0)
    changed = replace(
        log,
        names=np.where(other & steady, "secret", log.names),
        times=later if what != "everybody's after the cut" else log.times,
        fields={
            "price": np.where(other, 1000.0 + log.fields["price"] * 50, log.fields["price"]),
            "shop": np.where(other, "hidden", log.fields["shop"]),
        },
    )
    assert plan(changed, config).train_until == told.train_until
    spec = prepare(log, config).spec
    assert prepare(changed, config).spec == spec
    assert set(spec.event.vocabulary) == {"buy", "look"}
    assert spec.fields == ("shop", "price")


def test_the_clock_reaches_as_far_as_the_training_events():
    """A silence longer than all that training saw says nothing more than that."""
    log = busy_log(3)
    told = plan(log, CONFIG)
    trained = (told.users == TRAIN)[log.owners] & (log.times <= told.train_until)
    clock = prepare(log, CONFIG).spec.clock
    assert clock.gap.high == clock.age.high == np.ptp(log.times[trained])


@given(st.integers(0, 100), st.integers(1, 400))
def test_a_users_split_depends_on_the_user_and_the_seed_alone(seed, count):
    users = np.array([f"u{number}" for number in range(400)])
    whole = assign_users(users, 0.1, 0.2, seed)
    assert np.array_equal(assign_users(users[:count], 0.1, 0.2, seed), whole[:count])


def test_another_seed_splits_otherwise():
    users = np.arange(2000).astype(str)
    both = (assign_users(users, 0.1, 0.2, 1) == TEST) & (assign_users(users, 0.1, 0.2, 2) == TEST)
    assert both.mean() == pytest.approx(0.2 * 0.2, abs=0.015)


def test_shares_are_kept():
    split = assign_users(np.arange(20_000).astype(str), 0.1, 0.2, 1)
    assert np.bincount(split) / 20_000 == pytest.approx([0.7, 0.1, 0.2], abs=0.01)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"targets": (Target(name="buy", events=("buy",), within_seconds=25 * DAY),)}, "--split user or a shorter"),
        ({"cutoff": 39 * DAY}, "1970-01-01 to 1970-02-0[89]: choose another"),
        ({"cutoff": 1 * DAY}, "later cut-off"),
        ({"cutoff": "soon"}, "ISO 8601"),
        ({"split": "magic"}, "time or user"),
        ({"test_share": 0.9, "validation_share": 0.2}, "leave users to train on"),
    ],
)
def test_what_leaves_no_room_is_refused(changes, words):
    with pytest.raises(InputError, match=words):
        plan(busy_log(), msgspec.structs.replace(CONFIG, **changes))


def test_questions_lie_in_the_silence_behind_their_event():
    log = busy_log(4)
    asks = drawn_asks(log, CONFIG, plan(log, CONFIG))
    event = log.starts[asks.history] + asks.after - 1
    assert (asks.times > log.times[event]).all()
    following = np.where(asks.after < log.lengths[asks.history], np.append(log.times, np.inf)[event + 1], np.inf)
    assert (asks.times < following).all()
    assert np.bincount(asks.history).max() > 4
    assert np.array_equal(asks.times, drawn_asks(log, CONFIG, plan(log, CONFIG)).times)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target(name="fly", events=("fly",), within_seconds=DAY), "no event 'fly'"),
        (Target(name="next_event", events=("buy",), within_seconds=DAY), "other than next_event"),
        (Target(name="ever", events=("buy", "look"), within_seconds=1e-3), "all of them no"),
    ],
)
def test_targets_that_cannot_be_learned_are_refused(target, words):
    with pytest.raises(InputError, match=words):
        prepare(busy_log(), msgspec.structs.replace(CONFIG, targets=(target,)))
