"""Conversion in a process of its own, so that a converter that dies names its artifact and takes nothing with it.

`python -m nearsight_export.conversion FOLDER` reads the job in `FOLDER`, writes each artifact below it and says on its
standard output which one it is at: TensorFlow is loaded once for all of them.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from nearsight.trunk import Trunk, Weights
from nearsight_export.errors import ConversionError
from nearsight_export.samples import Samples
from nearsight_training.progress import SILENT, Progress

__all__ = ["COMMAND", "Artificer", "Job", "convert", "converted", "prepare", "work_off"]

COMMAND = (sys.executable, "-m", "nearsight_export.conversion")
_JOB, _WEIGHTS, _SAMPLES = "job.json", "weights.npz", "samples.npz"
_LAST_LINES = 3


class Artificer(Protocol):
    """What makes artifacts of one model."""

    def make(self, artifact: str) -> bytes:
        """The file that `VARIANT/MEMBER` names."""
        ...


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The artifacts to make, as `VARIANT/MEMBER`, of a trunk; `window` is the window graphs' length in events."""

    trunk: Trunk
    window: int
    artifacts: tuple[str, ...]


def prepare(folder: Path, job: Job, weights: Weights, samples: Samples) -> None:
    """Lay out a job for `convert`: `weights` are canonical with the calibration folded in."""
    (folder / _JOB).write_bytes(msgspec.json.encode(job))
    arrays: dict[str, Any] = dict(weights)
    np.savez(folder / _WEIGHTS, **arrays)
    np.savez(folder / _SAMPLES, **msgspec.structs.asdict(samples))


def convert(folder: Path, progress: Progress = SILENT, command: Sequence[str] = COMMAND) -> dict[str, str]:
    """Make the artifacts of a job laid out in `folder`, each as `FOLDER/VARIANT/MEMBER`.

    Returns why artifacts failed, by artifact; the others are made all the same, in a new process where one died.
    Raises `ConversionError` where the process dies before it is at any artifact.
    """
    job = msgspec.json.decode((folder / _JOB).read_bytes(), type=Job)
    left, failures = list(job.artifacts), dict[str, str]()
    progress.start("Converting", len(left))
    while left:
        (folder / _JOB).write_bytes(msgspec.json.encode(msgspec.structs.replace(job, artifacts=tuple(left))))
        reason = _worked_off(folder, left, progress, command)
        if left:
            failures[left.pop(0)] = reason
            progress.advance(f"failed: {reason}")
    progress.finish(f"{len(job.artifacts) - len(failures)} artifacts")
    return failures


def converted(trunk: Trunk, weights: Weights, window: int, artifact: str, samples: Samples | None = None) -> bytes:
    """One artifact of calibrated weights; integer graphs need `samples`. Raises `ConversionError`."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        job = Job(trunk=trunk, window=window, artifacts=(artifact,))
        prepare(folder, job, weights, samples or Samples.none(trunk))
        failures = convert(folder)
        if failures:
            raise ConversionError(f"{artifact} couldn't be converted ({failures[artifact]})")
        return (folder / artifact).read_bytes()


def _worked_off(folder: Path, left: list[str], progress: Progress, command: Sequence[str]) -> str:
    """Run one process; takes off `left` what it made and returns why it ended before the rest."""
    with (
        (folder / "errors.txt").open("w+") as errors,
        subprocess.Popen([*command, str(folder)], stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        begun = False
        for line in process.stdout or ():
            if line.startswith("begin "):
                begun = True
            elif line.strip() == f"done {left[0]}":
                progress.advance(left.pop(0))
        code = process.wait()
        errors.seek(0)
        said = [text.strip() for text in errors.read().splitlines() if text.strip()]
    reason = f"signal {-code}" if code < 0 else f"exit code {code}"
    if code and said:
        reason = f"{reason}: {' '.join(said[-_LAST_LINES:])[-400:]}" if code < 0 else said[-1][-400:]
    if left and not begun:
        raise ConversionError(
            f"the conversion's process didn't start ({reason}): check that TensorFlow can be imported"
        )
    return reason


def work_off(folder: Path, prepared: Callable[[Trunk, Weights, int, Samples], Artificer]) -> None:
    """Make what the job in `folder` wants with what `prepared` gives for its trunk, weights, window and samples."""
    job = msgspec.json.decode((folder / _JOB).read_bytes(), type=Job)
    with np.load(folder / _WEIGHTS) as weights, np.load(folder / _SAMPLES) as samples:
        artificer = prepared(job.trunk, dict(weights), job.window, Samples(**samples))
    for artifact in job.artifacts:
        _say(f"begin {artifact}")
        target = folder / artifact
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(artificer.make(artifact))
        _say(f"done {artifact}")


def main(folder: Path) -> None:
    """Work off the job in `folder`."""
    from nearsight_export.making import Maker

    work_off(folder, Maker)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
