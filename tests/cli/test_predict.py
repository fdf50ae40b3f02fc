"""`predict` says what the SDK says, in three forms."""

import csv
import json
import shutil
from pathlib import Path

import pytest

import nearsight
from cli.conftest import nearsight as run

LOG = ["events.csv", "--user", "user_id", "--time", "timestamp"]


def expected(bundle: Path, log: Path, at: float | None = None) -> dict[str, float]:
    """Every user's answer, from a session of its own."""
    from datetime import datetime

    insight, answers = nearsight.load(bundle), {}
    sessions: dict[str, nearsight.Session] = {}
    rows = list(csv.DictReader(log.open()))
    for row in sorted(rows, key=lambda row: datetime.fromisoformat(row["timestamp"])):
        time = datetime.fromisoformat(row["timestamp"]).timestamp()
        if at is None or time <= at:
            session = sessions.setdefault(row["user_id"], insight.session())
            reading = session.observe(row["event"], time=time, price=float(row["price"]), plan=row["plan"])
            answers[row["user_id"]] = reading["purchase"]
    return answers if at is None else {user: session.score(time=at)["purchase"] for user, session in sessions.items()}


@pytest.mark.parametrize(("option", "at"), [([], None), (["--at", "2026-03-01"], 1_772_323_200.0)])
def test_a_log_is_answered_as_its_sessions_would(option: list[str], at: float | None, exported: Path) -> None:
    done = run("predict", "shop.nsight", *LOG, *option, "--json", folder=exported)
    assert done.code == 0, done.err
    answers = {answer["who"]: answer["probability"]["purchase"] for answer in json.loads(done.out)["predictions"]}
    wanted = expected(exported / "shop.nsight", exported / "events.csv", at)
    assert set(answers) == set(wanted)
    assert answers == pytest.approx(wanted, abs=1e-6)


def test_a_table_is_answered_row_by_row_in_every_form(exported: Path) -> None:
    command = ["predict", "model.nsight", "new_user_behavior_data.csv"]
    text = run(*command, folder=exported).out
    answers = json.loads(run(*command, "--json", folder=exported).out)["predictions"]
    told = run(*command, "--out", "answers.csv", folder=exported)
    written = list(csv.reader((exported / "answers.csv").open()))
    (exported / "answers.csv").unlink()
    assert told.out == ""
    assert [line.split() for line in text.splitlines()] == written
    assert [row[0] for row in written[1:]] == [str(row) for row in range(1, 8)]
    for row, answer in zip(written[1:], answers, strict=True):
        (probability,), (yes,) = answer["probability"].values(), answer["yes"].values()
        assert (float(row[1]), row[2]) == (pytest.approx(probability, abs=1e-6), str(int(yes)))


def test_every_runtime_of_a_float_bundle_gives_the_same_decisions(exported: Path, tmp_path: Path) -> None:
    """Between 8-bit graphs a row at the threshold may fall on either side; between float graphs none may."""
    shutil.copytree(exported / "runs/user_behavior_data", tmp_path / "run")
    options = ["--variant", "fp32", "--only", "--sparsity", "0", "--numpy", "--out", "exact.nsight"]
    assert run("export", "run", *options, folder=tmp_path).code == 0
    command = ["predict", "exact.nsight", exported / "new_user_behavior_data.csv", "--json"]
    decisions = [
        [answer["yes"] for answer in json.loads(run(*command, "--runtime", name, folder=tmp_path).out)["predictions"]]
        for name in ("litert", "onnx", "numpy")
    ]
    assert decisions[0] == decisions[1] == decisions[2]


def test_every_runtime_answers_alike_and_decides_by_the_same_threshold(exported: Path) -> None:
    command = ["predict", "model.nsight", "new_user_behavior_data.csv", "--json"]
    answers = {
        name: json.loads(run(*command, "--runtime", name, folder=exported).out)["predictions"]
        for name in ("litert", "onnx", "numpy")
    }
    (head,) = nearsight.load(exported / "model.nsight").manifest.heads
    for name, rows in answers.items():
        chances = [row["probability"][head.name] for row in rows]
        exact = [row["probability"][head.name] for row in answers["numpy"]]
        assert [row["yes"][head.name] for row in rows] == [chance >= head.threshold for chance in chances]
        assert chances == pytest.approx(exact, abs=0.03), name  # 8-bit weights against floats
