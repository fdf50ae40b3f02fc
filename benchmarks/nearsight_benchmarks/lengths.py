"""Window graphs at the lengths that are timed: those that the export made, and the others converted on the spot."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from nearsight.trunk import Weights
from nearsight_benchmarks.windows import named
from nearsight_export.conversion import Job, convert, prepare
from nearsight_export.samples import collected
from nearsight_export.variants import FUSED
from nearsight_training.histories import Histories
from nearsight_training.run import Run

__all__ = ["Graphs", "Lengths", "at_lengths"]

_FUSED_PRECISIONS = ("fp32", "int8")  # what other tools would ship
_WITH_LSTM = ("cnn_lstm", "lstm")

Graphs = dict[tuple[str, str, int], bytes]  # window graphs by (precision, member, length)


class Lengths(msgspec.Struct, frozen=True):
    """The window graphs that there are, and why others are missing."""

    graphs: Graphs
    skipped: dict[str, str]


def at_lengths(
    artifacts: Path, run: Run, weights: Weights, histories: Histories, sizes: Sequence[int], *, integer: bool, seed: int
) -> Lengths:
    """Collect window graphs of `sizes` in events.

    An ONNX graph takes any length; a TFLite graph has one, so that others are converted from `weights` (calibration
    folded in) in a process of their own, and so are those around TFLite's fused LSTM, the peer that its converter makes
    by default. Full-integer graphs are only converted anew where `integer`: unrolled, they take a minute each.
    """
    graphs: Graphs = {}
    skipped: dict[str, str] = {}
    for path in sorted(artifacts.glob("*/window.onnx")):
        graphs |= {(path.parent.name, path.name, size): path.read_bytes() for size in sizes}
    made = sorted(artifacts.glob("*/window.tflite"))
    precisions = _FUSED_PRECISIONS if run.trunk.kind in _WITH_LSTM else ()
    fused = [f"{path.parent.name}/{FUSED}" for path in made if path.parent.name in precisions]
    for size in sizes:
        wanted = list(fused)
        if size == run.window:
            graphs |= {(path.parent.name, path.name, size): path.read_bytes() for path in made}
        else:
            wanted += [f"{path.parent.name}/{path.name}" for path in made if integer or path.parent.name != "int16x8"]
            if len(wanted) - len(fused) < len(made):
                why = "its conversion takes too long for a quick benchmark"
                skipped[named("int16x8", "window.tflite", size, "LiteRT")] = why
        found, failures = _converted(run, weights, histories, size, wanted, seed)
        graphs |= found
        skipped |= failures
    return Lengths(graphs, skipped)


def _converted(
    run: Run, weights: Weights, histories: Histories, size: int, wanted: Sequence[str], seed: int
) -> tuple[Graphs, dict[str, str]]:
    """The artifacts `wanted`, as `PRECISION/MEMBER`, of windows of `size`, and why others failed."""
    if not wanted:
        return {}, {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        job = Job(trunk=run.trunk, window=size, artifacts=tuple(wanted))
        # Samples calibrate the ranges of integers; the other precisions have none, and collecting them takes a while.
        some = _some(histories, any(artifact.startswith("int16x8/") for artifact in wanted))
        prepare(folder, job, weights, collected(run.trunk, weights, size, some, seed))
        failures = convert(folder)
        found, reasons = Graphs(), dict[str, str]()
        for artifact in wanted:
            precision, _, member = artifact.partition("/")
            if artifact in failures:
                reasons[named(precision, member, size, "LiteRT")] = f"its conversion failed ({failures[artifact]})"
            else:
                found[precision, member, size] = (folder / artifact).read_bytes()
        return found, reasons


def _some(histories: Histories, everything: bool) -> Histories:
    return histories if everything else histories.take(np.arange(1))
