"""What `nearsight bench` makes of its options, and what it shows."""

import re
import sys
from pathlib import Path

import pytest

from benchmarks import invented
from cli.conftest import nearsight
from nearsight_benchmarks.groups import grouped
from nearsight_benchmarks.page import render
from nearsight_cli.bench import show


@pytest.mark.parametrize("python", [sys.executable, "no/such/python"])
def test_an_interpreter_that_has_no_tflite_runtime(python: str, exported: Path) -> None:
    before = sorted(exported.rglob("*"))
    done = nearsight("bench", "runs/events", "--quick", "--tflite-python", python, folder=exported)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"nearsight: {python} can't ")
    assert done.err.count("\n") == 1
    assert ".venv-device/bin/python" in done.err
    assert sorted(exported.rglob("*")) == before


def test_the_table_has_the_groups_and_the_words_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    results = invented.results()
    show(results, Path("runs/demo"), json=False)
    printed, page = capsys.readouterr().out, render(results)
    expected = [title for title, _ in grouped(results.entries)]
    first = [re.split(r"\s{2,}", line.removeprefix("* ").strip())[0] for line in printed.splitlines()]
    assert [cell for cell in first if cell in expected] == expected
    for title, entries in grouped(results.entries):
        start = first.index(title) + 1
        assert first[start : start + len(entries)] == [entry.name for entry in entries]
        assert f">{title}</th>" in page
    (chosen,) = [line for line in printed.splitlines() if line.startswith("* ") and results.pick in line]
    cells = re.split(r"\s{2,}", chosen)
    assert cells[1:] == ["4.6 µs", "9.2 µs", "81.0", "0.768"]
    assert all(re.search(rf"<td[^>]*>{re.escape(cell)}</td>", page) for cell in cells[1:4])
    assert "what to ship" in printed
    assert "what to ship" in page
