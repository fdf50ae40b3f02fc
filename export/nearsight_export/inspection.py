"""What a bundle asks, reads, holds and proves, in words. Loads neither TensorFlow nor a runtime."""

from pathlib import Path

import msgspec

from nearsight.bundle import read_bundle
from nearsight.errors import BundleError
from nearsight.manifest import Manifest
from nearsight_export.beside import offered, proven_beside
from nearsight_export.disclosure import told
from nearsight_export.fairness import worst
from nearsight_export.questions import duration, percent, question, reads
from nearsight_export.reports import Certificate
from nearsight_export.steadiness import steadied
from nearsight_export.variants import PRECISIONS

__all__ = ["Description", "Part", "inspect"]


_FIGURES = {
    "auc": "AUC (how often a yes ranks above a no)",
    "average_precision": "average precision (over all thresholds)",
    "log_loss": "log loss (in nats, less is better)",
    "expected_calibration_error": "calibration error (how far probability and frequency lie apart)",
    "calibration_error_by_chance": "of which chance alone makes (with as few users, in a perfect model too)",
    "accuracy": "accuracy (how many decisions are right)",
    "precision": "precision (how many of its yes are right)",
    "recall": "recall (how many of the yes it finds)",
    "f1": "F1 (precision and recall in one)",
    "hits@1": "hits@1 (how often the likeliest event comes next)",
    "hits@5": "hits@5 (how often one of the five likeliest comes next)",
}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One member of a bundle."""

    name: str
    bytes: int
    precision: str | None


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle in words; `str` of it is a page for people. `proof` is empty where there is no certificate."""

    name: str
    model: str
    created: str
    bytes: int
    answers: list[str]
    offers: list[str]
    reads: list[str]
    state: str
    parts: list[Part]
    data: dict[str, str | int | float]
    metrics: dict[str, float]
    proof: list[str]

    def __str__(self) -> str:
        sections = {
            "It answers": self.answers,
            "It also offers": self.offers,
            "It reads": self.reads,
            "It remembers": [self.state],
            "It holds": [_part(part) for part in self.parts],
            "It learned from": [f"{name}: {value}" for name, value in self.data.items()],
            "It reached on users that training never saw": [
                _figure(name, value) for name, value in self.metrics.items()
            ],
            "It is proven": self.proof,
        }
        head = f"{self.name} (model {self.model}, made {self.created}, {_size(self.bytes)})"
        return "\n".join([head, *(_section(title, lines) for title, lines in sections.items() if lines)])


def inspect(path: str | Path) -> Description:
    """Describe a bundle. Raises `BundleError` where it can't be trusted or its certificate can't be read."""
    bundle = read_bundle(path)
    manifest = bundle.manifest
    return Description(
        name=manifest.name,
        model=manifest.model,
        created=manifest.created,
        bytes=Path(path).stat().st_size,
        answers=[question(head) for head in manifest.heads],
        offers=list(offered(manifest)),
        reads=reads(manifest.spec),
        state=_state(manifest),
        parts=[Part(name=name, bytes=part.bytes, precision=part.precision) for name, part in manifest.members.items()],
        data=dict(manifest.data),
        metrics=dict(manifest.metrics),
        proof=_proof(bundle.members["certificate.json"]) if "certificate.json" in bundle.members else [],
    )


def _figure(name: str, value: float) -> str:
    head, _, metric = name.rpartition(".")
    return f"{head}, {_FIGURES.get(metric, metric)}: {value:.4g}"


def _state(manifest: Manifest) -> str:
    trunk, reset = manifest.trunk, manifest.spec.reset
    size = (
        f"a whole history as {trunk.state_size} numbers; the window graphs read up to {manifest.window} events at once"
    )
    ends = []
    if reset.gap_seconds is not None:
        ends.append(f"a gap of more than {duration(reset.gap_seconds)}")
    if reset.max_events is not None:
        ends.append(f"{reset.max_events} events")
    return f"{size}; it begins anew after {' or after '.join(ends)}" if ends else f"{size}; it never begins anew"


def _proof(content: bytes) -> list[str]:
    try:
        found = msgspec.json.decode(content, type=Certificate)
    except msgspec.DecodeError as error:
        raise BundleError(f"certificate.json can't be read ({error}): export the bundle again") from error
    ground = f"{found.histories} held-out histories with {found.events} events and {found.questions} questions"
    lines = [f"on {ground}, where the step equals the trained network within {found.source_error:.1g}"]
    for artifact in found.artifacts:
        step = f"; {said}" if (said := steadied(artifact)) else ""
        flipped = max((head.flipped for head in artifact.heads.values()), default=0.0)
        lines.append(
            f"{artifact.artifact} lies within {artifact.largest_error:.1g} (allowed {artifact.bound.error:g}), "
            f"flips {percent(flipped)} of decisions ({artifact.runtime}){step}"
        )
    for head, lost in found.lost_auc.items():
        lines.append(
            f"compression changed the AUC of {head} by {-lost.value:+.4f} "
            f"({-lost.high:+.4f} to {-lost.low:+.4f}), where {-found.largest_loss:+g} is allowed"
        )
    lines += worst(found.groups)
    if found.beside:
        lines += proven_beside(found.beside)
    if found.audit:
        lines += told(found.audit)
    lines += [report.said for report in found.passes]
    return lines


def _part(part: Part) -> str:
    precision = f", {part.precision}: {PRECISIONS[part.precision]}" if part.precision in PRECISIONS else ""
    return f"{part.name}, {_size(part.bytes)}{precision}"


def _size(count: int) -> str:
    return f"{count / 1000:.1f} kB"


def _section(title: str, lines: list[str]) -> str:
    return f"\n{title}\n" + "\n".join(f"  {line}" for line in lines)
