"""The bundle's parts: the manifest, the graphs of the chosen variant, vectors, certificate and model card."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from nearsight.bundle import Bundle, sealed
from nearsight.conformance import Vectors
from nearsight.manifest import Manifest, model_id
from nearsight.trunk import Weights
from nearsight_export.card import card
from nearsight_export.config import NUMPY, ExportConfig
from nearsight_export.reports import Certificate
from nearsight_export.source import SourceModel
from nearsight_export.variants import source as origin
from nearsight_training.guarantee import spoken

__all__ = ["bundled", "manifest_of", "npz", "packed"]


def bundled(config: ExportConfig) -> dict[str, str]:
    """The artifact behind each of the bundle's graphs; the step graph that runs by default comes first."""
    graphs = [member for member in config.members if member != NUMPY]
    return {member: f"{origin(config.variant, member)}/{member}" for member in sorted(graphs, key=_rank)}


def manifest_of(source: SourceModel, config: ExportConfig) -> Manifest:
    """The manifest of a model, its members still to come."""
    run, beside = source.run, source.run.beside
    flat = {f"{head}.{name}": found.value for head, kinds in run.metrics.items() for name, found in kinds.items()}
    return Manifest(
        name=config.name or run.name,
        model=model_id(source.folded),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        spec=run.spec,
        trunk=run.trunk,
        heads=run.heads,
        window=run.window,
        members={},
        data={**run.data, "privacy": spoken(run.guarantee)},
        segments=beside.segmentation.segments if beside.segmentation else (),
        average=beside.average,
        alarm=beside.vigilance.alarm if beside.vigilance else None,
        metrics={name: value for name, value in flat.items() if np.isfinite(value)},
    )


def packed(
    manifest: Manifest,
    source: SourceModel,
    files: Mapping[str, bytes],
    vectors: Vectors,
    certificate: Certificate,
    config: ExportConfig,
) -> Bundle:
    """The whole bundle; `files` are the artifacts by `VARIANT/MEMBER`."""
    chosen = bundled(config)
    members = {member: files[artifact] for member, artifact in chosen.items()}
    precisions = {member: artifact.split("/")[0] for member, artifact in chosen.items()}
    if NUMPY in config.members:
        members[NUMPY], precisions[NUMPY] = npz(source.folded), "fp32"
    members["vectors.json"] = msgspec.json.encode(vectors)
    members["certificate.json"] = msgspec.json.format(msgspec.json.encode(certificate), indent=1)
    members["MODEL_CARD.md"] = card(source.run, manifest, certificate).encode()
    return Bundle(msgspec.structs.replace(manifest, members=sealed(members, precisions)), members)


def _rank(member: str) -> tuple[bool, bool]:
    return not member.startswith("step"), not member.endswith(".tflite")


def npz(weights: Weights) -> bytes:
    """Named arrays as an `.npz` that `allow_pickle=False` reads."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = dict(weights)
    np.savez(buffer, **arrays)
    return buffer.getvalue()
