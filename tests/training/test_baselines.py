"""The gate is fair: it asks every model the same, and says what the figures say, no more."""

import msgspec
import numpy as np
import pytest

from nearsight_training.answers import Answers
from nearsight_training.baselines import gated
from nearsight_training.config import LogConfig, Target
from nearsight_training.gate import ENOUGH, Gate, Rival, verdict
from nearsight_training.metrics import Interval
from nearsight_training.preparation import prepare
from nearsight_training.split import TEST
from training.conftest import DAY, make_log

WITHIN = Target(name="buys", events=("buy",), within_seconds=2 * DAY)
CONFIG = LogConfig(targets=(WITHIN,), split="user", test_share=0.4, validation_share=0.2, asks=0)


def shop(users, rule):
    """Users who look at things, one a day, and buy the day after where `rule` says so of what they did last."""
    generator = np.random.default_rng(5)
    histories = []
    for _ in range(users):
        events = []
        for day in range(int(generator.integers(3, 9))):
            events.append((4 * day * DAY, str(generator.choice(["look", "ask", "cart"]))))
            events += [((4 * day + 1) * DAY, "buy")] if rule(events, generator) else []
        histories.append([*events, (60 * DAY, "look")])
    return make_log(*histories)


def after_a_cart(events, generator):
    return events[-1][1] == "cart" and generator.random() < 0.9


@pytest.fixture(scope="module")
def prepared():
    return prepare(shop(500, after_a_cart), CONFIG)


def answers(prepared, of):
    """Logits of a network that says `of(histories)` of yes, and that every event is as likely to be next."""
    test = prepared.histories.select(TEST)
    outputs = sum(head.size for head in prepared.heads)
    events = np.zeros((len(test.codes), outputs), np.float32)
    events[:, 0] = of(test)
    return Answers(events, np.zeros((0, outputs), np.float32))


def gates(prepared, of):
    return gated(prepared, prepared.heads, answers(prepared, of), None, seed=0)


@pytest.fixture(scope="module")
def clueless(prepared):
    noise = np.random.default_rng(1)
    return gates(prepared, lambda test: noise.normal(size=len(test.codes)))


def test_a_network_that_guesses_is_found_out(clueless):
    trees = clueless["buys"].rivals[0]
    assert trees.name == "LightGBM"
    assert trees.ahead["auc"].high < -0.3
    assert trees.ahead["log_loss"].low > 0.1
    assert any(sentence.startswith("buys: LightGBM ranks better") for sentence in verdict("buys", clueless["buys"]))


def test_a_network_that_knows_the_answer_is_given_credit(prepared):
    known = gates(prepared, lambda test: np.where(test.labels[:, 0] == 1, 4.0, -4.0))
    assert known["buys"].rivals[0].ahead["auc"].low > 0
    assert "the network ranks better than LightGBM" in next(verdict("buys", known["buys"]))


def test_the_same_answers_cannot_be_told_apart(prepared, clueless):
    """The difference is paired: of a network against itself nothing is left, whatever the draws."""
    trees = clueless["buys"].rivals[0]
    again = gates(prepared, lambda test: np.zeros(len(test.codes)))["buys"].rivals[0]
    assert again.figures == trees.figures


def test_order_is_seen_to_matter_where_the_last_event_decides(clueless):
    needs = clueless["buys"].needs
    assert needs["order"].low > 0.01
    assert needs["time"].low < 0.01
    assert "what the last event was matters" in " ".join(verdict("buys", clueless["buys"]))


def test_order_is_not_seen_to_matter_where_nothing_does():
    prepared = prepare(shop(500, lambda events, generator: generator.random() < 0.3), CONFIG)
    gate = gates(prepared, lambda test: np.zeros(len(test.codes)))["buys"]
    assert gate.needs["order"].low < 0 < gate.needs["order"].high
    assert "what the last event was isn't seen to matter" in " ".join(verdict("buys", gate))


def test_a_chain_beats_a_network_for_which_all_events_are_alike(clueless):
    gate = clueless["next_event"]
    assert gate.figure == "log_loss"
    assert gate.rivals[0].ahead["log_loss"].low > 0
    assert gate.needs["order"].low > 0
    assert next(verdict("next_event", gate)).startswith("next_event: the Markov chain foresees better")


def test_a_model_that_cannot_be_had_says_why(prepared):
    """No user of this shop buys twice on one day, but a label without a horizon isn't for BG/NBD."""
    head = msgspec.structs.replace(prepared.heads[0], within_seconds=None)
    found = gated(prepared, (head,), answers(prepared, lambda test: np.zeros(len(test.codes))), None, seed=0)
    assert "events within a time" in found["buys"].absent["BG/NBD"]


def planted(value, low, high, users=ENOUGH):
    change = {"auc": Interval(value, low, high)}
    return Gate(
        figure="auc", users=users, rivals=(Rival(name="X", figures={"auc": Interval(0.7, 0, 1)}, ahead=change),)
    )


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (planted(0.02, 0.01, 0.03), "the network ranks better than X (AUC 0.700; difference +0.0200, +0.0100 to"),
        (planted(-0.02, -0.03, -0.01), "X ranks better than the network"),
        (planted(0.0, -0.01, 0.01), "can't be told apart"),
        (planted(0.2, 0.1, 0.3, users=ENOUGH - 1), "nothing is claimed"),
    ],
)
def test_a_verdict_claims_what_the_interval_allows(gate, words):
    assert words in next(verdict("buys", gate))
