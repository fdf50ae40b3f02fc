"""Trees teach only what they know of users that they have never seen, and only where they know at least as much."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from nearsight_training import learning, teaching
from nearsight_training.answers import Answers
from nearsight_training.config import Fitting, LogConfig, Size, Target
from nearsight_training.peers import kinds_of
from nearsight_training.preparation import prepare
from nearsight_training.split import TRAIN, VALIDATION
from nearsight_training.teachers import Said
from nearsight_training.teaching import OutOfFold
from training.conftest import DAY, make_log

CONFIG = LogConfig(
    targets=(Target(name="buys", events=("buy",), within_seconds=2 * DAY),),
    split="user",
    next_event=False,
    size=Size(filters=4, units=5),
    fitting=Fitting(epochs=2, batch_events=512),
)


@pytest.fixture(scope="module")
def prepared():
    """Users who buy the day after they put something into a cart, nine times in ten."""
    generator = np.random.default_rng(7)
    histories = []
    for _ in range(300):
        events = []
        for day in range(int(generator.integers(3, 9))):
            events.append((4 * day * DAY, str(generator.choice(["look", "ask", "cart"]))))
            buys = events[-1][1] == "cart" and generator.random() < 0.9
            events += [((4 * day + 1) * DAY, "buy")] if buys else []
        histories.append([*events, (60 * DAY, "look")])
    return prepare(make_log(*histories), CONFIG)


def answers(prepared, of):
    validation = prepared.histories.select(VALIDATION)
    return Answers(of(validation.labels).astype(np.float32), of(validation.ask_labels).astype(np.float32))


def lessons(prepared, of=np.zeros_like):
    training, validation = (prepared.histories.select(part) for part in (TRAIN, VALIDATION))
    trees = OutOfFold(training, validation, kinds_of(prepared.spec), seed=0)
    return trees.said(prepared.heads, answers(prepared, of), "event")


def test_trees_say_nothing_to_a_network_that_knows_better(prepared, monkeypatch):
    monkeypatch.setattr(teaching, "_CLOSE", 0.0)
    said, names = lessons(prepared, lambda labels: labels)
    assert names == ()
    assert np.isnan(said.events).all()
    assert np.isnan(said.asks).all()


def test_trees_speak_of_every_question_with_a_known_answer_and_of_no_other(prepared):
    said, names = lessons(prepared)
    assert names == ("buys",)
    hard = prepared.histories.select(TRAIN)
    for chances, labels in ((said.events, hard.labels), (said.asks, hard.ask_labels)):
        assert np.isnan(chances[labels < 0]).all()
        assert ((chances[labels >= 0] > 0) & (chances[labels >= 0] < 1)).all()


def test_questions_that_are_asked_some_at_a_time_get_the_same_answers(prepared, monkeypatch):
    at_once, _ = lessons(prepared)
    monkeypatch.setattr(teaching, "_AT_ONCE", 7)
    in_turn, _ = lessons(prepared)
    assert np.array_equal(in_turn.events, at_once.events, equal_nan=True)
    assert np.array_equal(in_turn.asks, at_once.asks, equal_nan=True)


def test_carts_that_were_not_bought_are_said_to_have_been_near_it(prepared):
    """The log's rule: nine carts of ten are bought. Trees say so of those that weren't."""
    said, _ = lessons(prepared)
    hard = prepared.histories.select(TRAIN)
    left = (hard.names == "cart") & (hard.labels[:, 0] == 0)
    assert said.events[left, 0].mean() == pytest.approx(0.9, abs=0.12)


def test_no_tree_was_told_the_answers_of_the_users_whom_it_speaks_of(prepared):
    """One user's answers turned round change what is said of others, and nothing that is said of that user."""
    plain, _ = lessons(prepared)
    histories = prepared.histories
    user = int(np.flatnonzero(histories.split == TRAIN)[3])
    mine = histories.owners == user
    turned = np.where(mine[:, np.newaxis] & (histories.labels >= 0), 1 - histories.labels, histories.labels)
    other, _ = lessons(replace(prepared, histories=replace(histories, labels=turned.astype(np.int8))))
    place = int(np.flatnonzero(np.flatnonzero(histories.split == TRAIN) == user)[0])
    span = histories.select(TRAIN).span(place)
    assert np.isfinite(plain.events[span]).any()
    assert np.array_equal(other.events[span], plain.events[span], equal_nan=True)
    rest = np.ones(len(plain.events), bool)
    rest[span] = False
    assert (plain.events[rest] != other.events[rest])[np.isfinite(plain.events[rest])].any()


@pytest.mark.parametrize(("helped", "expected"), [(True, ("buys",)), (False, ())])
def test_what_was_taught_is_kept_only_where_validation_says_so(prepared, monkeypatch, helped, expected):
    """The second fit is made to report a loss below or above the first one's, and to leave its mark on the weights."""
    first, fit, training = [], learning.fit, prepared.histories.select(TRAIN)

    def marked(model, *arguments, **options):
        epochs = fit(model, *arguments, **options)
        if not first:
            first.append([weights.copy() for weights in model.get_weights()])
            return epochs
        model.set_weights([weights + 1 for weights in model.get_weights()])
        best = -1.0 if helped else 9.0
        return tuple(msgspec.structs.replace(epoch, validation_loss=best) for epoch in epochs)

    monkeypatch.setattr(learning, "fit", marked)
    nothing = Said.nothing(len(training.codes), len(training.ask_time), 1)
    monkeypatch.setattr(OutOfFold, "said", lambda *_: (nothing, ("buys",)))
    learned = learning.learn(prepared, CONFIG)
    assert learned.taught == expected
    assert (len(learned.epochs) > 2) == helped
    kept = max(float(np.abs(learned.weights["head_bias"] - weights).max()) for weights in first[0][-1:])
    assert kept == pytest.approx(1.0 if helped else 0.0, abs=0.5)
