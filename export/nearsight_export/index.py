"""What an export leaves in the run: every variant's artifacts, and an index of them for benchmarks."""

import gzip
from pathlib import Path

import msgspec

from nearsight.errors import InputError
from nearsight.heads import Head
from nearsight.trunk import Trunk
from nearsight_export.reports import Certified, PassReport

__all__ = ["ARTIFACTS", "INDEX", "Artifact", "Index", "gzipped", "read_index"]

ARTIFACTS, INDEX = "artifacts", "index.json"


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """One file below `artifacts/`: sizes in bytes as it lies there and gzipped, and what the certificate found."""

    artifact: str
    precision: str
    bytes: int
    gzipped: int
    sparsity: float
    certified: Certified


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """All artifacts of one export. `weights.npz` beside it holds their source, a `trunk`'s weights, uncalibrated.

    `heads` calibrate them. `failures` say why artifacts are missing.
    """

    model: str
    trunk: Trunk
    heads: tuple[Head, ...]
    passes: tuple[PassReport, ...]
    artifacts: tuple[Artifact, ...]
    failures: dict[str, str] = {}


def gzipped(content: bytes) -> int:
    """The size of `content` compressed by gzip."""
    return len(gzip.compress(content, mtime=0))


def read_index(run: Path) -> Index:
    """Read the index of a run's artifacts. Raises `InputError` where there is none."""
    path = run / ARTIFACTS / INDEX
    try:
        return msgspec.json.decode(path.read_bytes(), type=Index)
    except OSError:
        raise InputError(f"{run} has no {ARTIFACTS}/{INDEX}: run nearsight export on it first") from None
    except msgspec.DecodeError as error:
        raise InputError(f"{path} can't be read ({error}): run nearsight export again") from error
