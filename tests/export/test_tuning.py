"""A search: what trials are judged by, when one ends early, and how a folder is gone on with."""

import csv
import random
import time
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import numpy as np
import optuna
import pytest
from sklearn.metrics import roc_auc_score

import nearsight_export.attempt
import nearsight_export.tuning
from nearsight.backends.backend import Backend, Binding, tensors
from nearsight.errors import InputError
from nearsight_export.attempt import Attempts
from nearsight_export.errors import ConversionError, LateError, UnpromisingError
from nearsight_export.judge import Judge
from nearsight_export.making import Maker
from nearsight_export.pace import raced
from nearsight_export.recommendation import Trial
from nearsight_export.replay import Replay
from nearsight_export.samples import Samples
from nearsight_export.space import Space
from nearsight_export.tuning import Limits, tune
from nearsight_training.answers import Answers
from nearsight_training.columns import Table
from nearsight_training.config import Fitting, LogConfig, Privacy, Size, Target
from nearsight_training.log import log_of
from nearsight_training.preparation import prepare
from nearsight_training.progress import SILENT
from nearsight_training.split import TEST, TRAIN, VALIDATION

DAY = 86_400.0
NEVER = float("inf")
CONFIG = LogConfig(
    targets=(Target(name="buys", events=("buy",), within_seconds=5 * DAY),),
    split="user",
    validation_share=0.3,
    size=Size(filters=4, units=6),
    fitting=Fitting(epochs=1, batch_events=1024, teach=False),
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A log of 90 users who look in every day or two; half of them buy."""
    path, rng = tmp_path_factory.mktemp("log") / "log.csv", random.Random(3)
    rows = []
    for user in range(90):
        day = rng.uniform(0, 10)
        while day < 40:
            rows.append((user, f"{1.7e9 + day * DAY:.0f}", "buy" if rng.random() < 0.25 * (user % 2) else "look"))
            day += rng.expovariate(1 / 2)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("user", "time", "event"), *rows])
    return path


@pytest.fixture(scope="module")
def prepared(source):
    return prepare(log_of(Table.read(source), CONFIG), CONFIG)


@pytest.fixture(scope="module")
def attempts(prepared):
    return Attempts(prepared, CONFIG)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Converts without a process for each trial, which `test_conversion.py` and the command line's test have."""

    def converted(trunk, weights, window, artifact):
        return Maker(trunk, weights, window, Samples.none(trunk)).make(artifact)

    monkeypatch.setattr(nearsight_export.attempt, "converted", converted)


@pytest.fixture
def trained(monkeypatch):
    """The configurations that a search trains into a run, which isn't done here."""
    asked = []

    def train(source, config, *given):
        asked.append(config)
        return SimpleNamespace(metrics={})

    monkeypatch.setattr(nearsight_export.tuning, "train_log", train)
    return asked


@pytest.fixture(scope="module")
def found(attempts):
    """What the default configuration gives; its artifact comes from a process of its own, as a user's does."""
    return attempts.tried(CONFIG, None, [], NEVER, SILENT)


def planted(prepared, split):
    """The same histories with the labels of one split the wrong way round, and its rows shuffled."""
    histories = prepared.histories
    events = (histories.split == split)[histories.owners]
    asks = (histories.split == split)[histories.ask_history]
    wrong = np.where(histories.labels >= 0, 1 - histories.labels, -1).astype(np.int8)
    wrong_asks = np.where(histories.ask_labels >= 0, 1 - histories.ask_labels, -1).astype(np.int8)
    return replace(
        prepared,
        histories=replace(
            histories,
            labels=np.where(events[:, None], wrong, histories.labels),
            ask_labels=np.where(asks[:, None], wrong_asks, histories.ask_labels),
            numbers=np.where(events[:, None] & (split == TEST), np.float32(9), histories.numbers),
        ),
    )


def test_wrong_answers_in_the_test_change_nothing(prepared, found):
    other = Attempts(planted(prepared, TEST), CONFIG).tried(CONFIG, None, [], NEVER, SILENT)
    assert other.score == found.score
    assert other.early == found.early
    judged = Attempts(planted(prepared, VALIDATION), CONFIG)
    assert judged.judge.score(judged.replay(CONFIG, found.artifact)) == pytest.approx(1 - found.score)


def test_the_score_is_the_mean_auc_on_validation(prepared):
    validation = prepared.histories.select(VALIDATION)
    rng, size = np.random.default_rng(1), len(validation.labels)
    double = replace(validation, labels=np.repeat(rng.integers(-1, 2, (size, 1)), 2, 1).astype(np.int8))
    double.labels[: size // 2, 1] = -1
    heads = [msgspec.structs.replace(prepared.heads[0], name=name, start=at) for at, name in enumerate("ab")]
    chances = rng.random((size, 2)).astype(np.float32)
    judge = Judge(double, heads, None)
    given = Replay(chances, chances[:0], chances[:0], chances[:0], chances[:0])
    each = [
        roc_auc_score(double.labels[known, at], chances[known, at])
        for at, known in ((at, double.labels[:, at] >= 0) for at in (0, 1))
    ]
    assert judge.score(given) == pytest.approx(np.mean(each))
    logits = np.log(chances / (1 - chances))
    assert judge.score(Answers(logits, logits[:0])) == pytest.approx(np.mean(each))
    ahead = judge.ahead(given, Replay(1 - chances, *[chances[:0]] * 4))
    assert ahead.value == pytest.approx(2 * np.mean(each) - 1)
    assert ahead.low < ahead.value < ahead.high
    assert judge.ahead(given, given).low == judge.ahead(given, given).high == 0


def test_without_a_question_the_score_is_minus_the_log_loss_of_the_next_event(prepared):
    validation, head = prepared.histories.select(VALIDATION), msgspec.structs.replace(prepared.heads[1], start=0)
    judge, known = Judge(validation, [head], None), validation.next_codes[:, 0] > 0
    chances = np.random.default_rng(2).dirichlet([1] * head.size, len(known)).astype(np.float32)
    given = Replay(chances, chances[:0], chances[:0], chances[:0], chances[:0])
    expected = np.log(chances[known, validation.next_codes[known, 0] - 1]).mean()
    assert judge.score(given) == pytest.approx(expected, rel=1e-6)
    assert judge.figure == "log loss"
    assert judge.ahead(given, given).value == 0


def test_an_artifacts_pace_is_the_ratio_to_the_reference_beside_it(attempts):
    """Two runtimes that move a clock instead of computing: 30 against 20 µs, and twice that from half time on."""
    now, runs = [0], []

    def runtime(name, microseconds):
        def new(batch):
            memory = tensors(attempts.trunk(CONFIG), batch)

            def run():
                runs.append(name)
                now[0] += 1000 * microseconds * (1 if len(runs) < 2400 else 2)
                memory["next_state"][:] = memory["state"] + memory["numbers"][0, 0]

            return Binding(memory, run)

        return Backend(name, new)

    codes = np.zeros((50, len(attempts.spec.code_sizes)), np.int32)
    numbers = np.ones((50, len(attempts.spec.number_names)), np.float32)
    mine, other = runtime("mine", 30), runtime("other", 20)
    pace = raced(mine, other, codes, numbers, clock=lambda: now[0])
    assert pace.ratio == pytest.approx(1.5)
    assert pace.p50_us in (30, 45, 60)
    blocks = [set(runs[first : first + 120]) for first in range(0, 4800, 120)]
    assert blocks == [{"other"}, {"mine"}, {"mine"}, {"other"}] * 10
    assert mine.bind(1).state[0, 0] == 120  # each block is one history, its state handed on


def test_a_trial_behind_no_larger_ones_is_ended(attempts, found):
    assert 0 < found.early < 1
    better = [Trial(number=n, state="done", choices={}, seconds=1, early=1.0, weights=found.weights) for n in range(3)]
    with pytest.raises(UnpromisingError):
        attempts.tried(CONFIG, (CONFIG, found.artifact), better, NEVER, SILENT)


def test_a_trial_that_is_late_is_ended(attempts, found):
    with pytest.raises(LateError):
        attempts.tried(CONFIG, (CONFIG, found.artifact), [], time.monotonic() - 1, SILENT)


def test_what_would_change_nothing_is_not_chosen(prepared):
    """Two names of events need no wide embedding, and no history is longer than the longest window."""
    training = prepared.histories.select(TRAIN)
    longest = int(training.lengths.max())
    space = Space(CONFIG, prepared.spec, training)
    assert space.configured(space.default) == CONFIG
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    drawn = [space.drawn(study.ask()) for _ in range(30)]
    assert all(set(choices) == set(space.default) for choices in drawn)
    assert {choices["largest_embedding"] for choices in drawn} <= {4, CONFIG.size.largest_embedding}
    assert all(choices.get("window", 32) < 2 * max(longest, 32) for choices in drawn)
    silent = Space(CONFIG, prepared.spec, replace(training, ask_time=training.ask_time[:0]))
    assert "ask_weight" not in silent.default


def test_a_folder_is_gone_on_with(source, quick, trained, tmp_path):
    first = tune(source, CONFIG, tmp_path / "tuned", Limits(trials=2))
    second = tune(source, CONFIG, tmp_path / "tuned", Limits(trials=2))
    assert [trial.number for trial in second.trials] == [0, 1, 2, 3]
    assert second.trials[:2] == first.trials
    assert first.trials[0].choices == Space(CONFIG, *spaces(source)).default
    assert len({str(trial.choices) for trial in second.trials}) == 4
    assert second.default == 0
    assert second.recommended in second.front
    assert trained[-1] == Space(CONFIG, *spaces(source)).configured(second.trial(second.recommended).choices)
    kept = msgspec.json.decode((tmp_path / "tuned/tuning.json").read_bytes(), type=type(second))
    assert kept == second


def spaces(source):
    prepared = prepare(log_of(Table.read(source), CONFIG), CONFIG)
    return prepared.spec, prepared.histories.select(TRAIN)


@pytest.fixture
def quick(monkeypatch, attempts, found):
    """Trials that train nothing: each finds what the default did, or ends with what this list holds for it."""
    ends, replay = [], attempts.replay
    level = replace(found, pace=msgspec.structs.replace(found.pace, ratio=1.0))  # or chance prefers one of two

    def tried(attempts, *given):
        if ends:
            end = ends.pop(0)
            if end is not None:
                raise end
        return level

    monkeypatch.setattr(Attempts, "tried", tried)
    monkeypatch.setattr(Attempts, "replay", lambda attempts, *_: replay(CONFIG, found.artifact))
    return ends


def test_the_time_ends_a_search_but_not_before_the_default_was_tried(source, quick, trained, tmp_path):
    tuned = tune(source, CONFIG, tmp_path / "tuned", Limits(seconds=1e-3))
    assert [trial.number for trial in tuned.trials] == [0]
    assert trained == [CONFIG]


def test_ctrl_c_keeps_what_was_found(source, quick, trained, tmp_path):
    quick += [None, None, KeyboardInterrupt()]
    stopped = tune(source, CONFIG, tmp_path / "tuned", Limits())
    assert stopped.is_stopped
    assert stopped.run is None
    assert trained == []
    assert [trial.state for trial in stopped.trials] == ["done", "done", "failed"]
    assert (tmp_path / "tuned/tuning.json").exists()
    later = tune(source, CONFIG, tmp_path / "tuned", Limits(trials=1))
    assert [trial.state for trial in later.trials] == ["done", "done", "failed", "done"]


def test_ctrl_c_before_anything_was_found_is_ctrl_c_and_the_default_is_tried_again(source, quick, trained, tmp_path):
    quick += [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        tune(source, CONFIG, tmp_path / "tuned", Limits())
    tuned = tune(source, CONFIG, tmp_path / "tuned", Limits(trials=1))
    assert [trial.state for trial in tuned.trials] == ["failed", "done"]
    assert tuned.default == 1
    assert tuned.trials[0].choices == tuned.trials[1].choices


def test_a_trial_that_fails_ends_no_search_unless_it_is_the_default(source, quick, trained, tmp_path):
    quick += [None, ConversionError("the converter gave up")]
    tuned = tune(source, CONFIG, tmp_path / "tuned", Limits(trials=3))
    assert [trial.state for trial in tuned.trials] == ["done", "failed", "done"]
    assert tuned.trials[1].reason == "the converter gave up"
    quick += [ConversionError("the converter gave up")]
    with pytest.raises(ConversionError):
        tune(source, CONFIG, tmp_path / "other", Limits(trials=1))


def test_a_trial_whose_process_was_killed_is_left_behind(source, quick, trained, tmp_path):
    tune(source, CONFIG, tmp_path / "tuned", Limits(trials=1))
    journal = str(tmp_path / "tuned/study.journal")
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(journal))
    optuna.load_study(study_name="tuning", storage=storage).ask()
    assert [trial.number for trial in tune(source, CONFIG, tmp_path / "tuned", Limits(trials=1)).trials] == [0, 2]


def test_another_log_or_configuration_is_refused(source, quick, trained, tmp_path):
    tune(source, CONFIG, tmp_path / "tuned", Limits(trials=1))
    kept = (tmp_path / "tuned/study.journal").read_bytes()
    with pytest.raises(InputError, match="another min_users:"):
        tune(source, msgspec.structs.replace(CONFIG, min_users=3), tmp_path / "tuned", Limits(trials=1))
    other = tmp_path / "other.csv"
    other.write_text(source.read_text() + "1,1700000000,look\n")
    with pytest.raises(InputError, match="another log: pass the same"):
        tune(other, CONFIG, tmp_path / "tuned", Limits(trials=1))
    assert (tmp_path / "tuned/study.journal").read_bytes() == kept


def test_a_private_run_is_not_searched_around(tmp_path, source):
    private = msgspec.structs.replace(CONFIG, fitting=Fitting(private=Privacy(epsilon=2.0)))
    run = SimpleNamespace(config=private)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearsight_export.tuning, "load_run", lambda _: run)
        with pytest.raises(InputError, match="every trial would tell something of the users"):
            nearsight_export.tuning.configuration(tmp_path, source)


def test_a_damaged_journal_is_refused(source, tmp_path):
    (tmp_path / "tuned").mkdir()
    (tmp_path / "tuned/study.journal").write_text("photos\nof cats\n")
    with pytest.raises(InputError, match="damaged"):
        tune(source, CONFIG, tmp_path / "tuned", Limits(trials=1))


def test_a_search_says_nothing_of_its_own(source, quick, trained, tmp_path, capfd):
    tune(source, CONFIG, tmp_path / "tuned", Limits(trials=2))
    assert capfd.readouterr() == ("", "")


def test_a_recommended_run_that_is_there_is_not_trained_again(source, quick, trained, tmp_path, monkeypatch):
    tune(source, CONFIG, tmp_path / "tuned", Limits(trials=1))
    (tmp_path / "tuned/best").mkdir()
    (tmp_path / "tuned/best/run.json").write_text("{}")
    monkeypatch.setattr(nearsight_export.tuning, "load_run", lambda folder: SimpleNamespace(config=CONFIG, metrics={}))
    tune(source, CONFIG, tmp_path / "tuned", Limits(trials=1))
    assert trained == [CONFIG]
