"""`aggregate` prints what the module finds: for people, and for scripts."""

import json
import random
from pathlib import Path

import pytest

from cli.conftest import examples_of, nearsight
from nearsight.report import Budget, Chance, Number, OneOf, YesNo, answer

DAY = 86_400


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the help names, with 300 users of whom a third buys."""
    folder = tmp_path_factory.mktemp("reports")
    chance = Chance(random.Random(1).getrandbits)
    asked = (
        (YesNo("buys", 2.0), lambda user: user % 3 == 0),
        (OneOf("segment", 3.0, ("new", "loyal", "rare")), lambda user: "loyal"),
        (Number("spend", 2.0, low=0, high=50, step=1), lambda user: user % 21),
    )
    lines = [
        answer(question, truth(user), Budget(9.0, DAY), time=DAY * 20_000.0, chance=chance).encoded()
        for user in range(300)
        for question, truth in asked
    ]
    for name in ("reports", "monday", "tuesday"):
        (folder / f"{name}.jsonl").write_bytes(b"\n".join(lines[:450] if name == "tuesday" else lines))
    return folder


def test_a_table_for_each_question(reports: Path) -> None:
    done = nearsight("aggregate", "reports.jsonl", folder=reports)
    assert (done.code, done.err) == (0, "")
    assert "buys, from 2024-10-04 00:00 UTC: 300 reports, ε = 2" in done.out
    rows = {line.split("  ")[0].strip(): line for line in done.out.splitlines()}
    assert "%" in rows["yes"]
    assert "loyal" in rows
    assert "sum" in done.out
    assert done.out.count("The intervals hold the noise") == 1


def test_the_same_as_json(reports: Path) -> None:
    found = json.loads(nearsight("aggregate", "reports.jsonl", "--json", folder=reports).out)
    assert [each["question"] for each in found["questions"]] == ["buys", "segment", "spend"]
    buys, segment, spend = ({each["name"]: each["value"] for each in one["estimates"]} for one in found["questions"])
    assert buys["yes"]["low"] < 1 / 3 < buys["yes"]["high"]
    assert segment["loyal"]["low"] < 1 < segment["loyal"]["high"]
    assert spend["mean"]["low"] < 9.9 < spend["mean"]["high"]


@pytest.mark.parametrize("example", examples_of("aggregate"), ids=" ".join)
def test_the_examples_run(example: list[str], reports: Path) -> None:
    assert nearsight(*example, folder=reports).code == 0


def test_too_few_are_left_out_and_said(reports: Path, tmp_path: Path) -> None:
    lines = (reports / "reports.jsonl").read_bytes().splitlines()
    kinds = {json.loads(line)["question"]: line for line in lines[:3]}
    (tmp_path / "few.jsonl").write_bytes(b"\n".join([*lines[::3], kinds["segment"]]))
    done = nearsight("aggregate", "few.jsonl", folder=tmp_path)
    assert done.code == 0
    assert done.err.startswith("question 'segment' needs ")
    assert "segment" not in done.out


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"{}\n{", "bad.jsonl, line 1: "), (b"", "there are no reports"), (None, "bad.jsonl can't be")],
)
def test_what_cannot_be_read_is_one_sentence(content: bytes | None, said: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "bad.jsonl").write_bytes(content)
    done = nearsight("aggregate", "bad.jsonl", folder=tmp_path)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("nearsight: ")
    assert said in done.err
