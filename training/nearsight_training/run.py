"""The folder that a training writes: everything that export, benchmarks and a repetition need."""

import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight.heads import Head
from nearsight.spec import Spec
from nearsight.trunk import Trunk, Weights
from nearsight_training.beside import Beside
from nearsight_training.config import LogConfig, TableConfig
from nearsight_training.gate import Gate
from nearsight_training.guarantee import Guarantee
from nearsight_training.histories import Histories, read_histories, reference, write_histories
from nearsight_training.metrics import Interval

__all__ = [
    "FORMAT",
    "Epoch",
    "Run",
    "Source",
    "check_above",
    "check_place",
    "load_histories",
    "load_run",
    "load_weights",
    "save_run",
]

FORMAT = 1
_RUN, _WEIGHTS, _HISTORIES, LOGS = "run.json", "weights.npz", "histories.npz", "logs"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The file that was trained on, by its name and content; times are seconds since 1970, None without a clock."""

    name: str
    sha256: str
    rows: int
    users: int
    first_time: float | None = None
    last_time: float | None = None


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """One pass over the training data: mean losses per answer, and how long it took."""

    loss: float
    validation_loss: float
    seconds: float


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What a training found, but for the arrays. `metrics` are of the test split: by head, by metric.
    `gates` set each head beside simpler models; `taught` names those that learned from one. `beside` is what the model
    offers besides heads. `guarantee` is what its training promises the users trained on, None where it wasn't private.

    The heads carry calibration and thresholds, both fitted on validation; the weights beside this are uncalibrated
    (`nearsight.heads.calibrated` folds it in). `window` is in events. `notes` say what was left out of the data.
    """

    format: int = FORMAT
    name: str
    created: str
    config: LogConfig | TableConfig
    source: Source
    spec: Spec
    trunk: Trunk
    heads: tuple[Head, ...]
    window: int
    data: dict[str, str | int | float] = {}
    metrics: dict[str, dict[str, Interval]] = {}
    gates: dict[str, Gate] = {}
    taught: tuple[str, ...] = ()
    beside: Beside = Beside()
    guarantee: Guarantee | None = None
    versions: dict[str, str] = {}
    history: tuple[Epoch, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def reference(self) -> int:
        """The split whose users tell what else a model has; see `nearsight_training.histories.reference`."""
        return reference(self.config.fitting)

    @property
    def seed(self) -> int:
        """The seed of everything that was drawn."""
        return self.config.fitting.seed


def load_run(path: str | Path) -> Run:
    """Read a run folder's description. Raises `InputError` where it is missing, damaged or of a newer format."""
    content = _member(Path(path), _RUN).read_bytes()
    try:
        found = msgspec.json.decode(content, type=_Format).format
        if found > FORMAT:
            raise InputError(f"{path} has format {found} where this version reads up to {FORMAT}: update nearsight")
        return msgspec.json.decode(content, type=Run)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} holds a damaged {_RUN} ({error}): train again") from error


def load_weights(path: str | Path) -> dict[str, NDArray[np.float32]]:
    """Read a run's canonical weights, uncalibrated. Raises `InputError` as `load_run` does."""
    file = _member(Path(path), _WEIGHTS)
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} holds a damaged {_WEIGHTS} ({error}): train again") from error


def load_histories(path: str | Path) -> Histories:
    """Read a run's histories, all splits. Raises `InputError` as `load_run` does."""
    file = _member(Path(path), _HISTORIES)
    try:
        return read_histories(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} holds a damaged {_HISTORIES} ({error}): train again") from error


def save_run(path: str | Path, run: Run, weights: Weights, histories: Histories, logs: Path | None = None) -> None:
    """Write a run folder so that its name shows all of it or nothing; an earlier run there is replaced.

    `logs` is a folder with TensorBoard's files, copied in. Raises `InputError` where `path` holds something else.
    """
    target = Path(path)
    check_place(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        folder = Path(temporary, "new")
        folder.mkdir()
        folder.joinpath(_RUN).write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1))
        np.savez(folder / _WEIGHTS, allow_pickle=False, **weights)
        write_histories(folder / _HISTORIES, histories)
        if logs is not None:
            shutil.copytree(logs, folder / LOGS)
            (folder / LOGS).chmod(folder.stat().st_mode)  # a temporary folder is its owner's alone
        if target.exists():
            target.rename(Path(temporary, "old"))
        folder.rename(target)


def check_place(path: str | Path) -> None:
    """Raises `InputError` where a run can't be written to `path`: something else is there, or as `check_above` does."""
    if os.path.lexists(path) and not Path(path, _RUN).is_file():
        raise InputError(f"{path} exists and isn't a run: pass another --out")
    check_above(path)


def check_above(path: str | Path) -> None:
    """Raises `InputError` where no folder can be made at `path`."""
    above = next(folder for folder in Path(path).absolute().parents if os.path.lexists(folder))
    if not above.is_dir():
        raise InputError(f"{path} must lie in folders, received {above}, which is none: pass another --out")
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{path} must lie where you may write, received {above}: pass another --out")


class _Format(msgspec.Struct):
    format: int


def _member(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise InputError(f"{folder} isn't a run (it has no {name}): pass a folder that nearsight train wrote")
    return folder / name
