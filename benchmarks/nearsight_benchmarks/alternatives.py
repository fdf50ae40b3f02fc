"""What a user would make of the same network with other tools, ready to be timed and asked."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from nearsight.backends import Backend, choose
from nearsight.backends.interpreter import load_interpreter
from nearsight.errors import BundleError
from nearsight.trunk import Trunk
from nearsight_benchmarks import contestants, tools
from nearsight_benchmarks.contestants import Candidate, Found
from nearsight_benchmarks.material import Material
from nearsight_benchmarks.results import Entry
from nearsight_benchmarks.signed import SignedInterpreter
from nearsight_benchmarks.windows import TfliteWindow
from nearsight_export.conversion import Job, convert, prepare
from nearsight_export.errors import ConversionError
from nearsight_export.samples import collected

__all__ = ["Made", "alternatives", "made"]

_SAMPLE_EVENTS = 2000


class Made(msgspec.Struct, frozen=True):
    """The files by `TOOL/MEMBER`, and why others are missing; `window` is the window graph's length."""

    files: dict[str, bytes]
    missing: dict[str, str]
    window: int


def made(material: Material, window: int, seed: int, *, windows: bool = True) -> Made:
    """Let every tool convert the network that the artifacts were made from; some training steps calibrate.

    Without `windows` there are steps alone: the window takes longer to convert than all of them.
    """
    trunk, missing = material.run.trunk, dict[str, str]()
    wanted = tools.ARTIFACTS if windows else tools.STEPS
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        samples = collected(trunk, material.weights, window, material.training.limited(_SAMPLE_EVENTS, seed), seed)
        prepare(folder, Job(trunk=trunk, window=window, artifacts=wanted), material.weights, samples)
        try:
            failures = convert(folder, command=tools.COMMAND)
        except ConversionError as error:
            failures = dict.fromkeys(wanted, str(error))
        for name in tools.ARTIFACTS:
            if name not in wanted:
                missing[name] = "its conversion takes too long for a quick benchmark"
            elif name in failures:
                missing[name] = f"its conversion failed ({failures[name]})"
        files = {name: (folder / name).read_bytes() for name in tools.ARTIFACTS if name not in missing}
    return Made(files, missing, window)


def alternatives(made: Made, material: Material) -> Iterator[Found]:
    """Each file in its runtime, called as ours are, or its name and why it can't take part."""
    for artifact in tools.ARTIFACTS:
        entry = _entry(artifact, made)
        if artifact in made.missing:
            yield entry.name, made.missing[artifact]
            continue
        try:
            yield _candidate(entry, artifact, made.files[artifact], material)
        except (BundleError, RuntimeError, ValueError) as error:
            yield entry.name, f"it can't be loaded ({' '.join(str(error).split())})"


def _entry(artifact: str, made: Made) -> Entry:
    tool, _, member = artifact.partition("/")
    graph, _, suffix = member.partition(".")
    runtime = contestants.RUNTIMES[contestants.HERE[f".{suffix}"]]
    window = made.window if graph == "window" else None
    return Entry(
        name=f"{graph}{f' {window}' if window else ''} {tool} · {runtime}",
        family="rival",
        runtime=runtime,
        precision=tool,
        window=window,
        weight=contestants.weight(made.files[artifact]) if artifact in made.files else None,
    )


def _candidate(entry: Entry, artifact: str, content: bytes, material: Material) -> Candidate:
    trunk, tape = material.run.trunk, material.tape
    if entry.window:
        return contestants.windowed(entry, TfliteWindow(content, keeps_state=True), entry.window, tape)
    backend = _backend(artifact, content, trunk)
    return contestants.stepped(entry, backend, trunk, tape, one_by_one=backend.name == "onnx")


def _backend(artifact: str, content: bytes, trunk: Trunk) -> Backend:
    member = artifact.partition("/")[2]
    if member.endswith(".onnx"):
        return choose("onnx", {member: content}, trunk)
    return load_interpreter("litert", SignedInterpreter, content, trunk)
