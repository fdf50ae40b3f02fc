"""What a bundle says of itself: the one description that every client, in any language, reads first."""

import msgspec

from nearsight.digest import sha256
from nearsight.heads import Head, NextEventHead
from nearsight.profile import PARTS, Traits
from nearsight.segment import Segment
from nearsight.spec import Spec
from nearsight.surprise import Alarm
from nearsight.trunk import Trunk, Weights

__all__ = ["FORMAT", "Manifest", "Member", "model_id"]

FORMAT = 1


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file inside the bundle."""

    sha256: str
    bytes: int
    precision: str | None = None  # "fp32", "fp16", "int8", "int8-full", "int16x8", "int4" for a graph or weights


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Format, specification, heads, state layout, members, and a summary of data and metrics.

    `model` names the weights: a state or snapshot made by another model means nothing to this one. `window` is how
    many events the window graphs take. `segments` are kinds of users, `average` is what the average user does, and
    `alarm` says when a history is unusual; a model may lack any of them. `data` and `metrics` are for people; nothing
    computes with them.
    """

    format: int = FORMAT
    name: str
    model: str
    created: str
    spec: Spec
    trunk: Trunk
    heads: tuple[Head, ...]
    window: int
    members: dict[str, Member]
    segments: tuple[Segment, ...] = ()
    average: Traits | None = None
    alarm: Alarm | None = None
    data: dict[str, str | int | float] = {}
    metrics: dict[str, float] = {}

    def __post_init__(self) -> None:
        if self.spec.code_sizes != self.trunk.code_sizes or len(self.spec.number_names) != self.trunk.numbers:
            raise ValueError("the specification and the network describe different rows")
        ends = [0]
        for head in self.heads:
            if head.start != ends[-1]:
                raise ValueError("the heads must cover the outputs without a gap")
            ends.append(head.start + head.size)
        if ends[-1] != self.trunk.outputs:
            raise ValueError("the heads and the network describe different outputs")
        self._check_beside()

    def _check_beside(self) -> None:
        if any(len(segment.weights) != self.trunk.units for segment in self.segments):
            raise ValueError("the segments and the network describe different embeddings")
        average = self.average
        if average and (len(average.events), len(average.parts)) not in (
            (self.spec.now, 0),
            (self.spec.now, len(PARTS)),
        ):
            raise ValueError("the average user and the specification describe different events")
        if self.alarm and not any(isinstance(head, NextEventHead) for head in self.heads):
            raise ValueError("an alarm needs a head that expects events")


def model_id(weights: Weights) -> str:
    """The first 16 hexadecimal digits of the SHA-256 over the weights in order of their names."""
    digest = sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].tobytes())
    return digest.hexdigest()[:16]
