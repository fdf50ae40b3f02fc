"""The steps of an export, in order; what they make becomes visible when all of it is proven."""

import tempfile
from pathlib import Path

import msgspec

from nearsight.backends.reference import NumpyBackend
from nearsight.bundle import write_bundle
from nearsight.errors import InputError
from nearsight.heads import calibrated
from nearsight.trunk import Weights
from nearsight_export.anchoring import compared
from nearsight_export.audit import audited
from nearsight_export.config import ExportConfig
from nearsight_export.conversion import Job, convert, prepare
from nearsight_export.disclosure import outlined
from nearsight_export.errors import ConversionError
from nearsight_export.exam import Exam
from nearsight_export.export import Exported
from nearsight_export.groups import costs, partings
from nearsight_export.index import ARTIFACTS, INDEX, Artifact, Index, gzipped
from nearsight_export.packing import bundled, manifest_of, npz, packed
from nearsight_export.passes.cache import Cache
from nearsight_export.passes.magnitude import sparsity
from nearsight_export.proof import Proof, certificate_of, lost_auc, proven, shipped
from nearsight_export.replay import Replay, replayed
from nearsight_export.samples import collected
from nearsight_export.source import SourceModel, compressed, trained_answers
from nearsight_export.variants import artifacts
from nearsight_export.vectors import invented
from nearsight_training.histories import SPLITS, Histories
from nearsight_training.learning import cutoff_of
from nearsight_training.progress import Progress
from nearsight_training.run import Run

__all__ = ["Production"]


class Production:
    """One export of one run."""

    def __init__(
        self,
        folder: Path,
        run: Run,
        weights: Weights,
        histories: Histories,
        config: ExportConfig,
        progress: Progress,
        cache: Cache | None = None,
    ) -> None:
        self.folder, self.run, self.config, self.progress, self.cache = folder, run, config, progress, cache
        self.weights, self.histories = weights, histories
        for name in ("train", "validation", "test"):
            if not len(self._split(name)):
                raise InputError(f"{folder} has no histories for {name}: train on a log with more users")

    def written(self, out: Path) -> Exported:
        """Make, prove and write everything."""
        source = compressed(self.run, self.weights, self.histories, self.config.recipe, self.progress, self.cache)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=f".{ARTIFACTS}.") as temporary:
            files, failures = self._converted(Path(temporary), source)
            return self._proven(source, files, failures, out)

    def _converted(self, folder: Path, source: SourceModel) -> tuple[dict[str, bytes], dict[str, str]]:
        """All variants' artifacts, and why others failed. Raises `ConversionError` where the bundle needs one."""
        run, needed = source.run, bundled(self.config).values()
        wanted = tuple(dict.fromkeys((*artifacts(self.config.variants), *needed)))
        known = self.histories.select(run.reference)
        samples = collected(run.trunk, source.folded, run.window, known, self.config.seed, run.spec)
        prepare(folder, Job(trunk=run.trunk, window=run.window, artifacts=wanted), source.folded, samples)
        failures = convert(folder, self.progress)
        for artifact in needed:
            if artifact in failures:
                raise ConversionError(
                    f"{artifact} couldn't be converted ({failures[artifact]}): export another variant"
                )
        return {name: (folder / name).read_bytes() for name in wanted if name not in failures}, failures

    def _proven(self, source: SourceModel, files: dict[str, bytes], failures: dict[str, str], out: Path) -> Exported:
        run, config = source.run, self.config
        manifest = manifest_of(source, config)
        vectors = invented(manifest, source.folded, config.seed)
        exam = Exam(
            trunk=run.trunk,
            heads=run.heads,
            weights=source.folded,
            histories=self._split("test"),
            window=run.window,
            cutoff=cutoff_of(run.config),
            seed=config.seed,
        )
        proof = proven(files, exam, trained_answers(source, exam.histories), manifest, vectors, self.progress)
        chosen = list(bundled(config).values())
        before, after = self._trained(exam.histories), shipped(exam, chosen[0], files[chosen[0]])
        lost = lost_auc(exam, before, chosen[0], after, config.largest_loss)
        groups = costs(exam, partings(run.spec, self.run.beside, exam.histories, before), before, after)
        beside = compared(exam, before, self.run.beside, after, run.beside)
        self.progress.start("Auditing", 1)
        audit = audited(run, run.heads, self.histories, chosen[0], files[chosen[0]])
        self.progress.finish(outlined(audit))
        certificate = certificate_of(
            exam, proof, source.reports, lost, config.largest_loss, chosen, groups, beside, audit
        )
        index = _index(manifest.model, source, files, proof, failures)
        write_bundle(out, packed(manifest, source, files, vectors, certificate, config))
        self._keep(index, source, files)
        return Exported(
            bundle=str(out),
            bytes=out.stat().st_size,
            model=manifest.model,
            variant=config.variant,
            certificate=certificate,
            index=index,
        )

    def _trained(self, histories: Histories) -> Replay:
        """What the trained network answers, ahead of any pass."""
        run = self.run
        return replayed(NumpyBackend(calibrated(self.weights, run.heads), run.trunk), run.trunk, histories)

    def _keep(self, index: Index, source: SourceModel, files: dict[str, bytes]) -> None:
        """Put the artifacts into the run, replacing those of an earlier export as a whole."""
        target = self.folder / ARTIFACTS
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=f".{ARTIFACTS}.") as temporary:
            fresh = Path(temporary, "new")
            for artifact, content in files.items():
                (fresh / artifact).parent.mkdir(parents=True, exist_ok=True)
                (fresh / artifact).write_bytes(content)
            (fresh / "weights.npz").write_bytes(npz(source.weights))
            (fresh / INDEX).write_bytes(msgspec.json.format(msgspec.json.encode(index), indent=1))
            if target.exists():
                target.rename(Path(temporary, "old"))
            fresh.rename(target)

    def _split(self, name: str) -> Histories:
        return self.histories.select(SPLITS.index(name))


def _index(model: str, source: SourceModel, files: dict[str, bytes], proof: Proof, failures: dict[str, str]) -> Index:
    run, zeros = source.run, sparsity(source.run.trunk, source.weights)
    kept = tuple(
        Artifact(
            artifact=artifact,
            precision=artifact.split("/")[0],
            bytes=len(content),
            gzipped=gzipped(content),
            sparsity=zeros,
            certified=proof.artifacts[artifact],
        )
        for artifact, content in files.items()
    )
    return Index(
        model=model, trunk=run.trunk, heads=run.heads, passes=source.reports, artifacts=kept, failures=failures
    )
