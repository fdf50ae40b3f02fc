"""Exports by presets, each of a copy of its run, that are kept and found again."""

import tempfile
import time
from hashlib import sha256
from pathlib import Path

import msgspec

from nearsight.bundle import write_atomically
from nearsight.errors import NearsightError
from nearsight.manifest import model_id
from nearsight_export.config import ExportConfig
from nearsight_export.export import export
from nearsight_export.recipe import RECIPES
from nearsight_training.progress import SILENT, Progress
from nearsight_training.run import load_histories, load_run, load_weights, save_run

__all__ = ["Made", "made"]

_MARK = 12  # hexadecimal digits


class Made(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An export: its seconds, and why there is no bundle where one couldn't be made."""

    seconds: float
    failure: str = ""


def made(path: Path, recipe: str, folder: Path, progress: Progress = SILENT) -> tuple[Made, Path]:
    """Export a copy of the run by that preset, or find what an earlier call made; returns the bundle's path too.

    A bundle is known by the network and by what the preset says, but not by the code that made it.
    """
    run, weights, told = load_run(path), load_weights(path), RECIPES[recipe]
    mark = sha256(msgspec.json.encode([model_id(weights), told])).hexdigest()[:_MARK]
    note, bundle = (folder / f"{path.name}-{recipe}-{mark}.{kind}" for kind in ("json", "nsight"))
    if note.exists():
        return msgspec.json.decode(note.read_bytes(), type=Made), bundle
    config = ExportConfig(variant=told.variant, variants=(told.variant,), passes=told.passes, members=("step.tflite",))
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary, path.name)
        save_run(copy, run, weights, load_histories(path))
        began, failure = time.perf_counter(), ""
        try:
            export(copy, config, bundle, progress)
        except NearsightError as error:
            failure = str(error)
    found = Made(seconds=time.perf_counter() - began, failure=failure)
    write_atomically(note, msgspec.json.encode(found))
    return found, bundle
