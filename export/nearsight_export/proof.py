"""Proves a model's artifacts, one after the other, and that compression cost no more AUC than it may."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.backends import choose
from nearsight.conformance import Vectors
from nearsight.manifest import Manifest
from nearsight_export.certificate import RUNTIMES, certified, source_error
from nearsight_export.errors import CertificateError
from nearsight_export.exam import Exam
from nearsight_export.replay import Replay, replayed
from nearsight_export.reports import Audit, BesideFigures, Certificate, Certified, GroupFigures, PassReport
from nearsight_training.metrics import Interval, auc, paired_difference
from nearsight_training.progress import SILENT, Progress

__all__ = ["Proof", "certificate_of", "losses", "lost_auc", "proven", "shipped"]

Floats = NDArray[np.float32]
_DRAWS = 200


class Proof(msgspec.Struct, frozen=True):
    """What was found of every artifact, and of the float32 step against the trained network."""

    source_error: float
    artifacts: dict[str, Certified]


def proven(
    files: Mapping[str, bytes],
    exam: Exam,
    trained: Floats,
    manifest: Manifest,
    vectors: Vectors,
    progress: Progress = SILENT,
) -> Proof:
    """Examine all artifacts; `trained` `(E + Q, O)` are the trained network's own probabilities.

    Raises `CertificateError` at the first figure beyond its bound.
    """
    progress.start("Proving", len(files) + 1)
    error = source_error(exam, trained)
    progress.advance(f"the step equals the trained network within {error:.1g}")
    found = {}
    for artifact, content in files.items():
        found[artifact] = certified(artifact, content, exam, manifest, vectors)
        progress.advance(f"{artifact} within {found[artifact].largest_error:.1g}")
    progress.finish(f"{len(files)} artifacts equal the trained network within their bounds")
    return Proof(error, found)


def shipped(exam: Exam, artifact: str, content: bytes) -> Replay:
    """What a step artifact answers, in the runtime that will run it."""
    member = artifact.split("/")[1]
    backend = choose(RUNTIMES[member.rpartition(".")[2]][0], {member: content}, exam.trunk)
    return replayed(backend, exam.trunk, exam.histories)


def lost_auc(exam: Exam, before: Replay, artifact: str, after: Replay, largest_loss: float) -> dict[str, Interval]:
    """How much lower a step artifact scores than the trained network ahead of any pass, by head.

    Given are the replays `before` any pass and `after` all, of the artifact. The intervals of 95 % are over users.
    Raises `CertificateError` where a whole interval lies above `largest_loss`.
    """
    lost = losses(exam, before, after)
    for name, interval in lost.items():
        if interval.low > largest_loss:
            raise CertificateError(
                f"{artifact}: {name} loses {interval.value:.4f} of AUC against the trained network where at most "
                f"{largest_loss:g} is allowed: no bundle was written; pass a lower --sparsity (0 prunes nothing), a "
                "recipe with a larger network, or another --variant"
            )
    return lost


def losses(exam: Exam, before: Replay, after: Replay) -> dict[str, Interval]:
    """How much lower each head scores in `after` than in `before`, with paired intervals of 95 % over users."""
    first, second = (np.concatenate([replay.heads, replay.asked]) for replay in (before, after))
    lost = {}
    for paper in exam.papers:
        if len(np.unique(paper.labels)) == 2:
            old, new = (x[paper.decisions, paper.head.start].astype(np.float64) for x in (first, second))
            lost[paper.head.name] = paired_difference(
                partial(auc, paper.labels, old), partial(auc, paper.labels, new), paper.owners, _DRAWS
            )
    return lost


def certificate_of(
    exam: Exam,
    proof: Proof,
    passes: tuple[PassReport, ...],
    lost: Mapping[str, Interval],
    largest_loss: float,
    chosen: Sequence[str],
    groups: Iterable[GroupFigures] = (),
    beside: BesideFigures | None = None,
    audit: Audit | None = None,
) -> Certificate:
    """The bundle's certificate: the figures of the `chosen` artifacts."""
    return Certificate(
        histories=len(exam.histories),
        events=len(exam.histories.codes),
        questions=len(exam.histories.ask_codes),
        source_error=proof.source_error,
        passes=passes,
        lost_auc=dict(lost),
        largest_loss=largest_loss,
        groups=tuple(groups),
        artifacts=tuple(proof.artifacts[artifact] for artifact in chosen),
        beside=beside,
        audit=audit,
    )
