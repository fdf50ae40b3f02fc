"""A small training on real purchases: it must learn, repeat itself, and write down what it did."""

import hashlib
import os
import subprocess
import sys

import msgspec
import numpy as np
import pytest

from nearsight.backends.reference import NumpyOps
from nearsight.errors import InputError
from nearsight.heads import calibrated
from nearsight.trunk import step
from nearsight_training import metrics
from nearsight_training.answers import scored
from nearsight_training.columns import moment
from nearsight_training.config import TableConfig, Target
from nearsight_training.histories import SPLITS
from nearsight_training.run import load_histories, load_run, load_weights, save_run
from nearsight_training.split import TEST
from nearsight_training.train import train_log, train_table


def test_it_beats_counting_purchases_and_the_base_rate(small_run):
    """Ranking by the number of purchases and predicting the mean are the trivial answers."""
    run, folder = small_run
    test = load_histories(folder).select(TEST)
    _, places = scored(test, run.heads[0], moment("1997-09-30"))
    labels = test.ask_labels[places, 0]
    found = run.metrics["purchase"]
    assert found["auc"].value > metrics.auc(labels, test.ask_after[places])
    assert found["log_loss"].value < metrics.log_loss(labels, np.full(len(labels), labels.mean())) - 0.05
    assert found["auc"].low > 0.65


def test_the_folder_answers_as_the_metrics_say(small_run):
    """From the disk alone: weights, calibration and histories give the run's own AUC through the streamed step."""
    run, folder = small_run
    weights, test = calibrated(load_weights(folder), run.heads), load_histories(folder).select(TEST)
    chances = []
    for question in range(len(test.ask_time)):
        state = np.zeros((1, run.trunk.state_size), np.float32)
        start = test.starts[test.ask_history[question]]
        for t in range(start, start + test.ask_after[question]):
            _, _, state = step(NumpyOps(), run.trunk, weights, test.codes[t : t + 1], test.numbers[t : t + 1], state)
        codes, numbers = test.ask_codes[question : question + 1], test.ask_numbers[question : question + 1]
        chances.append(step(NumpyOps(), run.trunk, weights, codes, numbers, state)[0][0, 0])
    labels, chances = test.ask_labels[:, 0], np.array(chances)
    expected = run.metrics["purchase"]
    assert metrics.auc(labels, chances) == pytest.approx(expected["auc"].value, abs=1e-4)
    assert metrics.log_loss(labels, chances) == pytest.approx(expected["log_loss"].value, abs=1e-5)
    assert metrics.decisions(labels, chances, run.heads[0].threshold)["f1"] == pytest.approx(expected["f1"].value)


def test_the_run_says_what_it_did(small_run, small_config):
    run, folder = small_run
    assert load_run(folder) == run
    assert run.config == small_config
    assert run.seed == small_config.fitting.seed
    assert len(run.history) <= small_config.fitting.epochs * (6 if run.taught else 1)
    assert run.source.users == sum(run.data[f"{name}_users"] for name in SPLITS)
    assert (run.data["from"], run.data["to"]) == ("1997-01-01", "1998-06-30")
    assert {"tensorflow", "numpy"} <= run.versions.keys()
    assert list(folder.glob("logs/*tfevents*"))
    assert {name: array.shape for name, array in load_weights(folder).items()} == run.trunk.weight_shapes


def test_who_may_read_the_run_may_read_its_logs(small_run):
    _, folder = small_run
    assert (folder / "logs").stat().st_mode == folder.stat().st_mode


def test_no_users_name_is_in_the_folder(small_run):
    _, folder = small_run
    assert "customer 0" not in folder.joinpath("run.json").read_text()
    with np.load(folder / "histories.npz") as file:
        texts = [file[name] for name in file.files if file[name].dtype.kind == "U"]
    assert texts
    assert not any(np.char.startswith(text, "customer").any() for text in texts)


def test_the_same_seed_gives_the_same_weights_in_another_process(small_run, quarter, tmp_path):
    _, folder = small_run
    program = f"""
from pathlib import Path
from nearsight_training.run import load_run
from nearsight_training.train import train_log, train_table
train_log(Path({str(quarter)!r}), load_run({str(folder)!r}).config, Path({str(tmp_path / "again")!r}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""  # and no start-up noise reaches the terminal
    first, second = load_weights(folder), load_weights(tmp_path / "again")
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert load_run(tmp_path / "again").metrics == load_run(folder).metrics


def test_importing_the_entry_points_starts_no_tensorflow():
    program = (
        "import sys, nearsight_training.train, nearsight_training.predict, nearsight_training.run;"
        "print([name for name in ('tensorflow', 'tf_keras', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_log_file_is_trained_by_time_with_a_next_event_head(tmp_path, cdnow_table, small_config):
    """Two kinds of events, so that the next one can be told: purchases below and from twenty dollars."""
    frame = cdnow_table.frame.filter(cdnow_table.frame["user"].cast(int) % 6 == 0)
    large = (frame["dollars"] >= 20).replace_strict({True: "large", False: "small"})
    frame.with_columns(large.alias("event"), frame["time"].dt.strftime("%Y-%m-%d")).write_csv(tmp_path / "log.csv")
    month = Target(name="buys", events=("large", "small"), within_seconds=30 * 86400)
    config = msgspec.structs.replace(small_config, targets=(month,), split="time", cutoff=None)
    run = train_log(tmp_path / "log.csv", config, tmp_path / "run")
    assert run.source.sha256 == hashlib.sha256((tmp_path / "log.csv").read_bytes()).hexdigest()
    assert set(run.metrics) == {"buys", "next_event"}
    assert run.metrics["next_event"]["log_loss"].value < np.log(2)
    assert run.metrics["next_event"]["hits@5"].value == 1.0
    assert run.metrics["buys"]["auc"].value > 0.55


def test_one_class_only_is_refused_and_nothing_is_written(tmp_path, cdnow_table, small_config):
    frame = cdnow_table.frame.unique("user", keep="first", maintain_order=True)[:600]
    target = msgspec.structs.replace(small_config.targets[0], within_seconds=86400.0)
    config = msgspec.structs.replace(small_config, targets=(target,), cutoff=None)
    with pytest.raises(InputError, match=r"both answers in the train part, received \d+ labels, all of them no"):
        train_log(type(cdnow_table)("once", frame, 1), config, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


class Stopped:
    """Progress that ends a training once the data are read."""

    def start(self, title, total):
        assert title == "reading"

    def advance(self, note=""):
        self.note = note

    def finish(self, summary=""):
        raise InterruptedError(summary)


def test_what_was_read_is_told_in_thousands(tmp_path, small_config, cdnow_table):
    stopped = Stopped()
    with pytest.raises(InterruptedError, match=r"^67,591 events of 23,570 users$"):
        train_log(cdnow_table, small_config, tmp_path / "run", stopped)
    assert stopped.note == "67,591 events of 23,570 users"
    (tmp_path / "wide.csv").write_text("a,b,label\n" + "".join(f"{k},1,{k % 2}\n" for k in range(1200)))
    with pytest.raises(InterruptedError, match=r"^1,200 rows of 2 steps$"):
        train_table(tmp_path / "wide.csv", TableConfig(), tmp_path / "run", Stopped())


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_no_generator_takes_is_refused(tmp_path, small_config, seed):
    fitting = msgspec.structs.replace(small_config.fitting, seed=seed)
    with pytest.raises(InputError, match=f"between 0 and 4294967295, received {seed}"):
        train_log(tmp_path / "log.csv", msgspec.structs.replace(small_config, fitting=fitting), tmp_path / "run")
    with pytest.raises(InputError, match=f"received {seed}"):
        train_table(tmp_path / "wide.csv", TableConfig(fitting=fitting), tmp_path / "run")


def test_a_folder_that_is_not_a_run_is_never_replaced(tmp_path, small_run, small_config, cdnow_table):
    run, folder = small_run
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="isn't a run"):
        save_run(tmp_path, run, load_weights(folder), load_histories(folder))
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_place_without_a_folder_to_write_in_is_refused_before_anything_is_read(tmp_path, small_config, monkeypatch):
    (tmp_path / "events.csv").write_text("user,time,event\n")
    with pytest.raises(InputError, match=r"must lie in folders, received \S*events\.csv, which is none: pass another"):
        train_log(tmp_path / "nowhere.csv", small_config, tmp_path / "events.csv" / "deep" / "run")
    monkeypatch.setattr(os, "access", lambda place, _: place != tmp_path)  # root may write anywhere
    with pytest.raises(InputError, match="must lie where you may write"):
        train_table(tmp_path / "nowhere.csv", TableConfig(), tmp_path / "new" / "run")
    with pytest.raises(InputError, match=r"nowhere\.csv can't be read"):
        train_log(tmp_path / "nowhere.csv", small_config, "run")


def test_a_run_is_replaced_as_a_whole(tmp_path, small_run):
    run, folder = small_run
    for name in ("first", "second"):
        renamed = msgspec.structs.replace(run, name=name)
        save_run(tmp_path / "run", renamed, load_weights(folder), load_histories(folder))
        assert load_run(tmp_path / "run").name == name
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("name", "content", "read", "words"),
    [
        ("run.json", b"{", load_run, "damaged run.json"),
        ("run.json", b'{"format": 99}', load_run, "format 99 where this version reads up to 1"),
        ("weights.npz", b"PK\x03\x04 cut", load_weights, "damaged weights.npz"),
        ("histories.npz", b"nothing", load_histories, "damaged histories.npz"),
    ],
)
def test_a_damaged_run_is_refused(tmp_path, name, content, read, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read(tmp_path)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"isn't a run \(it has no run.json\)"):
        load_run(tmp_path)
