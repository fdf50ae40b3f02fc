"""`export`: a run in, a bundle out, proven equal or not written at all."""

from pathlib import Path

import msgspec

from nearsight.errors import InputError
from nearsight_export.config import ExportConfig
from nearsight_export.index import Index
from nearsight_export.reports import Certificate
from nearsight_training.progress import SILENT, Progress
from nearsight_training.run import load_histories, load_run, load_weights

__all__ = ["ExportConfig", "Exported", "export"]


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: the bundle with its size in bytes, and every artifact that is kept in the run."""

    bundle: str
    bytes: int
    model: str
    variant: str
    certificate: Certificate
    index: Index


def export(
    run_path: Path, config: ExportConfig, out: Path, progress: Progress = SILENT, cache: Path | None = None
) -> Exported:
    """Prune, convert, prove and pack the run at `run_path` into the bundle `out`.

    All variants' artifacts are kept in `run_path/artifacts`. What passes made is taken from the folder `cache` where it
    is there already, and kept in it. Raises `InputError` where the run or the configuration
    can't be used, `SparsityError` and `ConversionError` where a pass fails, and `CertificateError` where an artifact
    doesn't equal its source; nothing is written then.
    """
    config.check()
    if out.is_dir():
        raise InputError(f"{out} is a folder: pass the name of a file such as {out}/model.nsight")
    run, weights, histories = load_run(run_path), load_weights(run_path), load_histories(run_path)
    from nearsight_export.passes.cache import Cache
    from nearsight_export.production import Production

    kept = Cache(cache) if cache else None
    return Production(run_path, run, weights, histories, config, progress, kept).written(out)
