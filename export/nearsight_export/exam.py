"""What every artifact is examined on: real held-out histories and what the float32 reference answers to them."""

from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.backends.reference import NumpyBackend
from nearsight.heads import BinaryHead, Head
from nearsight.trunk import Trunk, Weights
from nearsight_export.replay import Replay, labelled, replayed, streamed
from nearsight_export.windows import Windows, drawn_windows, joined
from nearsight_training.answers import scored
from nearsight_training.histories import Histories

__all__ = ["DRIFT_STEPS", "Exam", "Paper"]

Floats = NDArray[np.float32]
DRIFT_STEPS = 10_000
_MOST_EVENTS = 100_000
_REPLAYED, _PROBED = 2000, 128  # events, of which so many are drawn to look into a step
_SCORED_WINDOWS, _OTHER_WINDOWS = 1000, 500


class Paper(msgspec.Struct, frozen=True):
    """A head's decisions with known labels: their numbers `(n,)` among the E + Q, labels `(n,)`, whose each is."""

    head: BinaryHead
    decisions: NDArray[np.int64]
    labels: NDArray[np.int8]
    owners: NDArray[np.int64]


class Exam:
    """Held-out histories of one model. A decision is an answer after an event (E) or to a question (Q behind them)."""

    def __init__(
        self,
        trunk: Trunk,
        heads: tuple[Head, ...],
        weights: Weights,
        histories: Histories,
        window: int,
        cutoff: float | None,
        seed: int,
    ) -> None:
        self.trunk, self.heads, self.cutoff, self.seed, self.window = trunk, heads, cutoff, seed, window
        self.histories, self.weights = histories.limited(_MOST_EVENTS, seed), weights
        self.reference = NumpyBackend(weights, trunk)

    @cached_property
    def replay(self) -> Replay:
        """What the reference makes of the histories."""
        return replayed(self.reference, self.trunk, self.histories)

    @cached_property
    def expected(self) -> Floats:
        """The reference's heads `(E + Q, O)`."""
        return np.concatenate([self.replay.heads, self.replay.asked])

    @cached_property
    def papers(self) -> tuple[Paper, ...]:
        """What each yes/no head is scored on, chosen as training does."""
        return tuple(self._paper(head) for head in self.heads if isinstance(head, BinaryHead))

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """How many events precede each decision's answer, itself included, since an empty state `(E + Q,)`."""
        before = self.histories.since_fresh + 1
        return np.concatenate([before, before[self.histories.ask_events]])

    @cached_property
    def windows(self) -> Windows:
        """Windows that end in scored decisions, and others at any prefix, without repetition."""
        scored_ones = np.zeros(len(self.expected), bool)
        for paper in self.papers:
            scored_ones[paper.decisions] = True
        return joined(
            drawn_windows(self.histories, self.window, _SCORED_WINDOWS, self.seed, scored_ones),
            drawn_windows(self.histories, self.window, _OTHER_WINDOWS, self.seed, ~scored_ones),
        )

    @cached_property
    def stream(self) -> tuple[NDArray[np.int32], Floats]:
        """Real rows one after another, repeated where there are fewer than 10,000."""
        rows = np.arange(DRIFT_STEPS) % len(self.histories.codes)
        return self.histories.codes[rows], self.histories.numbers[rows]

    @cached_property
    def expected_stream(self) -> Floats:
        """The reference's heads over the stream."""
        return streamed(self.reference, self.trunk, *self.stream)

    @cached_property
    def probe(self) -> tuple[NDArray[np.int32], Floats, Floats]:
        """Real rows `(n, K)`, `(n, N)` with the states `(n, S)` that the reference has when it meets them."""
        few = self.histories.limited(_REPLAYED, self.seed)
        states = replayed(self.reference, self.trunk, few, keep=True).states
        drawn = np.random.default_rng(self.seed).permutation(len(states))[:_PROBED]
        return few.codes[drawn], few.numbers[drawn], states[drawn]

    def _paper(self, head: BinaryHead) -> Paper:
        events = len(self.histories.codes)
        asked, found = scored(self.histories, head, self.cutoff)
        owners = self.histories.ask_history[found] if asked else self.histories.owners[found]
        decisions = found + events * asked
        return Paper(head, decisions, labelled(self.histories)[decisions, head.start], owners)
