"""Contestants in a process of another interpreter, and what is said to it: tflite-runtime needs NumPy 1 for itself.

`python -m nearsight_benchmarks.device FOLDER` reads the job in `FOLDER`, gathers the contestants of its runtime, says
which there are, and then does what each line on its standard input asks for. TensorFlow and polars aren't needed.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec

from nearsight_benchmarks import contestants
from nearsight_benchmarks.config import BenchConfig
from nearsight_benchmarks.contestants import Candidate, Exam, Found
from nearsight_benchmarks.material import gathered
from nearsight_benchmarks.observing import observers
from nearsight_benchmarks.results import Entry

__all__ = ["JOB", "Answer", "Block", "Graph", "Job", "Present", "Request", "gather", "serve"]

JOB = "job.json"


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """A window graph of `window` events in a file beside the job; `member` tells its kind."""

    precision: str
    member: str
    window: int
    file: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the process works on, as `bench` itself does; `runtime` is "tflite" or "litert"."""

    run: str
    bundle: str
    config: BenchConfig
    runtime: str
    graphs: tuple[Graph, ...]


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of the answer: who takes part, and why others don't."""

    entries: tuple[Entry, ...]
    skipped: dict[str, str]


class Block(msgspec.Struct, frozen=True, tag=True):
    """Time a block of calls of one contestant; the answer is the nanoseconds of each."""

    name: str
    calls: int


class Answer(msgspec.Struct, frozen=True, tag=True):
    """Put the exam to one contestant; the answer is its probabilities by kind of question."""

    name: str


Request = Block | Answer


def gather(job: Job, folder: Path) -> tuple[Exam, list[Found]]:
    """The exam, and the job's contestants ready to be timed and asked or the reasons why they aren't there."""
    material = gathered(Path(job.run), Path(job.bundle), job.config)
    trunk, tape, runtimes = material.run.trunk, material.tape, {".tflite": job.runtime}
    graphs = {(each.precision, each.member, each.window): (folder / each.file).read_bytes() for each in job.graphs}
    found = list(observers(material, Path(job.bundle), (job.runtime,)))
    found += contestants.steps(material.artifacts, runtimes, trunk, tape)
    found += contestants.window_graphs(graphs, runtimes, trunk, tape)
    return material.exam, found


def serve(known: Mapping[str, Candidate], exam: Exam, requests: Iterable[bytes], replies: BinaryIO) -> None:
    """Do what each line asks for, and answer with one line, until there are no more."""
    decoder = msgspec.json.Decoder(Request)
    for line in requests:
        match decoder.decode(line):
            case Block(name, calls):
                say(replies, known[name].contestant.block(calls))
            case Answer(name):
                say(replies, {kind: given.tolist() for kind, given in known[name].answer(exam).items()})


def say(replies: BinaryIO, value: object) -> None:
    """One line of JSON, sent at once."""
    replies.write(msgspec.json.encode(value) + b"\n")
    replies.flush()


def main(folder: Path) -> None:
    """Gather what the job in `folder` wants, and serve it."""
    # A runtime may greet whoever reads standard output: the answers get a channel of their own.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    exam, found = gather(msgspec.json.decode((folder / JOB).read_bytes(), type=Job), folder)
    known = {each.entry.name: each for each in found if isinstance(each, Candidate)}
    skipped = dict(each for each in found if not isinstance(each, Candidate))
    say(replies, Present(entries=tuple(each.entry for each in known.values()), skipped=skipped))
    serve(known, exam, sys.stdin.buffer, replies)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
