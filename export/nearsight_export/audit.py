"""The audit: attacks on a step graph with the users whom it learned from, and on the states that it makes."""

import msgspec
import numpy as np

from nearsight.backends import Backend, choose
from nearsight.heads import Head
from nearsight.trunk import Trunk
from nearsight_export.certificate import RUNTIMES
from nearsight_export.inversion import FEWEST, Depth, disclosed, seen
from nearsight_export.membership import Witness, inferred
from nearsight_export.replay import replayed
from nearsight_export.reports import Audit
from nearsight_training.config import LogConfig
from nearsight_training.histories import Histories
from nearsight_training.preparation import alike
from nearsight_training.run import Run
from nearsight_training.split import TEST, TRAIN, VALIDATION

__all__ = ["BRIEF", "THOROUGH", "Effort", "audited"]


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How many users of each kind are attacked, with how many events between them, and how hard states are read."""

    users: int
    events: int
    depth: Depth


BRIEF = Effort(users=2000, events=30_000, depth=Depth(backs=(1, 2, 5, 10), learned=2000, judged=1000, trees=20))
THOROUGH = Effort(
    users=10_000, events=150_000, depth=Depth(backs=tuple(range(1, 11)), learned=6000, judged=4000, trees=50)
)


def audited(
    run: Run,
    heads: tuple[Head, ...],
    histories: Histories,
    artifact: str,
    content: bytes,
    effort: Effort = BRIEF,
    reference: Backend | None = None,
) -> Audit:
    """Attack the step graph `artifact`; `reference` is a network that learned from others than the training users.

    `histories` are all of the run's, as training saw them.
    """
    member = artifact.split("/")[1]
    backend = choose(RUNTIMES[member.rpartition(".")[2]][0], {member: content}, run.trunk)
    cut = alike(histories, run.spec, run.config) if isinstance(run.config, LogConfig) else histories
    members, others, bystanders = (
        _watched(backend, run.trunk, _some(cut.select(split), effort, run.seed), reference)
        for split in (TRAIN, TEST, VALIDATION)
    )
    disclosure = None
    if min(len(each.histories.codes) for each in (members, others)) >= FEWEST:
        own = seen(backend, members.histories, members.replay, effort.depth.learned, run.seed)
        held_out = seen(backend, others.histories, others.replay, effort.depth.judged, run.seed)
        disclosure = disclosed(own, held_out, run.spec, run.trunk, effort.depth)
    return Audit(artifact=artifact, membership=inferred(members, others, bystanders, heads), disclosure=disclosure)


def _some(histories: Histories, effort: Effort, seed: int) -> Histories:
    order = np.random.default_rng(seed).permutation(len(histories))
    return histories.take(np.sort(order[: effort.users])).limited(effort.events, seed)


def _watched(backend: Backend, trunk: Trunk, histories: Histories, reference: Backend | None) -> Witness:
    return Witness(
        histories,
        replayed(backend, trunk, histories, keep=True),
        None if reference is None else replayed(reference, trunk, histories),
    )
