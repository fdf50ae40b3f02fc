"""A network is said to rely on order or on time where the log was made so that only this tells, and nowhere else."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from nearsight_training.ablation import Asked, asked_of, relying, shuffled, timeless
from nearsight_training.config import Fitting, LogConfig, Size, Target
from nearsight_training.gate import ENOUGH, Gate, Reliance, verdict
from nearsight_training.learning import learn
from nearsight_training.metrics import Interval
from nearsight_training.preparation import prepare
from nearsight_training.split import TEST, TRAIN
from training.conftest import make_log

CONFIG = LogConfig(
    targets=(Target(name="wave", events=("wave",), within_events=1),),
    split="user",
    test_share=0.5,
    validation_share=0.2,
    asks=0,
    size=Size(filters=8, units=8),
    fitting=Fitting(epochs=6, batch_events=64, learning_rate=2e-2, next_weight=1.0, teach=False, dropout=0.0),
)
SHORT, LONG = 60.0, 86400.0


def waves(last, gap):
    """What each rule says of a user waving goodbye next, from the last event's name and the gap before it."""
    return {"order": 0.3 if last == "ask" else 0.0, "time": 0.3 if gap == SHORT else 0.0, "neither": 0.15}


def made_log(rule, users=600):
    """Users who look and ask at random, after short and long gaps at random, until they wave."""
    generator = np.random.default_rng(3)
    histories = []
    for _ in range(users):
        now, events, waved = 1e9 + generator.integers(1000) * 3600.0, [], False
        while not waved and len(events) < 12:
            gap, name = float(generator.choice([SHORT, LONG])), str(generator.choice(["look", "ask"]))
            now += gap
            events.append((now, name))
            waved = generator.random() < waves(name, gap)[rule]
        histories.append([*events, (now + LONG, "wave")] if waved else events)
    return make_log(*histories)


@pytest.fixture(scope="module", params=["order", "time", "neither"])
def planted(request):
    """A rule, and the gates of a network that was trained on a log of it."""
    prepared = prepare(made_log(request.param), CONFIG)
    learned = learn(prepared, CONFIG)
    gates = {"wave": Gate(figure="auc", users=0), "next_event": Gate(figure="log_loss", users=0)}
    return request.param, relying(gates, learned.model, prepared, learned.heads, learned.answers, None, 0)


@pytest.mark.parametrize("head", ["wave", "next_event"])
def test_what_tells_is_found_and_nothing_else(planted, head):
    rule, gates = planted
    relies, said = gates[head].relies, " ".join(verdict(head, gates[head]))
    words = {"order": "the order of events", "time": "when events happen"}
    assert set(relies) == {"order", "time"}
    for part, reliance in relies.items():
        assert reliance.users >= ENOUGH
        if part == rule:
            assert reliance.cost.low > 0.01
            assert f"{head}: the network relies on {words[part]}: " in said
        else:
            assert reliance.cost.low <= 0
            assert reliance.cost.value < 0.02  # far below 0, time or order is noise that was learned by heart
            assert f"{head}: the network relies on {words[part]}" not in said


@pytest.fixture(scope="module")
def order_log():
    return prepare(made_log("order", 60), msgspec.structs.replace(CONFIG, asks=2))


def test_a_shuffled_past_holds_the_same_events_at_the_same_times_and_none_that_follow(order_log):
    test = order_log.histories.select(TRAIN)  # whose users are asked between events, too
    asked = Asked(np.arange(3, len(test.codes), 5), np.arange(0, len(test.ask_time), 3))
    found, clock = shuffled(test, asked, order_log.spec, seed=0), len(order_log.spec.clock_names)
    moved = 0
    for number, last in enumerate([*asked.events, *test.ask_events[asked.asks]]):
        past, mine = slice(test.starts[test.owners[last]], last + 1), found.span(number)
        assert (found.times[mine] == test.times[past]).all()
        assert (found.numbers[mine, :clock] == test.numbers[past, :clock]).all()
        assert sorted(found.names[mine]) == sorted(test.names[past])
        moved += (found.codes[mine, 0] != test.codes[past, 0]).any()
    assert moved > 10
    assert (found.numbers[:, clock:].shape[1]) == 0
    assert (found.ask_history == np.arange(len(asked.events), len(found))).all()
    assert (found.ask_numbers == test.ask_numbers[asked.asks]).all()


def test_names_and_fields_of_an_event_move_together():
    """A field that repeats the name still repeats it after shuffling."""
    log = made_log("order", 60)
    numbers = np.where(log.names == "ask", 1.0, 0.0)
    prepared = prepare(replace(log, fields={"asked": numbers}), msgspec.structs.replace(CONFIG, trusted=("asked",)))
    test = prepared.histories.select(TEST)
    asked = Asked(np.flatnonzero(test.positions == 5), np.zeros(0, np.int64))
    found = shuffled(test, asked, prepared.spec, seed=1)
    ask = prepared.spec.event.vocabulary.index("ask") + 1
    assert ((found.codes[:, 0] == ask) == (found.numbers[:, -1] > 0)).all()


def test_a_timeless_history_tells_nothing_but_which_event_was_the_first(order_log):
    training, test = order_log.histories.select(TRAIN), order_log.histories.select(TEST)
    found, clock = timeless(test, training, order_log.spec), len(order_log.spec.clock_names)
    for first in (0, 1):
        rows = found.numbers[test.numbers[:, 0] == first, :clock]
        assert (rows == rows[0]).all()
        assert rows[0] == pytest.approx(training.numbers[training.numbers[:, 0] == first, :clock].mean(0), abs=1e-5)
    assert (found.codes == test.codes).all()
    gap = [order_log.spec.number_names.index(name) for name in order_log.spec.clock.gap.names]
    assert test.numbers[:, gap].sum(1).std() > 0.5


def test_many_questions_are_drawn_and_few_are_all_asked(order_log, monkeypatch):
    test = order_log.histories.select(TEST)
    everything = asked_of(test, order_log.heads, None, seed=0)
    assert len(everything.events) == (test.next_codes[:, 0] >= 0).sum()
    monkeypatch.setattr("nearsight_training.ablation._MOST_ROWS", 50)
    some = asked_of(test, order_log.heads, None, seed=0)
    assert 5 < len(some.events) < 50
    assert np.isin(some.events, everything.events).all()


@pytest.mark.parametrize(
    ("cost", "users", "words"),
    [
        (Interval(0.031, 0.02, 0.042), ENOUGH, "buys: the network relies on the order of events: with the events"),
        (Interval(0.031, 0.02, 0.042), ENOUGH, "it is worse by 0.0310 of AUC (0.0200 to 0.0420)."),
        (Interval(0.001, -0.002, 0.004), ENOUGH, "it can't be told whether the network relies on the order"),
        (Interval(-0.02, -0.03, -0.01), ENOUGH, "the order of events misleads the network"),
        (Interval(0.031, 0.02, 0.042), ENOUGH - 1, ""),
    ],
)
def test_a_sentence_claims_what_the_interval_allows(cost, users, words):
    said = list(verdict("buys", Gate(figure="auc", users=users, relies={"order": Reliance(users=users, cost=cost)})))
    assert words in said[0] if words else not said
