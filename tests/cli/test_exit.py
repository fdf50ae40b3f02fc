"""How a command ends: 0 done, 1 a bound wasn't met, 2 bad input, 130 Ctrl-C; and what is left behind each time."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import nearsight_training.train
from cli.conftest import nearsight
from nearsight.errors import BundleError, InputError, NearsightError, RuntimeMissingError
from nearsight_cli.progress import Drawn
from nearsight_export.errors import CertificateError, SparsityError

TRAIN = ["train", "events.csv", "--user", "user_id", "--time", "timestamp"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CertificateError("int8/step.tflite lies too far"), 1),
        (SparsityError("0.3 where 0.5 was asked for"), 1),
        (InputError("no column"), 2),
        (BundleError("not a bundle"), 2),
        (RuntimeMissingError("no runtime"), 2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_becomes_a_sentence_and_a_code(
    error: NearsightError, code: int, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(nearsight_training.train, "train_log", fails)
    done = nearsight(*TRAIN, folder=shop)
    assert (done.code, done.out, done.err) == (code, "", f"nearsight: {error}\n")


def test_a_place_that_cannot_be_written_is_named(shop: Path) -> None:
    done = nearsight("demo", "--out", "events.csv/runs/demo", folder=shop)
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert "events.csv/" in done.err


def test_a_device_without_the_command_lines_packages_is_told_which_extra(tmp_path: Path) -> None:
    code = "import sys; sys.modules['typer'] = None\nfrom nearsight_cli.__main__ import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "nearsight: the command line needs typer, which isn't installed: pip install 'nearsight[all]'\n"
    )


@pytest.mark.parametrize("arguments", [["trian"], ["train"], ["train", "a.csv", "--epochs", "many"], ["demo", "--x"]])
def test_a_wrong_use_is_2(arguments: list[str], tmp_path: Path) -> None:
    done = nearsight(*arguments, folder=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err


ENDLESS = """
import sys, time
import nearsight_training.train
from nearsight_cli.__main__ import main

def endless(source, config, out, progress):
    progress.start("training", 0)
    print("begun", flush=True)
    while True:
        time.sleep(0.01)

nearsight_training.train.train_log = endless
sys.argv = ["nearsight", "train", "events.csv"]
main()
"""


def test_ctrl_c_is_130_and_says_nothing_more(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ENDLESS]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=tmp_path) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")
    assert list(tmp_path.iterdir()) == []


def test_progress_without_a_terminal_is_one_line_a_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with Drawn() as progress:
        for stage in ("reading", "training"):
            progress.start(stage, 2)
            progress.advance("first")
            progress.finish("2 of 2")
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == ["done  Reading  2 of 2  (0 s)", "done  Training  2 of 2  (0 s)"]


def test_a_stage_that_fails_is_not_called_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError):
        _fail_in_a_stage()
    assert capsys.readouterr().err == ""


def _fail_in_a_stage() -> None:
    with Drawn() as progress:
        progress.start("reading", 2)
        raise InputError("no column")
