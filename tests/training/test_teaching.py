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
from nearsight_training.teaching import OutOfFold, taught
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
    return taught(trees, prepared.heads, answers(prepared, of), "event")


def test_a_network_that_knows_better_is_not_taught(prepared):
    training, names = lessons(prepared, lambda labels: labels)
    assert names == ()
    assert (training.labels == prepared.histories.select(TRAIN).labels).all()


def test_labels_are_softened_towards_what_trees_say_and_stay_on_their_side_of_it(prepared):
    training, names = lessons(prepared)
    assert names == ("buys",)
    hard = prepared.histories.select(TRAIN)
    for soft, labels in ((training.labels, hard.labels), (training.ask_labels, hard.ask_labels)):
        known = labels >= 0
        assert (soft[~known] == -1).all()
        assert ((soft[known] > 0) & (soft[known] < 1)).all()
        assert (soft[labels == 1] >= 0.2).all()
        assert (soft[labels == 0] <= 0.8).all()


def test_questions_that_are_asked_some_at_a_time_get_the_same_answers(prepared, monkeypatch):
    at_once, _ = lessons(prepared)
    monkeypatch.setattr(teaching, "_AT_ONCE", 7)
    in_turn, _ = lessons(prepared)
    assert np.array_equal(in_turn.labels, at_once.labels)
    assert np.array_equal(in_turn.ask_labels, at_once.ask_labels)


def test_carts_that_were_not_bought_are_said_to_have_been_near_it(prepared):
    """The log's rule: nine carts of ten are bought. Trees say so of those that weren't."""
    training, _ = lessons(prepared)
    hard = prepared.histories.select(TRAIN)
    left = (hard.names == "cart") & (hard.labels[:, 0] == 0)
    assert training.labels[left, 0].mean() == pytest.approx(0.8 * 0.9, abs=0.1)


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
    labels = histories.select(TRAIN).labels[span]
    known = labels >= 0
    said_before = (plain.labels[span][known] - 0.2 * labels[known]) / 0.8
    said_after = (other.labels[span][known] - 0.2 * (1 - labels[known])) / 0.8
    assert said_after == pytest.approx(said_before, abs=1e-6)
    rest = np.ones(len(plain.labels), bool)
    rest[span] = False
    assert (plain.labels[rest] != other.labels[rest]).any()


@pytest.mark.parametrize(("helped", "expected"), [(True, ("buys",)), (False, ())])
def test_what_was_taught_is_kept_only_where_validation_says_so(prepared, monkeypatch, helped, expected):
    """The second fit is made to report a loss below or above the first one's, and to leave its mark on the weights."""
    first, fit = [], learning.fit

    def marked(model, *arguments, **options):
        epochs = fit(model, *arguments, **options)
        if not first:
            first.append([weights.copy() for weights in model.get_weights()])
            return epochs
        model.set_weights([weights + 1 for weights in model.get_weights()])
        best = -1.0 if helped else 9.0
        return tuple(msgspec.structs.replace(epoch, validation_loss=best) for epoch in epochs)

    monkeypatch.setattr(learning, "fit", marked)
    monkeypatch.setattr(learning, "taught", lambda trees, *_: (trees.training, ("buys",)))
    learned = learning.learn(prepared, CONFIG)
    assert learned.taught == expected
    assert len(learned.epochs) == (3 if helped else 2)
    kept = max(float(np.abs(learned.weights["head_bias"] - weights).max()) for weights in first[0][-1:])
    assert kept == pytest.approx(1.0 if helped else 0.0, abs=0.5)
