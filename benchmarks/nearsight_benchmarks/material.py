"""What a benchmark works on: a run, its artifacts and a bundle, read and checked to belong together."""

import io
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from nearsight.bundle import Bundle, read_bundle
from nearsight.errors import InputError
from nearsight.heads import BinaryHead, calibrated
from nearsight.trunk import Weights
from nearsight_benchmarks.config import BenchConfig
from nearsight_benchmarks.contestants import Exam
from nearsight_benchmarks.samples import sample
from nearsight_benchmarks.tape import Tape
from nearsight_export.index import ARTIFACTS, INDEX, Index, read_index
from nearsight_export.questions import asked
from nearsight_training.histories import SPLITS, Histories
from nearsight_training.questions import questions
from nearsight_training.run import Run, load_histories, load_run, load_weights

__all__ = ["Material", "gathered"]

_TRAIN, _VALIDATION, _TEST = range(len(SPLITS))


class Material(msgspec.Struct, frozen=True):
    """A run as its export's passes left it, and what was made of it.

    `weights` have the calibration folded in; `target` counts the yes/no heads; `index` is None where no export left
    one.
    """

    run: Run
    artifacts: Path
    index: Index | None
    bundle: Bundle
    bundle_bytes: int
    weights: Weights
    head: BinaryHead
    target: int
    training: Histories
    validation: Histories
    exam: Exam
    tape: Tape

    @property
    def archive(self) -> bytes:
        """The weights as a bundle's `step.npz` has them."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **self.weights)
        return buffer.getvalue()

    @property
    def question(self) -> str:
        """The head's question in words."""
        return asked(self.head)

    @property
    def primary(self) -> str:
        """The kind of question that the verdict is about: asks where the run has them."""
        return self.exam.kinds[0].kind


def gathered(run_path: Path, bundle_path: Path, config: BenchConfig) -> Material:
    """Read everything. Raises `InputError` or `BundleError` where a part is missing or doesn't belong to the others."""
    run, bundle = load_run(run_path), read_bundle(bundle_path)
    index = _index(run_path, bundle.manifest.model)
    run, weights = _source(run_path, run, index)
    if (bundle.manifest.trunk, bundle.manifest.spec) != (run.trunk, run.spec):
        raise InputError(f"{bundle_path} wasn't exported from {run_path}: pass the bundle of this run, or export again")
    binary = [head for head in run.heads if isinstance(head, BinaryHead)]
    head = _head(binary, config.head, run_path)
    target = binary.index(head)
    histories = load_histories(run_path)
    test = sample(histories.select(_TEST), config.users, config.seed)
    kinds = questions(test, target)[: 1 if config.quick else None]
    if not kinds or not 0 < kinds[0].answers.mean() < 1:
        raise InputError(f"{run_path} has no test questions of both answers for {head.name!r}: train on more users")
    return Material(
        run,
        run_path / ARTIFACTS,
        index,
        bundle,
        bundle_path.stat().st_size,
        weights,
        head,
        target,
        histories.select(_TRAIN),
        histories.select(_VALIDATION),
        Exam(test, kinds, run.trunk, head.start),
        Tape(test, run.spec.clock is not None),
    )


def _head(heads: Sequence[BinaryHead], wanted: str | None, where: Path) -> BinaryHead:
    names = [head.name for head in heads]
    if not heads:
        raise InputError(f"{where} has no yes/no head to score: train it with a target")
    if wanted is None:
        return heads[0]
    if wanted not in names:
        raise InputError(f"{where} has no head {wanted!r}: choose one of {', '.join(names)}")
    return heads[names.index(wanted)]


def _index(run_path: Path, model: str) -> Index | None:
    folder = run_path / ARTIFACTS
    if not (folder / INDEX).exists():
        return None
    index = read_index(run_path)
    if index.model != model:
        raise InputError(f"the bundle and {folder} come from different exports of {run_path}: export again")
    return index


def _source(run_path: Path, run: Run, index: Index | None) -> tuple[Run, Weights]:
    """The run and the calibrated weights that the artifacts were made from, or its own where no export left any."""
    if index is None:
        return run, calibrated(load_weights(run_path), run.heads)
    with np.load(run_path / ARTIFACTS / "weights.npz", allow_pickle=False) as arrays:
        weights = calibrated({name: arrays[name] for name in arrays.files}, index.heads)
    return msgspec.structs.replace(run, trunk=index.trunk, heads=index.heads), weights
