"""`nearsight tune` as a person runs it: small real trials, what is printed, and how it ends."""

from pathlib import Path

import msgspec
import pytest

import nearsight_export.tuning
from cli.conftest import SMALL, Outcome, examples_of, nearsight
from cli.test_bad_input import log, refused
from nearsight_cli.app import app
from nearsight_cli.tune import show
from nearsight_export.tuning import Tuned
from nearsight_training.run import load_run

TUNE = ["tune", "events.csv", "--questions", "shop.toml", *SMALL]
LOG = ["tune", "log.csv", "--user", "user_id", "--time", "timestamp", "--target", "purchase", "--within", "2d"]


@pytest.fixture(scope="module")
def searched(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A search of two trials: its folder, and what the command said."""
    folder = tmp_path_factory.mktemp("search") / "tuned"
    return folder, nearsight(*TUNE, "--trials", "2", "--out", folder, "--json", folder=shop)


@pytest.fixture(scope="module")
def tuned(searched: tuple[Path, Outcome]) -> Tuned:
    return msgspec.json.decode((searched[0] / "tuning.json").read_bytes(), type=Tuned)


def test_what_is_printed_is_what_is_kept(searched: tuple[Path, Outcome], tuned: Tuned) -> None:
    done = searched[1]
    assert done.code == 0, done.err
    assert msgspec.json.decode(done.out, type=Tuned) == tuned
    assert tuned.command.startswith("nearsight tune events.csv --questions shop.toml")
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
    assert set(run.metrics) == {"buys", "leaves", "next_event"}


def test_people_get_a_table_a_recommendation_and_what_comes_next(
    searched: tuple[Path, Outcome], tuned: Tuned, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show(tuned, searched[0], json=False)
    out = capsys.readouterr().out
    rows = [line.split()[0] for line in out.split("\n\n")[0].splitlines() if line[:1].isdigit()]
    assert set(map(int, rows)) == {*tuned.front, tuned.default}
    assert "smallest product of step time and size" in " ".join(out.split())
    for head, name in (("buys", "auc"), ("leaves", "auc"), ("next_event", "log_loss")):
        assert f"  {head} {name.replace('_', ' ').replace('auc', 'AUC')} {tuned.metrics[head][name].value:.4f} (" in out
    assert f"Next: nearsight export {tuned.run}" in out


def test_a_search_that_was_stopped_says_how_to_go_on(
    shop: Path, tuned: Tuned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = msgspec.structs.replace(tuned, is_stopped=True, run=None)
    monkeypatch.setattr(nearsight_export.tuning, "tune", lambda *given: stopped)
    done = nearsight("tune", "events.csv", "--out", tmp_path / "tuned", folder=shop)
    assert (done.code, done.err) == (130, "")
    assert tuned.command in done.out


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        (["--budget", "soon"], "soon"),
        (["--target", "purchse"], "purchse"),
        (["--seed", str(2**32)], "seed"),
        (["--out", "photos"], "photos exists and isn't a search"),
        (["--out", "log.csv"], "log.csv, which is none"),
        (["--out", "log.csv/below"], "log.csv"),
        (["--precision", "0.5", "--miss-costs", "2"], "--miss-costs"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(options: list[str], fragment: str, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat.txt").write_text("miaow")
    assert fragment in refused(log(tmp_path), *LOG, *options)


def test_a_missing_file(tmp_path: Path) -> None:
    assert "log.csv" in refused(tmp_path, *LOG)


@pytest.mark.parametrize("example", examples_of("tune"), ids=" ".join)
def test_the_examples_are_commands(example: list[str]) -> None:
    import typer

    typer.main.get_command(app).commands["tune"].make_context("tune", example[1:])
