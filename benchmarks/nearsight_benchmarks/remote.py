"""The other end of `device`: contestants of another interpreter's process that stand in line with those of this one."""

import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

import msgspec
import numpy as np

from nearsight import __version__
from nearsight.errors import InputError
from nearsight_benchmarks.config import BenchConfig
from nearsight_benchmarks.contestants import Answers, Candidate, Exam, Found
from nearsight_benchmarks.device import JOB, Answer, Block, Graph, Job, Present, Request
from nearsight_benchmarks.lengths import Graphs
from nearsight_benchmarks.material import Material

__all__ = ["Device", "checked", "devices"]

_CHECK = """
import tflite_runtime
import importlib.metadata, json
import nearsight, nearsight_benchmarks.device, nearsight.backends.tflite
versions = {name: importlib.metadata.version(name) for name in ("tflite-runtime", "numpy")}
print(json.dumps({"nearsight": nearsight.__version__, **versions}))
"""
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_Reply = TypeVar("_Reply")


def checked(python: Path) -> dict[str, str]:
    """The versions of nearsight, tflite-runtime and NumPy that an interpreter has.

    Raises `InputError` where it isn't one or can't run this package through tflite-runtime.
    """
    wanted = "pass the interpreter of an environment with nearsight[tflite], such as .venv-device/bin/python"
    try:
        done = subprocess.run([python, "-c", _CHECK], env=_environment(), capture_output=True, text=True, check=False)
    except OSError as error:
        raise InputError(f"{python} can't be run ({error.strerror}): {wanted}") from error
    if done.returncode:
        raise InputError(
            f"{python} can't import tflite_runtime ({_last_words(done.stderr, done.returncode)}): {wanted}"
        )
    versions: dict[str, str] = msgspec.json.decode(done.stdout)
    if versions["nearsight"] != __version__:
        raise InputError(f"{python} has nearsight {versions['nearsight']}, this is {__version__}: install the same one")
    return versions


@contextmanager
def devices(
    python: Path, runtime: str, material: Material, bundle_path: Path, config: BenchConfig, graphs: Graphs
) -> Iterator[list[Found]]:
    """The contestants of `runtime` in a process of the interpreter `python`, which ends with the block.

    `graphs` are the window graphs by (precision, member, length), of which the TFLite ones take part. Raises
    `InputError` where the process ends before it is told to.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / JOB).write_bytes(msgspec.json.encode(_job(folder, runtime, material, bundle_path, config, graphs)))
        with (folder / "errors.txt").open("w+b") as errors:
            command = [str(python), "-m", "nearsight_benchmarks.device", name]
            pipe = subprocess.PIPE
            with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, env=_environment()) as process:
                device = Device(process, errors)
                yield list(device.present())
                device.close()


def _job(folder: Path, runtime: str, material: Material, bundle_path: Path, config: BenchConfig, graphs: Graphs) -> Job:
    """What the process works on, its window graphs written into the folder."""
    wanted = []
    for (precision, member, size), content in graphs.items():
        if member.endswith(".tflite"):
            wanted.append(Graph(precision=precision, member=member, window=size, file=f"{precision}-{size}-{member}"))
            (folder / wanted[-1].file).write_bytes(content)
    run = material.artifacts.parent
    alone = msgspec.structs.replace(config, tflite_python=None)
    return Job(run=str(run), bundle=str(bundle_path), config=alone, runtime=runtime, graphs=tuple(wanted))


class Device:
    """A process of another interpreter whose contestants are timed and asked from here, one request at a time."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process needs pipes")
        self._process, self._errors, self._turn = process, errors, threading.Lock()
        self._requests, self._replies = process.stdin, process.stdout

    @property
    def process_id(self) -> int:
        """The number that the system knows the process by."""
        return self._process.pid

    def present(self) -> Iterator[Found]:
        """Who takes part there, and why others don't."""
        there = self._reply(Present)
        for entry in there.entries:
            yield Candidate(entry, _Away(entry.name, self), partial(self._answers, entry.name))
        yield from there.skipped.items()

    def asked(self, request: Request, kind: type[_Reply]) -> _Reply:
        """The process's reply. Raises `InputError` with its last words where it has ended."""
        with self._turn:
            try:
                self._requests.write(msgspec.json.encode(request) + b"\n")
                self._requests.flush()
            except BrokenPipeError:
                raise self._ended() from None
            return self._reply(kind)

    def close(self) -> None:
        """Nothing more will be asked: the process ends by itself."""
        with suppress(BrokenPipeError):
            self._requests.close()

    def _answers(self, name: str, _: Exam) -> Answers:
        given = self.asked(Answer(name), dict[str, list[float]])
        return {kind: np.array(values) for kind, values in given.items()}

    def _reply(self, kind: type[_Reply]) -> _Reply:
        line = self._replies.readline()
        if not line:
            raise self._ended()
        return msgspec.json.decode(line, type=kind)

    def _ended(self) -> InputError:
        code = self._process.wait()
        self._errors.seek(0)
        words = _last_words(self._errors.read().decode(errors="replace"), code)
        return InputError(f"the process for --tflite-python ended early ({words}): run the benchmark without it")


class _Away(msgspec.Struct, frozen=True):
    """A contestant in that process."""

    name: str
    device: Device

    def block(self, calls: int) -> list[int]:
        """See `Contestant.block`."""
        return self.device.asked(Block(self.name, calls), list[int])


def _environment() -> dict[str, str]:
    return {**os.environ, **_ONE_THREAD}


def _last_words(said: str, code: int) -> str:
    if code < 0:
        return f"signal {-code}"
    return (said.strip().splitlines() or [f"exit code {code}"])[-1]
