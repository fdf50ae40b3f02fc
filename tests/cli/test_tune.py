"""`nearsight tune` as a person runs it: small real trials, what is printed, and how it ends."""

import json
from pathlib import Path

import msgspec
import pytest

import nearsight_export.tuning
from cli.conftest import Outcome, examples_of, nearsight
from cli.test_bad_input import refused
from nearsight_cli.app import app
from nearsight_cli.tune import show
from nearsight_export.tuning import Tuned
from nearsight_training.run import load_run

TUNE = ["tune", "runs/events", "events.csv"]


@pytest.fixture(scope="module")
def searched(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A search of two trials: its folder, and what the command said."""
    folder = tmp_path_factory.mktemp("search") / "tuned"
    return folder, nearsight(*TUNE, "--trials", "2", "--out", folder, "--json", folder=exported)


@pytest.fixture(scope="module")
def tuned(searched: tuple[Path, Outcome]) -> Tuned:
    return msgspec.json.decode((searched[0] / "tuning.json").read_bytes(), type=Tuned)


def test_what_is_printed_is_what_is_kept(searched: tuple[Path, Outcome], tuned: Tuned) -> None:
    done = searched[1]
    assert done.code == 0, done.err
    assert msgspec.json.decode(done.out, type=Tuned) == tuned
    assert tuned.command.startswith("nearsight tune runs/events events.csv --trials 2")
    assert "Trial 1" in done.err
    assert "optuna" not in done.err


def test_the_trials_were_measured_and_the_recommended_one_is_a_run(
    searched: tuple[Path, Outcome], tuned: Tuned
) -> None:
    folder, _ = searched
    default = tuned.trials[0]
    assert (default.number, default.pace, default.choices["units"]) == (0, 1.0, 6)
    for trial in tuned.trials:
        assert trial.state == "done"
        assert 0 <= trial.values[0] <= 1
        assert (folder / "trials" / f"{trial.number:04d}.tflite").stat().st_size == trial.bytes
    chosen, run = tuned.trial(tuned.recommended), load_run(folder / "best")
    assert (run.trunk.filters, run.trunk.units) == (chosen.choices["filters"], chosen.choices["units"])
    assert run.config.fitting.learning_rate == chosen.choices["learning_rate"]
    assert tuned.metrics == run.metrics
    assert set(run.metrics) == {"purchase", "next_event"}


def test_people_get_a_table_a_recommendation_and_what_comes_next(
    searched: tuple[Path, Outcome], tuned: Tuned, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show(tuned, searched[0], json=False)
    out = capsys.readouterr().out
    rows = [line.split()[0] for line in out.split("\n\n")[0].splitlines() if line[:1].isdigit()]
    assert set(map(int, rows)) == {*tuned.front, tuned.default}
    assert "smallest product of step time and size" in " ".join(out.split())
    for head, name in (("purchase", "auc"), ("next_event", "log_loss")):
        assert f"  {head} {name.replace('_', ' ').replace('auc', 'AUC')} {tuned.metrics[head][name].value:.4f} (" in out
    assert f"Next: nearsight export {tuned.run}" in out


def test_a_search_that_was_stopped_says_how_to_go_on(
    exported: Path, tuned: Tuned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = msgspec.structs.replace(tuned, is_stopped=True, run=None)
    monkeypatch.setattr(nearsight_export.tuning, "tune", lambda *given: stopped)
    done = nearsight(*TUNE, "--out", tmp_path / "tuned", folder=exported)
    assert (done.code, done.err) == (130, "")
    assert tuned.command in done.out


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ([*TUNE, "--budget", "soon"], "soon"),
        ([*TUNE, "--out", "photos"], "photos exists and isn't a search"),
        ([*TUNE, "--out", "events.csv"], "events.csv, which is none"),
        ([*TUNE, "--out", "events.csv/below"], "events.csv"),
        (["tune", "photos", "events.csv"], "photos isn't a run"),
        (["tune", "runs/events", "missing.csv"], "missing.csv can't be read"),
        (["tune", "runs/events", "orders.csv"], "learned from another events.csv than orders.csv"),
        (["tune", "runs/user_behavior_data", "user_behavior_data.csv"], "needs a run of an event log"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(arguments: list[str], fragment: str, place: Path) -> None:
    assert fragment in refused(place, *arguments)


def test_a_run_that_must_keep_anothers_size_is_refused(place: Path) -> None:
    file = place / "runs/events/run.json"
    run = json.loads(file.read_bytes())
    run["config"]["origin"] = {"run": "runs/first", "weights": ""}
    file.write_text(json.dumps(run))
    assert "keeps the size of another" in refused(place, *TUNE)


def test_a_run_of_a_log_in_parts_is_refused(place: Path) -> None:
    file = place / "runs/events/run.json"
    run = json.loads(file.read_bytes())
    run["config"]["parts"] = 6
    file.write_text(json.dumps(run))
    assert "a log in memory, received runs/events, which learned from one in 6 parts" in refused(place, *TUNE)


@pytest.mark.parametrize("example", examples_of("tune"), ids=" ".join)
def test_the_examples_are_commands(example: list[str]) -> None:
    import typer

    typer.main.get_command(app).commands["tune"].make_context("tune", example[1:])
