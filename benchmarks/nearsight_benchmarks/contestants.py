"""Everybody who takes part: what is timed of each, and how each answers the test questions."""

import gzip
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.backends import Backend, choose
from nearsight.errors import BundleError, InputError
from nearsight.trunk import Trunk, Weights
from nearsight_benchmarks.results import Entry, Weight
from nearsight_benchmarks.samples import windows
from nearsight_benchmarks.starts import Program
from nearsight_benchmarks.tape import Tape
from nearsight_benchmarks.timing import Contestant
from nearsight_benchmarks.windows import KerasWindow, WindowGraph, named, window_graph
from nearsight_export.replay import replayed
from nearsight_export.variants import FUSED
from nearsight_training.histories import Histories
from nearsight_training.peers import Past, Peer
from nearsight_training.questions import Questions

__all__ = [
    "HERE",
    "RUNTIMES",
    "Answers",
    "Candidate",
    "Exam",
    "Found",
    "keras",
    "peer",
    "step",
    "stepped",
    "steps",
    "weight",
    "window_graphs",
    "windowed",
]

RUNTIMES = {"litert": "LiteRT", "tflite": "TFLite", "onnx": "ONNX Runtime", "numpy": "NumPy"}
HERE = {".tflite": "litert", ".onnx": "onnx"}  # which runtime of this process runs which files
Answers = dict[str, NDArray[np.float64]]


class Exam(msgspec.Struct, frozen=True):
    """The test: histories, the questions about them, and the output `column` that answers."""

    histories: Histories
    kinds: tuple[Questions, ...]
    trunk: Trunk
    column: int


class Candidate(msgspec.Struct, frozen=True):
    """One entry before it is measured. `answer` runs the very binary that `contestant` times over the exam.

    Entries that share a binary may share `answer`, which is then asked once; others may be asked at the same time.
    `program` is what it does in a fresh process, None where another entry stands for it.
    """

    entry: Entry
    contestant: Contestant
    answer: Callable[[Exam], Answers]
    program: Program | None = None


Found = Candidate | tuple[str, str]  # or the name of one that can't take part and why


class _OneByOne(Backend):
    """A backend that is given one row at a time: ONNX Runtime's dynamic scales span a batch, a device has one event."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend.name, backend.bind)
        self._backend = backend

    def step(self, codes: Any, numbers: Any, state: Any) -> tuple[Any, Any, Any]:
        """See `Backend.step`."""
        rows = (slice(row, row + 1) for row in range(len(codes)))
        answers = [self._backend.step(codes[row], numbers[row], state[row]) for row in rows]
        heads, embedding, next_state = (np.concatenate(parts) for parts in zip(*answers, strict=True))
        return heads, embedding, next_state


def steps(artifacts: Path, runtimes: Mapping[str, str], trunk: Trunk, tape: Tape) -> Iterator[Found]:
    """Every variant's step graph in its runtime; `runtimes` are by suffix, and other files are left aside."""
    for path in _files(artifacts, {f"step{suffix}" for suffix in runtimes}):
        variant, runtime = path.parent.name, runtimes[path.suffix]
        try:
            yield step(variant, runtime, path.name, path.read_bytes(), trunk, tape)
        except BundleError as error:
            yield f"step {variant} · {RUNTIMES[runtime]}", str(error)


def window_graphs(
    variants: Mapping[tuple[str, str, int], bytes], runtimes: Mapping[str, str], trunk: Trunk, tape: Tape
) -> Iterator[Found]:
    """Window graphs by (precision, member, length), each in its runtime; `runtimes` as for `steps`."""
    longest = max((size for _, _, size in variants), default=0)
    for (precision, member, size), content in variants.items():
        suffix = Path(member).suffix
        if suffix not in runtimes:
            continue
        runtime = RUNTIMES[runtimes[suffix]]
        entry = Entry(
            name=named(precision, member, size, runtime),
            family="window",
            runtime=runtime,
            precision=precision,
            window=size,
            weight=weight(content),
        )
        program = Program(suffix[1:], () if suffix == ".tflite" else _shape(trunk, size), content, suffix)
        is_standing = precision == "fp32" and size == longest and member != FUSED
        try:
            graph = window_graph(runtimes[suffix], member, content)
        except BundleError as error:
            yield entry.name, str(error)
            continue
        yield windowed(entry, graph, size, tape, program if is_standing else None)


def windowed(entry: Entry, graph: WindowGraph, size: int, tape: Tape, program: Program | None = None) -> Candidate:
    """A window graph of `size` events that a runtime has loaded."""
    return Candidate(entry, tape.window(entry.name, size, graph.run), _answering(graph, graph.run, size), program)


def keras(trunk: Trunk, weights: Weights, sizes: Sequence[int], tape: Tape) -> Iterator[Candidate]:
    """The Keras model as `model(x)` and as `model.predict(x)`."""
    for size in sizes:
        graph = KerasWindow(trunk, weights, size)
        saved = graph.saved()
        program = Program("keras", _shape(trunk, size), saved, ".keras", is_slow=True)
        answer = _answering(graph, graph.run, size)  # predict runs the same graph
        for call, run in (("model(x)", graph.run), ("predict", graph.predict)):
            entry = Entry(
                name=f"Keras {call}, window {size}",
                family="window",
                runtime="Keras",
                precision="fp32",
                window=size,
                weight=weight(saved),
            )
            is_standing = call == "model(x)" and size == max(sizes)
            contestant = tape.window(entry.name, size, run)
            yield Candidate(entry, contestant, answer, program if is_standing else None)


def peer(model: Peer, runtime: str, content: bytes, told: Mapping[str, Sequence[Past]], tape: Tape) -> Candidate:
    """A peer; `told[kind]` is what it is told for each question."""
    longest = sorted((past for pasts in told.values() for past in pasts), key=lambda past: -len(past.times))
    entry = Entry(name=model.name, family="peer", runtime=runtime, weight=weight(content))

    def answer(_: Exam) -> Answers:
        return {kind: np.array([model.score(past) for past in pasts]) for kind, pasts in told.items()}

    program = Program(model.name, (), content, is_slow=True)
    return Candidate(entry, tape.peer(model, longest[:256]), answer, program)


def weight(content: bytes) -> Weight:
    """The size of a file, as it is and gzipped."""
    return Weight(raw=len(content), gzipped=len(gzip.compress(content, 9, mtime=0)))


def step(variant: str, runtime: str, member: str, content: bytes, trunk: Trunk, tape: Tape) -> Candidate:
    """One step graph in one runtime."""
    backend = choose(runtime, {member: content}, trunk)
    name = f"step {variant} · {RUNTIMES[runtime]}"
    entry = Entry(name=name, family="step", runtime=RUNTIMES[runtime], precision=variant, weight=weight(content))
    return stepped(entry, backend, trunk, tape, one_by_one=runtime == "onnx" and variant == "int8")


def stepped(entry: Entry, backend: Backend, trunk: Trunk, tape: Tape, *, one_by_one: bool = False) -> Candidate:
    """A step graph that a runtime has loaded; `one_by_one` where a batch would change its answers."""
    asked = _OneByOne(backend) if one_by_one else backend

    def answer(exam: Exam) -> Answers:
        replay = replayed(asked, exam.trunk, exam.histories)
        by_kind = {"event": replay.heads, "ask": replay.asked}
        return {kind.kind: by_kind[kind.kind][kind.indices, exam.column].astype(np.float64) for kind in exam.kinds}

    return Candidate(entry, tape.step(entry.name, backend, trunk.state_size), answer)


def _shape(trunk: Trunk, size: int) -> tuple[str, ...]:
    return str(size), str(len(trunk.code_sizes)), str(trunk.numbers)


def _answering(graph: WindowGraph, run: Callable[..., Any], size: int) -> Callable[[Exam], Answers]:
    """A window graph's answers to an exam."""

    def answer(exam: Exam) -> Answers:
        return {kind.kind: _through(graph, exam, kind, run, size) for kind in exam.kinds}

    return answer


def _through(
    graph: WindowGraph, exam: Exam, asked: Questions, run: Callable[..., Any], size: int
) -> NDArray[np.float64]:
    codes, numbers, length = windows(exam.histories, asked, size)
    batches = [slice(start, start + graph.batch) for start in range(0, len(asked), graph.batch)]
    found = [run(codes[at], numbers[at], length[at])[:, exam.column] for at in batches]
    return np.concatenate(found).astype(np.float64)


def _files(artifacts: Path, wanted: Collection[str]) -> list[Path]:
    found = [path for path in sorted(artifacts.glob("*/*")) if path.name in wanted]
    if not found:
        raise InputError(f"{artifacts} holds no artifacts: run nearsight export on this run first")
    return found
