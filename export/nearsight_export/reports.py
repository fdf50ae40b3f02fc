"""What passes and proofs report: figures only, and all that the certificate in a bundle holds."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.conformance import Difference
from nearsight_export.bounds import Bound
from nearsight_training.metrics import Interval

__all__ = [
    "Audit",
    "BesideFigures",
    "Certificate",
    "Certified",
    "Disclosure",
    "GroupFigures",
    "HeadFigures",
    "LengthFigures",
    "Membership",
    "Noise",
    "PassReport",
    "Tensor",
    "ToldEvent",
    "ToldNumber",
]


class Tensor(msgspec.Struct, frozen=True):
    """A tensor after a pass: how many numbers it holds, the share of zeros, and how many of the numbers differ.

    `before` is how many numbers it held ahead of the pass, where that isn't the same; None where it is.
    """

    numbers: int
    sparsity: float
    distinct: int
    before: int | None = None

    @classmethod
    def of(cls, array: NDArray[np.float32], before: NDArray[np.float32] | None = None) -> "Tensor":
        """Count; `before` is the tensor ahead of a pass that made it smaller."""
        held = before.size if before is not None else None
        return cls(array.size, float(np.mean(array == 0)), len(np.unique(array)), held)


class PassReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a pass did: in words, by tensor, and what it left alone and why.

    `steps` are the optimiser's. `validation_difference` is the mean absolute difference of the probabilities from those
    of the model that it was taught by, on validation data.
    """

    name: str
    said: str
    tensors: dict[str, Tensor]
    skipped: dict[str, str] = {}
    steps: int = 0
    validation_difference: float = 0.0


class HeadFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One yes/no head on its labelled decisions, against the reference on the same ones.

    `flipped` is the share of all decisions that change sides of the threshold. AUC and its like are None where only
    one class is there.
    """

    decisions: int
    flipped: float
    auc: float | None
    auc_change: float | None
    calibration_error: float | None
    calibration_change: float | None
    decidable: bool


class LengthFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A head's figures on decisions after `shortest` to `longest` events."""

    head: str
    shortest: int
    longest: int
    decisions: int
    auc: float | None
    calibration_error: float


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """How far a step's tensors lie from the float32 reference's: signal-to-noise ratios in decibels, 120 at most.

    `weights` are those of each weight that the file holds in its own shape, and `due` what rounding to the file's bits
    leaves of it. `signals` are those of the tensors within a step in the order in which it computes them, on real
    events that meet the reference's states.
    """

    weights: dict[str, float]
    due: dict[str, float]
    signals: dict[str, float]


class Certified(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one artifact, and the bound that it was held to.

    `largest_error` and `mean_error` are of probabilities, over `compared` decisions (after each event and to each
    question for a step graph, at the ends of drawn windows for a window graph). `embedding` is the largest of the
    `distances` of users' last embeddings, `drift` the largest error in 10,000 single steps without an end and
    `late_drift` that in the last 1,000 of them, `vectors` the differences on the conformance vectors and `noise` those
    of its tensors; all None for window graphs.
    """

    artifact: str
    runtime: str
    compared: int
    largest_error: float
    mean_error: float
    heads: dict[str, HeadFigures]
    embedding: float | None = None
    drift: float | None = None
    late_drift: float | None = None
    noise: Noise | None = None
    vectors: Difference | None = None
    lengths: tuple[LengthFigures, ...] = ()
    bound: Bound


class BesideFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The bundle's step graph beside the trained network, on all that isn't a head; None where the model lacks it.

    `other_segment` is the share of users whose last segment differs, and `own_users` the smallest share that those
    whom the trained network puts there too have of a segment's users. `flagged` is the share of users ever flagged as
    unusual (of those with two events or more) and `flagged_by_one` that of users whom only one of both flags.
    """

    users: int
    other_segment: float | None = None
    own_users: float | None = None
    flagged: float | None = None
    flagged_by_one: float | None = None


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """How well attackers tell `members`, who were trained on, from `others`: an AUC by attack, 0.5 for none at all.

    `questions` has that of the loss by head. `control` is the AUC of a classifier that never saw the model: what lies
    above 0.5 there tells of the users, not of the model. `found` is the share of members that the `strongest` attack
    finds at 1 % false alarms. Intervals of 95 % are over users.
    """

    members: int
    others: int
    attacks: dict[str, Interval]
    questions: dict[str, Interval]
    control: Interval
    strongest: str
    found: Interval


class ToldEvent(msgspec.Struct, frozen=True, kw_only=True):
    """How often the name of the event `back` from the end (1 is the last) is told right, over so many `states`.

    From the state, by `guessing` the commonest, and from the answers that the app shows anyway.
    """

    back: int
    states: int
    share: float
    guessing: float
    from_answers: float


class ToldNumber(msgspec.Struct, frozen=True, kw_only=True):
    """Which share of the variance of a number's logarithm a state explains, and the answers alone; 0 for guessing."""

    name: str
    states: int
    share: float
    from_answers: float


class Disclosure(msgspec.Struct, frozen=True, kw_only=True):
    """What `states` of `size` numbers, of held-out users, tell an attacker who has the bundle."""

    size: int
    states: int
    events: tuple[ToldEvent, ...]
    numbers: tuple[ToldNumber, ...]


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What a step graph gives away of the users it learned from, and a state of its user; None where few are known."""

    artifact: str
    membership: Membership | None
    disclosure: Disclosure | None


class GroupFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What compression costs a group of users in one head's answers.

    `lost_auc` is how much lower the shipped graph's AUC within the group is than the trained network's ahead of any
    pass, `lost_nats` how much higher its log loss, `flipped` the share of decisions that change sides of the threshold.
    `more_auc` and `more_nats` are how much more that is than the groups of its kind lose on average. The intervals of
    95 % hold for all groups of a head together.
    """

    head: str
    group: str
    users: int
    lost_auc: Interval
    more_auc: Interval
    lost_nats: Interval
    more_nats: Interval
    flipped: float


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that a bundle carries.

    It was computed on `histories` held-out histories with `events` events and `questions` questions, none of which is
    in the bundle. `passes` say what was done to the trained network, `source_error` is the largest difference between
    the outcome and the float32 step that the artifacts are compared with. `lost_auc` is, by head, how much lower the
    bundle's step graph scores than the trained network before any pass, with a 95 % interval over users, of which more
    than `largest_loss` isn't allowed; `groups` say the same of groups of users that are large enough to tell. `audit`
    attacks that graph and its states.
    """

    format: int = 1
    histories: int
    events: int
    questions: int
    source_error: float
    passes: tuple[PassReport, ...] = ()
    lost_auc: dict[str, Interval]
    largest_loss: float = 0.002
    groups: tuple[GroupFigures, ...] = ()
    artifacts: tuple[Certified, ...]
    beside: BesideFigures | None = None
    audit: Audit | None = None
