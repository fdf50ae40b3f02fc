"""`nearsight compress` as a person runs it: what is printed, what is kept, and how it ends."""

import shutil
from pathlib import Path

import msgspec
import pytest

from cli.conftest import Outcome, examples_of, nearsight
from cli.test_bad_input import refused
from nearsight_cli.app import app
from nearsight_cli.compress import show
from nearsight_export.compressing import Compressed
from nearsight_export.passes import distillation

COMPRESS = ["compress", "runs/events"]


@pytest.fixture(scope="module")
def searched(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A search of one trial within its budget: its folder, and what the command said."""
    folder = tmp_path_factory.mktemp("search") / "small"
    arguments = ["--budget", "1 MB", "--trials", "1", "--out", folder, "--json"]
    return folder, nearsight(*COMPRESS, *arguments, folder=exported)


def test_what_is_printed_is_what_is_kept(searched: tuple[Path, Outcome]) -> None:
    folder, done = searched
    assert done.code == 0, done.err
    kept = msgspec.json.decode((folder / "compression.json").read_bytes(), type=Compressed)
    assert msgspec.json.decode(done.out, type=Compressed) == kept
    assert kept.command.startswith("nearsight compress runs/events --budget '1 MB'")
    assert (folder / "model.nsight").is_file()
    assert "optuna" not in done.err


def test_a_budget_that_cant_be_kept_ends_with_what_stands_in_the_way(
    searched: tuple[Path, Outcome], exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distillation, "_STEPS", 20)
    monkeypatch.setattr(distillation, "_FEWEST_EPOCHS", 1)
    folder = tmp_path / "small"
    shutil.copytree(searched[0], folder)
    done = nearsight(*COMPRESS, "--budget", "1 kB", "--trials", "1", "--out", folder, folder=exported)
    assert done.code == 1, done.err
    assert "No trial keeps the budget. The closest is trial" in done.out
    assert "kB where 1 are" in " ".join(done.out.split())
    assert f"nearsight export runs/events --recipe {folder / 'recipe.toml'}" in done.out


def test_people_get_a_table_and_a_recommendation(
    searched: tuple[Path, Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    found = msgspec.json.decode((searched[0] / "compression.json").read_bytes(), type=Compressed)
    show(found, searched[0], json=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "The Pareto front of 1 trials" in said
    assert "Export without any pass" in said
    stopped = msgspec.structs.replace(found, bundle=None, is_stopped=True)
    show(stopped, searched[0], json=False)
    assert "To go on: nearsight compress" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ([*COMPRESS, "--budget", "small"], "must look like"),
        ([*COMPRESS, "--time", "soon"], "soon"),
        ([*COMPRESS, "--out", "photos"], "photos exists and isn't a search"),
        ([*COMPRESS, "--out", "events.csv"], "events.csv, which is none"),
        (["compress", "photos"], "photos isn't a run"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(arguments: list[str], fragment: str, place: Path) -> None:
    assert fragment in refused(place, *arguments)


@pytest.mark.parametrize("example", examples_of("compress"), ids=" ".join)
def test_the_examples_are_commands(example: list[str]) -> None:
    import typer

    typer.main.get_command(app).commands["compress"].make_context("compress", example[1:])
