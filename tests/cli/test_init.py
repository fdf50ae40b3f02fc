"""`nearsight init`: a look at a log, and a file of questions that `nearsight train` takes as it is."""

import json
import os
import shlex
import shutil
from pathlib import Path

import polars as pl
import pytest

from cli.conftest import SMALL, examples_of, nearsight, write_csv, write_events
from nearsight_training.datasets import bpic2012
from nearsight_training.declaration import read_declaration

HEADER = ["user_id", "timestamp", "event"]


@pytest.mark.parametrize("example", examples_of("init"), ids=" ".join)
def test_the_examples_of_init_run(example: list[str], shop: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(shop, tmp_path / "shop")
    before = set(folder.iterdir())
    done = nearsight(*example, folder=folder)
    assert done.code == 0, done.err
    (written,) = set(folder.iterdir()) - before
    config = read_declaration(written).config()
    assert config.targets
    assert written.name in done.out


def test_what_is_said_fits_a_terminal_and_ends_with_the_command(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shutil.copy(shop / "events.csv", tmp_path / "my events.csv")
    done = nearsight("init", "my events.csv", folder=tmp_path)
    assert done.code == 0, done.err
    assert max(map(len, done.out.splitlines())) <= 80
    for words in ("2,386", "purchase", "65.0 %", "price", "numbers", "200 users are few"):
        assert words in done.out
    last = done.out.splitlines()[-1]
    assert shlex.split(last) == ["nearsight", "train", "my events.csv", "--questions", "my events.toml"]


def test_train_takes_the_file_as_it_is(tmp_path: Path) -> None:
    write_events(tmp_path / "events.csv", users=120)
    told = nearsight("init", "events.csv", "--json", folder=tmp_path)
    command = shlex.split(json.loads(told.out)["command"])
    done = nearsight(*command[1:], *SMALL, "--json", folder=tmp_path)
    assert done.code == 0, done.err
    asked = [question["name"] for question in json.loads(told.out)["draft"]["declaration"]["question"]]
    assert "purchase" in asked
    assert [head["name"] for head in json.loads(done.out)["heads"]] == [*asked, "next_event"]


def test_json_holds_what_was_seen(shop: Path, tmp_path: Path) -> None:
    told = nearsight("init", shop / "events.csv", "--out", "mine.toml", "--json", folder=tmp_path)
    survey = json.loads(told.out)["draft"]["survey"]
    assert (survey["rows"], survey["users"]) == (2386, 200)
    assert survey["roles"] == {"user": "user_id", "time": "timestamp", "event": "event"}
    assert {kind["name"]: kind["events"] for kind in survey["kinds"]}["purchase"] == 424
    assert json.loads(told.out)["file"] == "mine.toml"


@pytest.mark.skipif(not os.environ.get("NEARSIGHT_DATA"), reason="NEARSIGHT_DATA isn't set, so there is no bpic2012")
def test_a_first_file_for_real_applications(tmp_path: Path) -> None:
    bpic2012().frame.write_csv(tmp_path / "bpic.csv")
    done = nearsight("init", "bpic.csv", folder=tmp_path)
    assert done.code == 0, done.err
    config = read_declaration(tmp_path / "bpic.toml").config()
    assert [target.name for target in config.targets] == ["a_registered", "a_accepted", "leaves"]
    assert config.next_event


def test_a_log_with_rows_that_lack_something_trains_as_it_is(shop: Path, tmp_path: Path) -> None:
    frame = pl.read_csv(shop / "events.csv")
    pl.concat([frame, frame.head(3).with_columns(pl.lit("").alias("user_id"))]).write_csv(tmp_path / "log.csv")
    done = nearsight("init", "log.csv", folder=tmp_path)
    assert "Note: 3 rows are without a user" in done.out
    assert 'missing = "drop"' in (tmp_path / "log.toml").read_text().splitlines()
    trained = nearsight(*shlex.split(done.out.splitlines()[-1])[1:], *SMALL, folder=tmp_path)
    assert trained.code == 0, trained.err
    assert "Note: dropped 3 of 2,389 rows: they lack a user" in trained.out


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("header", "rows", "arguments", "words"),
    [
        (None, [], [], "log.csv can't be read"),
        (HEADER, [], [], "holds no events"),
        (["", "timestamp", "event"], [("x", "2026-01-01", "a")] * 3, [], "whose event it is"),
        (HEADER, [("x", "2026-01-01", "a")] * 3, ["--user", "userid"], "--user 'user_id'"),
        (HEADER, [("x", "noon", "a")] * 3, [], "line 2"),
        (HEADER, [(user, "2026-01-01", "a") for user in "xxy"], [], "answers no question"),
        (HEADER, [("x", "2026-01-01", "a")] * 3, ["--event", "event", "--every", "row"], "drop one"),
        (HEADER, [("x", "2026-01-01", "a")] * 3, ["--out", "mine.toml"], "--force"),
        (HEADER, [("x", "2026-01-01", "a")] * 3, ["--out", "."], "folder"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(
    tmp_path: Path, header: list[str] | None, rows: list[object], arguments: list[str], words: str
) -> None:
    if header:
        write_csv(tmp_path / "log.csv", header, rows)
    (tmp_path / "mine.toml").write_text("mine")
    before = listing(tmp_path)
    done = nearsight("init", "log.csv", *arguments, folder=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert done.err.count("\n") == 1, done.err
    assert listing(tmp_path) == before
