"""Window graphs at the lengths that are timed: those that the export made, and the others converted on the spot."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from nearsight.trunk import Weights
from nearsight_export.conversion import Job, convert, prepare
from nearsight_export.samples import collected
from nearsight_training.histories import Histories
from nearsight_training.run import Run

__all__ = ["Graphs", "Lengths", "at_lengths"]

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
    folded in) in a process of their own. Full-integer graphs are only converted anew where `integer`: unrolled, they
    take a minute each.
    """
    graphs: Graphs = {}
    skipped: dict[str, str] = {}
    for path in sorted(artifacts.glob("*/window.onnx")):
        graphs |= {(path.parent.name, path.name, size): path.read_bytes() for size in sizes}
    made = sorted(artifacts.glob("*/window.tflite"))
    for size in sizes:
        if size == run.window:
            graphs |= {(path.parent.name, path.name, size): path.read_bytes() for path in made}
            continue
        wanted = [path.parent.name for path in made if integer or path.parent.name != "int8-full"]
        found, failures = _converted(run, weights, histories, size, wanted, seed)
        graphs |= found
        skipped |= failures
        if len(wanted) < len(made):
            skipped[f"window {size} int8-full · LiteRT"] = "its conversion takes too long for a quick benchmark"
    return Lengths(graphs, skipped)


def _converted(
    run: Run, weights: Weights, histories: Histories, size: int, precisions: Sequence[str], seed: int
) -> tuple[Graphs, dict[str, str]]:
    if not precisions:
        return {}, {}
    artifacts = {f"{precision}/window.tflite": precision for precision in precisions}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        job = Job(trunk=run.trunk, window=size, artifacts=tuple(artifacts))
        # Samples calibrate the ranges of integers; the other precisions have none, and collecting them takes a while.
        calibrating = histories if "int8-full" in precisions else histories.take(np.arange(1))
        prepare(folder, job, weights, collected(run.trunk, run.spec, weights, size, calibrating, seed))
        failures = convert(folder)
        names = {artifact: f"window {size} {precision} · LiteRT" for artifact, precision in artifacts.items()}
        found = {
            (precision, "window.tflite", size): (folder / artifact).read_bytes()
            for artifact, precision in artifacts.items()
            if artifact not in failures
        }
        return found, {names[artifact]: f"its conversion failed ({why})" for artifact, why in failures.items()}
