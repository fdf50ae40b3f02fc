"""What `nearsight bench` makes of its options."""

import sys
from pathlib import Path

import pytest

from cli.conftest import nearsight


@pytest.mark.parametrize("python", [sys.executable, "no/such/python"])
def test_an_interpreter_that_has_no_tflite_runtime(python: str, exported: Path) -> None:
    before = sorted(exported.rglob("*"))
    done = nearsight("bench", "runs/events", "--quick", "--tflite-python", python, folder=exported)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"nearsight: {python} can't ")
    assert done.err.count("\n") == 1
    assert ".venv-device/bin/python" in done.err
    assert sorted(exported.rglob("*")) == before
