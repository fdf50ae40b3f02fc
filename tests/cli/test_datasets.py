"""`nearsight datasets` lists what there is, and writes what `nearsight train` takes."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from msgspec.structs import replace as changed

from cli.conftest import examples_of, nearsight
from nearsight_cli.app import app
from nearsight_training.columns import Table
from nearsight_training.datasets import DATASETS, catalogue
from nearsight_training.declaration import read_declaration
from nearsight_training.log import log_of
from nearsight_training.preparation import prepare


@pytest.fixture(autouse=True)
def packaged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No folder and an empty cache: CDNOW comes from the installed package."""
    monkeypatch.delenv("NEARSIGHT_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / ".cache" / name)


@pytest.mark.parametrize("example", examples_of("datasets"), ids=" ".join)
def test_the_examples_of_datasets_run(example: list[str], tmp_path: Path) -> None:
    done = nearsight(*example, folder=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "Next:" in done.out


def test_the_list_names_every_set_and_says_whether_it_is_here(tmp_path: Path) -> None:
    lines = nearsight("datasets", folder=tmp_path).out.splitlines()
    first = {line.split()[0]: line for line in reversed(lines) if line[:1].islower()}
    assert set(first) == {"cdnow", "eshop2008", "online_retail", "bpic2012"}
    assert first["cdnow"].split() == ["cdnow", "1997-01-01", "to", "1998-06-30", "lifetimes", "67,591", "23,570"]
    assert "is fetched" in first["bpic2012"]


def test_the_list_as_json(tmp_path: Path) -> None:
    found = {each["name"]: each for each in json.loads(nearsight("datasets", "--json", folder=tmp_path).out)}
    assert found["eshop2008"]["terms"] == "CC BY 4.0"
    assert (found["cdnow"]["here"], found["bpic2012"]["here"]) == ("lifetimes", None)
    assert found["bpic2012"]["users"] == 13_087


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_what_is_written_can_be_trained_on(form: str, tmp_path: Path) -> None:
    done = nearsight("datasets", "cdnow", "--out", "data", "--format", form, "--json", folder=tmp_path)
    written = json.loads(done.out)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == sorted([f"cdnow.{form}", "cdnow.toml"])
    assert written["notes"] == ["a customer's purchases of one day are one: 69,659 became 67,591"]
    program, command, *arguments = shlex.split(written["train"])
    assert (program, command) == ("nearsight", "train")
    context = typer.main.get_command(app).commands["train"].make_context("train", arguments)
    config = read_declaration(tmp_path / context.params["questions"]).config()
    config = changed(config, split=context.params["split"].value, cutoff=context.params["cutoff"])
    prepared = prepare(log_of(Table.read(tmp_path / context.params["source"]), config), config)
    asked = prepared.histories.ask_time == 875_577_600
    assert prepared.histories.ask_labels[asked, 0].mean() == pytest.approx(0.299, abs=0.0005)


def test_the_last_lines_are_the_command_that_trains(tmp_path: Path) -> None:
    out = nearsight("datasets", "cdnow", folder=tmp_path).out
    command = " ".join(out.partition("Next:\n")[2].replace("\\\n", " ").split())
    assert command == "nearsight train cdnow.csv --questions cdnow.toml --split user --cutoff 1997-09-30"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["cdnw"], "received 'cdnw': did you mean 'cdnow'?"),
        (["bpic2021"], "did you mean 'bpic2012'?"),
        (["--out", "data"], "--out says how to write a data set, received no NAME"),
        (["--format", "csv"], "--format says how to write a data set, received no NAME"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], part: str, tmp_path: Path) -> None:
    done = nearsight("datasets", *arguments, folder=tmp_path)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert part in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = replace(DATASETS[2].file, url="http://127.0.0.1:1/data.csv")
    monkeypatch.setattr("nearsight_training.datasets.invoices.ONLINE_RETAIL", gone)
    monkeypatch.setattr(catalogue, "DATASETS", (*DATASETS[:2], replace(DATASETS[2], file=gone), DATASETS[3]))
    done = nearsight("datasets", "online_retail", "--out", "data", folder=tmp_path)
    fetching, sentence = done.err.splitlines()
    assert (done.code, done.out, fetching) == (2, "", "Fetching http://127.0.0.1:1/data.csv")
    assert sentence.startswith("nearsight: http://127.0.0.1:1/data.csv can't be fetched (ConnectionError): ")
    assert not (tmp_path / "data").exists()
