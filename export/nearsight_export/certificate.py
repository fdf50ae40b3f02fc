"""The proof: figures that show, on real held-out histories, how far each artifact lies from its source."""

from collections.abc import Iterator
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.backends import choose
from nearsight.conformance import Vectors, differences
from nearsight.errors import BundleError
from nearsight.manifest import Manifest
from nearsight_export.bounds import DECIDABLE, bound
from nearsight_export.errors import CertificateError
from nearsight_export.exam import DRIFT_STEPS, Exam, Paper
from nearsight_export.noise import broken, measured
from nearsight_export.ort import REFUSALS
from nearsight_export.replay import replayed, streamed
from nearsight_export.reports import Certified, HeadFigures, LengthFigures
from nearsight_export.windows import loaded_window
from nearsight_training.metrics import auc, expected_calibration_error

__all__ = ["RUNTIMES", "certified", "distances", "examined", "held", "source_error"]

Floats = NDArray[np.float32]
_LATE_STEPS = 1000
# by a member's suffix: the SDK's name and the package
RUNTIMES = {"tflite": ("litert", "ai-edge-litert"), "onnx": ("onnx", "onnxruntime")}


def certified(artifact: str, content: bytes, exam: Exam, manifest: Manifest, vectors: Vectors) -> Certified:
    """Examine an artifact and hold it to its bound. Raises `CertificateError` where it fails."""
    figures = examined(artifact, content, exam, manifest, vectors)
    held(figures)
    return figures


def examined(artifact: str, content: bytes, exam: Exam, manifest: Manifest, vectors: Vectors) -> Certified:
    """Run an artifact, in the runtime that will run it, on everything in `exam`.

    Raises `CertificateError` where it can't even be loaded.
    """
    member = artifact.split("/")[1]
    try:
        examine = _examined_step if member.startswith("step") else _examined_window
        return examine(artifact, member, content, exam, manifest, vectors)
    except (BundleError, KeyError, RuntimeError, ValueError, *REFUSALS) as error:
        raise CertificateError(f"{artifact} can't be run ({error}): export again") from error


def held(figures: Certified) -> None:
    """Raise `CertificateError`, naming artifact, bound and value, where a figure exceeds its bound."""
    for name, value, limit in _limits(figures):
        if not value <= limit:
            raise CertificateError(
                f"{figures.artifact} ({figures.runtime}): {name} is {value:.3g} where at most {limit:g} is allowed: "
                "no bundle was written; pass another --variant, or --only so that no variant but the bundle's must hold"
                + (f"; {place}" if figures.noise and (place := broken(figures.noise)) else "")
            )


def distances(found: Floats, expected: Floats) -> NDArray[np.float64]:
    """How far embeddings `(n, U)` lie from those expected, each by its length where that is above 1: `(n,)`.

    Segments and likeness are told by such distances, to which rounding adds in proportion to what is rounded.
    """
    wanted = expected.astype(np.float64)
    apart = np.linalg.norm(found - wanted, axis=-1) / np.maximum(1.0, np.linalg.norm(wanted, axis=-1))
    return np.asarray(apart, np.float64)


def source_error(exam: Exam, trained: Floats) -> float:
    """The largest difference between the trained network's probabilities `(E + Q, O)` and the reference's.

    Raises `CertificateError` where it exceeds the float32 bound.
    """
    error, limit = _largest(trained - exam.expected), bound("fp32/step.tflite").error
    if not error <= limit:
        raise CertificateError(
            f"the step lies {error:.3g} from the trained network where at most {limit:g} is allowed: no bundle was "
            "written; train and export with the same version of nearsight"
        )
    return error


def _examined_step(
    artifact: str, member: str, content: bytes, exam: Exam, manifest: Manifest, vectors: Vectors
) -> Certified:
    runtime, package = RUNTIMES[member.rpartition(".")[2]]
    backend = choose(runtime, {member: content}, exam.trunk)
    replay = replayed(backend, exam.trunk, exam.histories)
    found = np.concatenate([replay.heads, replay.asked])
    apart = found - exam.expected
    stream = streamed(backend, exam.trunk, *exam.stream) - exam.expected_stream
    return Certified(
        artifact=artifact,
        runtime=f"{package} {metadata.version(package)}",
        compared=len(found),
        largest_error=_largest(apart),
        mean_error=float(np.abs(apart).mean()),
        heads={paper.head.name: _head(paper, found, exam.expected, None) for paper in exam.papers},
        embedding=_largest(distances(replay.embeddings, exam.replay.embeddings)),
        drift=_largest(stream),
        late_drift=_largest(stream[-_LATE_STEPS:]),
        noise=measured(member, content, exam),
        vectors=differences(vectors, manifest, backend),
        lengths=tuple(_by_length(exam, found)),
        bound=bound(artifact),
    )


def _examined_window(artifact: str, member: str, content: bytes, exam: Exam, *_: Any) -> Certified:
    package = RUNTIMES[member.rpartition(".")[2]][1]
    windows = exam.windows
    found = np.full_like(exam.expected, np.nan)
    found[windows.decisions] = loaded_window(member, content).answers(windows)
    apart = found[windows.decisions] - exam.expected[windows.decisions]
    return Certified(
        artifact=artifact,
        runtime=f"{package} {metadata.version(package)}",
        compared=len(apart),
        largest_error=_largest(apart),
        mean_error=float(np.abs(apart).mean()),
        heads={paper.head.name: _head(paper, found, exam.expected, windows.decisions) for paper in exam.papers},
        bound=bound(artifact),
    )


def _limits(figures: Certified) -> Iterator[tuple[str, float, float]]:
    limit = figures.bound
    yield "the largest error of a probability", figures.largest_error, limit.error
    yield "the mean error of probabilities", figures.mean_error, limit.mean_error
    if figures.embedding is not None:
        yield "the largest distance of an embedding, by its length,", figures.embedding, limit.embedding
    if figures.drift is not None:
        yield f"the largest error within {DRIFT_STEPS} steps", figures.drift, limit.drift
    if figures.vectors is not None:
        yield "the largest error on the conformance vectors", figures.vectors.readings, limit.readings
        yield "the state's largest error on the conformance vectors", figures.vectors.state, limit.state
    for name, head in figures.heads.items():
        yield f"the share of flipped decisions of {name}", head.flipped, limit.flipped
        if head.decidable and head.auc_change is not None and head.calibration_change is not None:
            yield f"the change of AUC of {name}", abs(head.auc_change), limit.auc
            yield f"the change of calibration error of {name}", abs(head.calibration_change), limit.calibration


def _head(paper: Paper, found: Floats, expected: Floats, only: NDArray[np.int64] | None) -> HeadFigures:
    """One head's figures; `only` are the decisions that `found` holds, all where it is None."""
    column, threshold = paper.head.start, paper.head.threshold
    place = np.arange(len(found)) if only is None else only
    flipped = (found[place, column] >= threshold) != (expected[place, column] >= threshold)
    kept = slice(None) if only is None else np.isin(paper.decisions, only)
    decisions, labels = paper.decisions[kept], paper.labels[kept]
    now, before = found[decisions, column].astype(np.float64), expected[decisions, column].astype(np.float64)
    classes = np.bincount(labels, minlength=2)
    both = bool(classes.min() > 0)
    return HeadFigures(
        decisions=len(decisions),
        flipped=float(flipped.mean()) if len(flipped) else 0.0,
        auc=auc(labels, now) if both else None,
        auc_change=auc(labels, now) - auc(labels, before) if both else None,
        calibration_error=expected_calibration_error(labels, now) if both else None,
        calibration_change=_calibration_change(labels, now, before) if both else None,
        decidable=bool(classes.min() >= DECIDABLE),
    )


def _calibration_change(labels: NDArray[np.int8], now: NDArray[np.float64], before: NDArray[np.float64]) -> float:
    return expected_calibration_error(labels, now) - expected_calibration_error(labels, before)


def _by_length(exam: Exam, found: Floats) -> Iterator[LengthFigures]:
    """Each head's figures by powers of two of the history's length."""
    for paper in exam.papers:
        lengths = exam.lengths[paper.decisions]
        bins = np.ceil(np.log2(np.maximum(lengths, 1))).astype(int)
        for power in np.unique(bins):
            inside = bins == power
            labels = paper.labels[inside]
            chances = found[paper.decisions[inside], paper.head.start].astype(np.float64)
            area = auc(labels, chances)
            yield LengthFigures(
                head=paper.head.name,
                shortest=2 ** int(power - 1) + 1 if power else 1,
                longest=2 ** int(power),
                decisions=len(labels),
                auc=None if np.isnan(area) else area,
                calibration_error=expected_calibration_error(labels, chances),
            )


def _largest(apart: NDArray[np.floating]) -> float:
    """The largest absolute value; infinite where anything isn't a number."""
    if not np.isfinite(apart).all():
        return float("inf")
    return float(np.abs(apart).max(initial=0.0))
