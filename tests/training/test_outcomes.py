"""Labels that arrive late: a column answers a question, is never read as a field and isn't known before its time."""

import numpy as np
import polars as pl
import pytest

from nearsight.errors import InputError
from nearsight_training.columns import Table
from nearsight_training.config import Inactive, Label, LogConfig
from nearsight_training.labels import ask_labels, event_labels
from nearsight_training.log import log_of
from nearsight_training.preparation import prepare
from nearsight_training.split import plan
from nearsight_training.targets import check_targets
from training.conftest import DAY, make_log

TOLD = "user,time,event,price,fraud\na,0,buy,1,0\na,5,buy,2,\na,100,look,3,1\nb,0,buy,4,0\nb,3,buy,5,yes\n"


def log(tmp_path, label, text=TOLD, **changes):
    (tmp_path / "log.csv").write_text(text)
    return log_of(Table.read(tmp_path / "log.csv"), LogConfig(targets=(label,), **changes))


def labels(found, label, until):
    return event_labels(found, label, np.full(len(found.times), float(until))).tolist()


def test_an_events_label_is_known_after_its_delay_alone(tmp_path):
    label = Label(name="is_fraud", column="fraud", delay_seconds=10)
    found = log(tmp_path, label)
    assert labels(found, label, 1000) == [0, -1, 1, 0, 1]
    assert labels(found, label, 109) == [0, -1, -1, 0, 1]
    assert labels(found, label, 12) == [0, -1, -1, 0, -1]


def test_a_sessions_label_is_yes_where_one_row_says_so_and_waits_for_its_end(tmp_path):
    label = Label(name="is_fraud", column="fraud", per="session", session_gap_seconds=20)
    found = log(tmp_path, label)
    assert labels(found, label, 1000) == [0, 0, 1, 1, 1]
    assert labels(found, label, 24) == [-1, -1, -1, 1, 1]
    asked = ask_labels(found, label, np.array([0, 0]), np.array([2, 2]), np.array([20.0, 30.0]), np.full(2, 1000.0))
    assert asked.tolist() == [0, -1]  # at 30 the session is over


def test_a_users_label_counts_from_their_first_event(tmp_path):
    label = Label(name="is_fraud", column="fraud", per="user", delay_seconds=50)
    found = log(tmp_path, label)
    assert labels(found, label, 50) == [1, 1, 1, 1, 1]
    assert labels(found, label, 49) == [-1] * 5


def test_the_column_is_never_a_field(tmp_path):
    label = Label(name="is_fraud", column="fraud")
    assert list(log(tmp_path, label).fields) == ["price"]
    with pytest.raises(InputError, match="column 'fraud' answers a question"):
        log(tmp_path, label, fields=("price", "fraud"))


def test_words_mean_yes_where_the_declaration_says_so(tmp_path):
    text = "user,time,event,how\na,0,buy,charged back\na,1,buy,fine\na,2,buy,\nb,0,buy,disputed\n"
    label = Label(name="is_fraud", column="how", yes=("charged back", "disputed"))
    assert labels(log(tmp_path, label, text), label, 9) == [1, 0, -1, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TOLD.replace("yes", "maybe"), "line 6: column 'fraud' must say 1 or 0, received what is spelled like 'xxxxx'"),
        (TOLD.replace("fraud", "found"), "no column 'fraud'"),
    ],
)
def test_a_column_that_answers_nothing_is_refused(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        log(tmp_path, Label(name="is_fraud", column="fraud"), text)


def test_a_column_that_always_answers_alike_is_refused(tmp_path):
    label = Label(name="is_fraud", column="fraud")
    found = log(tmp_path, label, TOLD.replace("yes", "0").replace("3,1", "3,0"))
    with pytest.raises(InputError, match="column 'fraud' must say yes and no somewhere"):
        check_targets(found, LogConfig(targets=(label,)))


def test_training_sees_no_label_that_came_after_the_cut(tmp_path):
    """Of training users only what was settled when the test began, though the file knows the rest by now."""
    generator = np.random.default_rng(0)
    rows = [
        (f"u{user}", float(time), "buy", int(generator.random() < 0.3))
        for user in range(120)
        for time in np.sort(generator.uniform(0, 100 * DAY, 12))
    ]
    frame = pl.DataFrame(rows, schema=["user", "time", "event", "bad"], orient="row")
    frame.write_csv(tmp_path / "log.csv")
    label = Label(name="is_bad", column="bad", delay_seconds=20 * DAY)
    config = LogConfig(targets=(label,), min_users=1)
    found = log_of(Table.read(tmp_path / "log.csv"), config)
    cut, histories = plan(found, config).train_until, prepare(found, config).histories
    train, test = histories.select(0), histories.select(2)
    settled = train.times[train.labels[:, 0] >= 0] + 20 * DAY
    assert cut - DAY < settled.max() <= cut
    assert test.times[test.labels[:, 0] >= 0].min() >= cut


def mean_gap_oracle(times, now):
    past = sorted({time for time in times if time <= now})
    seen = [time for time in times if time <= now]
    return (past[-1] - past[0]) / (len(seen) - 1) if len(past) > 1 else np.inf


@pytest.mark.parametrize("seed", range(5))
def test_by_their_rhythm_users_have_horizons_of_their_own(seed):
    generator = np.random.default_rng(seed)
    histories = [np.sort(generator.integers(0, 60, generator.integers(1, 12))).tolist() for _ in range(20)]
    found = make_log(*([(time, "e") for time in history] for history in histories))
    target = Inactive(name="leaves", within_seconds=15, rhythm=2)
    expected = []
    for history in histories:
        for now in history:
            horizon = min(15, 2 * mean_gap_oracle(history, now))
            left = not any(now < time <= now + horizon for time in history)
            expected.append(int(left) if now + 15 <= 70 else -1)
    assert labels(found, target, 70) == expected
