"""Before the heads are trained the trunk learns what follows, from training histories alone, where that helps."""

import re
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from nearsight.heads import BinaryHead
from nearsight_training import pretraining
from nearsight_training.config import Fitting, LogConfig, Size, Target
from nearsight_training.histories import Histories
from nearsight_training.labels import event_labels
from nearsight_training.learning import learn, trunk_of
from nearsight_training.network import build, canonical
from nearsight_training.preparation import prepare
from nearsight_training.pretraining import ahead, kept_if_better, lessons
from nearsight_training.progress import SILENT
from nearsight_training.run import Epoch
from nearsight_training.split import TEST, TRAIN, VALIDATION
from training.conftest import DAY, make_log

CONFIG = LogConfig(
    targets=(Target(name="wave", events=("wave",), within_events=1),),
    split="user",
    next_event=False,
    validation_share=0.3,
    asks=1,
    size=Size(filters=8, units=8),
    fitting=Fitting(epochs=4, batch_events=64, learning_rate=1e-2, teach=False, dropout=0.0),
)


def hourly(*hours, name="look"):
    return [(hour * 3600.0, name) for hour in hours]


@pytest.fixture(scope="module")
def prepared():
    """Users who look, then ask, then wave or wait, again and again with slips; most have no known answers."""
    generator = np.random.default_rng(4)
    circle = ["look", "ask", "wave", "wait"]
    histories = []
    for _ in range(240):
        place, now, events = int(generator.integers(4)), 1e9, []
        for _ in range(int(generator.integers(5, 9))):
            place = (place + 1) % 4 if generator.random() < 0.9 else int(generator.integers(4))
            now += float(generator.exponential(DAY))
            events.append((now, circle[place]))
        histories.append(events)
    made = prepare(make_log(*histories), CONFIG)
    labels, ask_labels = made.histories.labels.copy(), made.histories.ask_labels.copy()
    unknown = (made.histories.split == TRAIN) & (np.arange(len(made.histories)) % 12 > 0)
    labels[unknown[made.histories.owners]] = -1
    ask_labels[unknown[made.histories.ask_history]] = -1
    return replace(made, histories=replace(made.histories, labels=labels, ask_labels=ask_labels))


def test_what_follows_within_a_span_is_what_a_question_of_that_horizon_says():
    """The oracle is the labels of an ordinary question about any event within the span."""
    log = make_log(hourly(0, 1, 5, 30), hourly(2), hourly(3, 4, 40, name="ask"))
    histories = plain(log)
    spans, until = np.array([3600.0, 5 * 3600.0]), 40 * 3600.0
    found = ahead(histories, spans, until).labels
    for place, span in enumerate(spans.tolist()):
        question = Target(name="any", events=("look", "ask"), within_seconds=span)
        expected = event_labels(log, question, np.full(len(log.times), until))
        assert found[:, place].tolist() == expected.tolist()


def plain(log):
    """Histories of a log with a question halfway to each event that follows one."""
    size = len(log.times)
    last = np.flatnonzero(np.append(log.owners[1:] == log.owners[:-1], False))
    return Histories(
        codes=np.ones((size, 1), np.int32),
        numbers=np.zeros((size, 3), np.float32),
        starts=log.starts,
        split=np.zeros(len(log.starts), np.int8),
        fresh=np.isin(np.arange(size), log.starts),
        times=log.times,
        names=log.names,
        labels=np.full((size, 1), -1, np.int8),
        next_codes=np.full((size, 2), -1, np.int32),
        ask_history=log.owners[last],
        ask_after=last - log.starts[log.owners[last]] + 1,
        ask_time=(log.times[last] + log.times[last + 1]) / 2,
        ask_codes=np.ones((len(last), 1), np.int32),
        ask_numbers=np.zeros((len(last), 3), np.float32),
        ask_labels=np.full((len(last), 1), -1, np.int8),
        values=np.zeros((size, 0), np.float32),
        ask_values=np.zeros((len(last), 0), np.float32),
    )


def test_a_question_in_a_silence_is_about_what_is_left_of_it():
    found = ahead(plain(make_log(hourly(0, 4), hourly(1, 11))), np.array([2 * 3600.0]), 11 * 3600.0)
    assert found.ask_labels[:, 0].tolist() == [1, 0]


def test_an_event_at_the_same_moment_follows_at_once():
    """A question about a time ahead looks past it; the lesson is about the next row that the network will read."""
    assert ahead(plain(make_log(hourly(2, 2, 9))), np.array([3600.0]), 9 * 3600.0).labels[:, 0].tolist() == [1, 0, -1]


def test_the_lesson_is_made_of_the_training_users_alone(prepared):
    """Other users' times and names turned round change nothing of it."""
    heads, spans = lessons(prepared)
    histories = prepared.histories
    others = (histories.split != TRAIN)[histories.owners]
    times = np.where(others, histories.times * 2, histories.times)
    turned = replace(prepared, histories=replace(histories, times=times))
    again, same = lessons(turned)
    assert again == heads
    assert (same == spans).all()
    assert sum(isinstance(head, BinaryHead) for head in heads) == len(spans) == 4


@pytest.fixture
def faked(monkeypatch):
    """Trainings that only add one to every weight, and report the losses that `losses` names by what they are called.

    Returns a function that pre-trains on `Prepared`, and what the trainings were given.
    """
    given = []

    def fit(model, training, validation, *_, task, **__):
        given.append((task, training, validation))
        model.set_weights([array + 1 for array in model.get_weights()])
        return (Epoch(loss=0.0, validation_loss=losses.get(task, 0.5), seconds=0.0),)

    losses = {}
    monkeypatch.setattr(pretraining, "fit", fit)

    def run(prepared, again=0.5):
        losses["training again from there"] = again
        trunk = trunk_of(prepared.spec, prepared.heads, CONFIG.size)
        model = build(trunk, asks=True)
        begin, plain = canonical(model), Epoch(loss=0.0, validation_loss=0.5, seconds=0.0)
        model.set_weights([array - 7 for array in model.get_weights()])
        epochs, note = kept_if_better(model, begin, (plain,), prepared, trunk, FITTING, 32, None, SILENT)
        moved = {name: float((canonical(model)[name] - begin[name]).mean()) for name in begin}
        return epochs, note, moved

    return run, given


FITTING = msgspec.structs.replace(CONFIG.fitting, pretrain_epochs=1)


def test_nothing_of_the_test_reaches_a_training(prepared, faked):
    run, given = faked
    run(prepared)
    histories = prepared.histories
    tested = (histories.split == TEST)[histories.owners]
    codes = np.where(tested[:, np.newaxis], 1, histories.codes).astype(np.int32)
    times = np.where(tested, 9e9, histories.times)
    run(replace(prepared, histories=replace(histories, codes=codes, times=times)))
    tasks = [task for task, _, _ in given]
    assert tasks == ["learning what comes next", "training again from there"] * 2
    for (_, *first), (_, *second) in zip(given[:2], given[2:], strict=True):
        for one, other in zip(first, second, strict=True):
            assert (one.codes == other.codes).all()
            assert (one.labels == other.labels).all()
            assert (one.ask_labels == other.ask_labels).all()


def test_it_helps_where_few_answers_are_known_and_what_follows_tells(prepared):
    told = msgspec.structs.replace(CONFIG.fitting, pretrain_epochs=10)
    learned = learn(prepared, msgspec.structs.replace(CONFIG, fitting=told))
    having, without = (float(loss) for loss in re.findall(r"0\.\d{4}", learned.notes[0]))
    assert having < without - 0.02
    assert min(epoch.validation_loss for epoch in learned.epochs) == pytest.approx(having, abs=1e-4)


@pytest.mark.parametrize(("again", "words"), [(0.4, "it was kept"), (0.6, "it was left out"), (0.5, "it was left out")])
def test_it_is_kept_only_where_validation_says_so(prepared, faked, again, words):
    """Two trainings move the trunk by two, and the heads, of which pre-training has others, by one; or all is back."""
    run, _ = faked
    epochs, note, moved = run(prepared, again)
    assert note == f"pre-training: validation's loss is {again:.4f} with it and 0.5000 without: {words}"
    assert epochs[0].validation_loss == min(again, 0.5)
    expected = {"lstm_kernel": 2, "conv_kernel": 2, "embedding_0": 2, "head_kernel": 1, "head_bias": 1}
    for name, distance in expected.items():
        assert moved[name] == pytest.approx(distance if again < 0.5 else -7, abs=1e-4)


def test_users_with_one_event_each_teach_nothing_and_the_note_says_so(prepared):
    histories = prepared.histories.shortened(np.ones(len(prepared.histories), np.int64))
    only = replace(prepared, histories=replace(histories, next_codes=np.full_like(histories.next_codes, -1)))
    assert lessons(only)[0] == ()
    assert (only.histories.split == VALIDATION).any()
