"""Who may influence what: tested users nothing but the figures, validation users no weight but when to stop."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from nearsight.backends.reference import NumpyOps
from nearsight.heads import BinaryHead, NextEventHead, activations, calibrated
from nearsight.trunk import Trunk, heads
from nearsight_training.answers import Answers, answers, probabilities
from nearsight_training.calibration import platt, temperature, threshold
from nearsight_training.config import Fitting, Size
from nearsight_training.fit import BatchLoss, fit, seeded
from nearsight_training.learning import calibrated_heads, learn, measured, trunk_of
from nearsight_training.metrics import binary_metrics, next_event_metrics
from nearsight_training.network import build
from nearsight_training.preparation import prepare
from nearsight_training.split import TEST, TRAIN, VALIDATION
from training.conftest import DAY
from training.test_split import CONFIG, busy_log

TINY = msgspec.structs.replace(
    CONFIG, size=Size(filters=4, units=4), fitting=Fitting(epochs=1, batch_events=256, learning_rate=2e-2)
)


def turned(prepared, part):
    """The same histories with everything about one split's users turned round: rows, labels, next events, questions."""
    histories = prepared.histories
    users = histories.split == part
    events, asks = users[histories.owners], users[histories.ask_history]
    changed = {}
    for name, rows in (("labels", events), ("ask_labels", asks)):
        values = getattr(histories, name)
        changed[name] = np.where(rows[:, np.newaxis] & (values >= 0), 1 - values, values).astype(np.int8)
    for name, rows in (("numbers", events), ("ask_numbers", asks)):
        values = getattr(histories, name)
        changed[name] = np.where(rows[:, np.newaxis], -values, values)
    following = histories.next_codes
    changed["next_codes"] = np.where(events[:, np.newaxis] & (following > 0), 3 - following, following).astype(np.int32)
    return replace(prepared, histories=replace(histories, **changed))


@pytest.fixture(scope="module", params=[None, 20 * DAY], ids=["every prefix", "one cut-off"])
def trained(request):
    config = msgspec.structs.replace(TINY, cutoff=request.param, validation_share=0.3)
    prepared = prepare(busy_log(users=200), config)
    return prepared, config, learn(prepared, config)


def same(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one)


def test_tested_users_change_nothing_but_the_figures(trained):
    prepared, config, learned = trained
    again = learn(turned(prepared, TEST), config)
    assert same(learned.weights, again.weights)
    assert learned.heads == again.heads
    assert [(e.loss, e.validation_loss) for e in learned.epochs] == [(e.loss, e.validation_loss) for e in again.epochs]
    assert learned.metrics != again.metrics


def test_validation_users_change_no_weight_within_an_epoch(trained):
    """Without teaching, for which validation says whether trees rank well enough."""
    prepared, config, _ = trained
    config = msgspec.structs.replace(config, fitting=msgspec.structs.replace(config.fitting, teach=False))
    learned, again = learn(prepared, config), learn(turned(prepared, VALIDATION), config)
    assert same(learned.weights, again.weights)
    assert learned.epochs[0].loss == again.epochs[0].loss
    assert learned.epochs[0].validation_loss != again.epochs[0].validation_loss
    assert learned.heads != again.heads


def test_training_ends_with_the_weights_that_were_best_on_validation():
    """A validation that contradicts what is learned is served best by the first epoch's weights."""
    prepared = prepare(busy_log(users=200), TINY)
    training, contrary = prepared.histories.select(TRAIN), turned(prepared, TRAIN).histories.select(TRAIN)
    fitting = msgspec.structs.replace(TINY.fitting, epochs=9, patience=2, dropout=0.0)
    seeded(1)
    model = build(trunk_of(prepared.spec, prepared.heads, TINY.size), asks=True)
    kept = []
    epochs = fit(
        model, training, contrary, prepared.heads, fitting, 32, before_step=lambda _: kept.append(model.get_weights())
    )
    losses = [epoch.validation_loss for epoch in epochs]
    best = int(np.argmin(losses))
    assert len(epochs) == best + 1 + fitting.patience + 1 < fitting.epochs
    first_of_next = kept[(best + 1) * len(kept) // len(epochs)]
    assert all(np.array_equal(one, other) for one, other in zip(model.get_weights(), first_of_next, strict=True))


def test_dropout_falls_on_training_alone():
    """Weights that hardly move have the same validation loss after each epoch, and another training loss."""
    prepared = prepare(busy_log(users=200), TINY)
    training, validation = (prepared.histories.select(part) for part in (TRAIN, VALIDATION))
    fitting = msgspec.structs.replace(TINY.fitting, epochs=2, dropout=0.5, learning_rate=1e-12)
    seeded(1)
    model = build(trunk_of(prepared.spec, prepared.heads, TINY.size), asks=True, dropout=fitting.dropout)
    one, other = fit(model, training, validation, prepared.heads, fitting, 32)
    assert one.validation_loss == pytest.approx(other.validation_loss, rel=1e-6)
    assert one.loss != pytest.approx(other.loss, rel=1e-6)


HEADS = (
    BinaryHead(name="a", start=0, events=("a",), within_seconds=1.0, scale=0.5, offset=-1.0, threshold=0.3),
    BinaryHead(name="b", start=1, events=("b",), within_seconds=2.0, scale=2.0, offset=0.25, threshold=0.6),
    NextEventHead(start=2, vocabulary=("a", "b"), temperature=1.7),
)


def test_probabilities_are_those_of_calibration_folded_into_weights():
    trunk = Trunk(code_sizes=(2,), embedding_sizes=(1,), numbers=1, filters=1, units=6, activations=activations(HEADS))
    generator = np.random.default_rng(0)
    weights = {name: generator.normal(size=shape).astype(np.float32) for name, shape in trunk.weight_shapes.items()}
    embedding = generator.normal(size=(50, 6)).astype(np.float32)
    logits = embedding @ weights["head_kernel"] + weights["head_bias"]
    folded = heads(NumpyOps, trunk, calibrated(weights, HEADS), embedding)
    for head in HEADS:
        part = folded[:, head.start : head.start + head.size]
        assert probabilities(logits, head).reshape(part.shape) == pytest.approx(part, abs=1e-6)


@pytest.fixture(scope="module", params=[None, 20 * DAY], ids=["every prefix", "one cut-off"])
def drawn_answers(request):
    """Histories of a log with answers drawn at random for them."""
    config = msgspec.structs.replace(TINY, cutoff=request.param, validation_share=0.3)
    prepared = prepare(busy_log(users=200), config)
    generator = np.random.default_rng(1)
    size = sum(head.size for head in prepared.heads)

    def invented(part):
        histories = prepared.histories.select(part)
        shapes = (len(histories.codes), size), (len(histories.ask_time), size)
        return histories, Answers(*(generator.normal(size=shape).astype(np.float32) for shape in shapes))

    return prepared.heads, config, invented


def test_heads_are_calibrated_on_what_validation_is_asked(drawn_answers):
    given_heads, config, invented = drawn_answers
    cutoff = config.cutoff
    histories, given = invented(VALIDATION)
    binary, following = calibrated_heads(given_heads, histories, given, config)
    labels, logits = histories.labels[:, 0], given.events
    if cutoff is not None:
        there = histories.ask_time == cutoff - binary.within_seconds
        labels, logits = histories.ask_labels[there, 0], given.asks[there]
    labels, logits = labels[labels >= 0], logits[labels >= 0]
    assert (binary.scale, binary.offset) == platt(logits[:, 0], labels)
    assert binary.threshold == threshold(labels, probabilities(logits, binary))
    known = histories.next_codes[:, 0] > 0
    assert following.temperature == temperature(given.events[known, 1:], histories.next_codes[known, 0])


def test_figures_are_of_the_test_with_intervals_by_user(drawn_answers):
    given_heads, config, invented = drawn_answers
    cutoff = config.cutoff
    histories, given = invented(TEST)
    found = measured(given_heads, histories, given, cutoff)
    events = np.repeat(np.arange(len(histories)), histories.lengths)
    labels, logits, users = histories.labels[:, 0], given.events, events
    if cutoff is not None:
        there = histories.ask_time == cutoff
        labels, logits, users = histories.ask_labels[there, 0], given.asks[there], histories.ask_history[there]
    known = labels >= 0
    chances = 1 / (1 + np.exp(-logits[known, 0].astype(np.float64)))
    assert found["buy"] == binary_metrics(labels[known], chances, users[known], given_heads[0].threshold)
    known = histories.next_codes[:, 0] >= 0
    if not known.any():
        assert set(found) == {"buy"}  # with a split by time the test sees nothing before the cut-off, and nothing after
        return
    chances = probabilities(given.events[known], given_heads[1])
    assert found["next_event"] == next_event_metrics(histories.next_codes[known, 0], chances, events[known])


def test_the_loss_is_cross_entropy_over_what_is_known():
    generator = np.random.default_rng(2)
    logits = generator.normal(size=(2, 6, 4)).astype(np.float32)  # three events and three questions
    labels = np.array([[[1, 0]] * 3 + [[-1, 1]] * 3, [[-1, -1]] * 3 + [[0, -1]] * 3], np.float32)
    following = np.array([[1, 2, 0], [-1, 2, -1]], np.int32)
    fitting = Fitting(ask_weight=0.5, next_weight=0.3)
    expected = weight = 0.0
    for row, place, head in np.argwhere(labels >= 0):
        chance = 1 / (1 + np.exp(-logits[row, place, head]))
        share = 1.0 if place < 3 else fitting.ask_weight
        expected -= share * np.log(chance if labels[row, place, head] else 1 - chance)
        weight += share
    for row, place in np.argwhere(following > 0):
        powers = np.exp(logits[row, place, 2:])
        expected -= fitting.next_weight * np.log(powers[following[row, place] - 1] / powers.sum())
    loss, total = BatchLoss(HEADS, fitting)(logits, labels, np.stack([following, -np.ones_like(following)], -1))
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(total) == pytest.approx(weight)


def test_answers_are_asked_whole_whatever_their_number():
    """Each question's answer, also the fourth beside one event, is the one of a batch of its own."""
    prepared = prepare(busy_log(users=60), msgspec.structs.replace(TINY, validation_share=0.3))
    histories = prepared.histories
    assert np.bincount(histories.ask_events).max() == 4
    seeded(3)
    model = build(trunk_of(prepared.spec, prepared.heads, TINY.size), asks=True)
    given = answers(model, histories)
    crowd = np.flatnonzero(np.bincount(histories.ask_events) == 4)
    for question in np.flatnonzero(np.isin(histories.ask_events, crowd))[:24]:
        span = histories.span(histories.ask_history[question])
        stop = span.start + histories.ask_after[question]
        codes, numbers = histories.codes[span.start : stop], histories.numbers[span.start : stop]
        beside = np.repeat(histories.ask_codes[question][np.newaxis], len(codes), 0)
        near = np.repeat(histories.ask_numbers[question][np.newaxis], len(codes), 0)
        rows = [np.concatenate(each)[np.newaxis] for each in ((codes, beside), (numbers, near))]
        assert given.asks[question] == pytest.approx(model(rows)[0].numpy()[0, -1], abs=1e-5)
