"""What passes made of one run's network, kept in a folder: recipes that begin alike share the beginning."""

import io
import zipfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from nearsight.bundle import write_atomically
from nearsight.trunk import Trunk
from nearsight_export.passes.model import Model
from nearsight_export.recipe import Pass
from nearsight_export.reports import PassReport

__all__ = ["Cache"]

_DESCRIBED = "described"  # a name that no weight has


class _Described(msgspec.Struct, frozen=True):
    trunk: Trunk
    reports: tuple[PassReport, ...]


class Cache:
    """One file for each sequence of passes; a damaged one is as good as none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def found(self, passes: Sequence[Pass]) -> tuple[Model, tuple[PassReport, ...]] | None:
        """What these passes made, and their reports."""
        try:
            with np.load(self._path(passes), allow_pickle=False) as arrays:
                described = msgspec.json.decode(arrays[_DESCRIBED].tobytes(), type=_Described)
                weights = {name: arrays[name] for name in described.trunk.weight_shapes}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return Model(described.trunk, weights), described.reports

    def keep(self, passes: Sequence[Pass], model: Model, reports: tuple[PassReport, ...]) -> None:
        """Remember what these passes made."""
        described = msgspec.json.encode(_Described(model.trunk, reports))
        arrays: dict[str, Any] = {**model.weights, _DESCRIBED: np.frombuffer(described, np.uint8)}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_atomically(self._path(passes), buffer.getvalue())

    def _path(self, passes: Sequence[Pass]) -> Path:
        return self.folder / f"{sha256(msgspec.json.encode(list(passes))).hexdigest()[:16]}.npz"
