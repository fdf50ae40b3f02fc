"""The demo, with the real shop's first 1,500 customers in place of all: the same steps and files, in less time."""

import gzip
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nearsight
from cli.conftest import nearsight as run
from nearsight_benchmarks.results import read_results
from nearsight_benchmarks.verdict import duration
from nearsight_cli import streaming
from nearsight_cli.bench import show
from nearsight_cli.demo import after
from nearsight_training.run import load_histories, load_run


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, hurried: None) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo")
    write_first_customers(folder / "data" / "cdnow" / "CDNOW_master.txt.gz", 1500)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEARSIGHT_DATA", str(folder / "data"))
        done = run("demo", "--out", "runs/demo", folder=folder)
    assert done.code == 0, done.err
    return folder, done.out


def write_first_customers(path: Path, customers: int) -> None:
    from importlib.metadata import files

    source = next(file for file in files("lifetimes") if file.name == "CDNOW_master.txt")
    lines = Path(source.locate()).read_text().splitlines()
    path.parent.mkdir(parents=True)
    path.write_bytes(
        gzip.compress("\n".join(lines[:1] + [line for line in lines[1:] if int(line.split()[0]) <= customers]).encode())
    )


def test_it_leaves_what_it_promises(demo: tuple[Path, str]) -> None:
    folder, printed = demo
    for name in ("runs/cdnow.csv", "runs/demo/run.json", "runs/demo/model.nsight", "runs/demo/report.html"):
        assert (folder / name).is_file()
    assert "runs/demo/report.html" in printed
    assert "nearsight inspect runs/demo/model.nsight" in printed


def test_the_commands_that_it_shows_are_those_that_it_ran(demo: tuple[Path, str]) -> None:
    folder, printed = demo
    assert max(map(len, re.findall(r"^\$ nearsight.*|^ +--.*", printed, re.MULTILINE))) < 80
    lines = printed.replace("\\\n", " ").splitlines()
    shown = [shlex.split(line)[2:] for line in lines if line.startswith("$ nearsight")]
    assert [command[0] for command in shown] == ["train", "export", "bench"]
    config = load_run(folder / "runs/demo").config
    assert config.targets[0].name == shown[0][shown[0].index("--name") + 1]
    assert config.cutoff == shown[0][shown[0].index("--cutoff") + 1]


def test_it_streams_test_customers_and_prints_what_the_sdk_says(demo: tuple[Path, str]) -> None:
    folder, printed = demo
    insight = nearsight.load(folder / "runs/demo/model.nsight")
    test = load_histories(folder / "runs/demo").select(2)
    customers = streaming.chosen(test)
    assert customers
    for customer in customers:
        span = test.span(customer)
        session = insight.session()
        for event in range(span.start, span.stop):
            reading = session.observe(
                "purchase", test.times[event], **{k: float(v[event]) for k, v in test.fields.items()}
            )
        asked = float(test.ask_time[np.flatnonzero(test.ask_history == customer)[0]])
        for chance in (reading["buys_again"], session.score(asked)["buys_again"]):
            assert re.search(rf" {chance:.0%}".replace("%", " %"), printed)


@pytest.mark.parametrize("found", [True, False])
def test_it_ends_with_commands_that_the_shell_finds(
    found: bool, demo: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = demo
    program = folder / "bin" / "nearsight"
    program.parent.mkdir(exist_ok=True)
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(program.parent) if found else "")
    monkeypatch.setattr(sys, "prefix", str(folder))
    (folder / "bin" / "activate").touch()
    monkeypatch.chdir(folder)
    assert (". bin/activate" in after(Path("runs/demo"), Path("runs/demo/model.nsight"))) is not found


def test_the_app_that_it_ends_with_reads_a_purchase(demo: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = demo
    monkeypatch.chdir(Path(__file__).parents[2])
    text = after(folder / "runs/demo", folder / "runs/demo/model.nsight").replace("\\\n", " ")
    line = next(line for line in text.splitlines() if "desktop_app.py" in line).replace("app-data", f"{folder}/app")
    done = subprocess.run(line.replace("python", sys.executable), shell=True, capture_output=True, text=True)
    assert re.fullmatch(r"buys_again \d+ %\n", done.stdout), done.stderr


def test_the_results_are_the_same_as_json(demo: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    folder, printed = demo
    results = read_results(folder / "runs/demo/results.json")
    show(results, folder, json=True)
    parsed = json.loads(capsys.readouterr().out)
    assert parsed["pick"] == results.pick
    assert f"* {results.pick} " in printed
    for entry in parsed["entries"]:
        row = next(line for line in printed.splitlines() if line[2:].startswith(f"{entry['name']}  "))
        assert duration(entry["latency"]["p50_us"]) in row
