"""One trial of a search: train a network, convert its step to 8-bit weights, judge that file and time it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nearsight.backends import Backend, choose
from nearsight.heads import calibrated
from nearsight.trunk import Trunk
from nearsight_export.conversion import converted
from nearsight_export.errors import LateError, UnpromisingError
from nearsight_export.judge import Judge
from nearsight_export.pace import Pace, raced
from nearsight_export.recommendation import Trial, is_behind
from nearsight_export.replay import Replay, replayed
from nearsight_training.answers import answers
from nearsight_training.config import LogConfig
from nearsight_training.fit import fit, seeded
from nearsight_training.learning import calibrated_heads, rehearsal_of, trunk_of
from nearsight_training.network import build, canonical
from nearsight_training.preparation import Prepared
from nearsight_training.progress import Progress
from nearsight_training.sequences import crops, step_count
from nearsight_training.split import TRAIN, VALIDATION
from nearsight_training.tensorflow import tf_keras

__all__ = ["Attempts", "Finding"]

_ARTIFACT = "int8/step.tflite"
_MOST_EVENTS = 100_000  # of validation, that trials are judged by
_CHECK = 3  # the check for pruning comes after a third of the steps


@dataclass(frozen=True)
class Finding:
    """What a trial gave: the artifact, its score on validation, how fast it is, and the early score."""

    artifact: bytes
    score: float
    pace: Pace
    early: float | None
    weights: int


class Attempts:
    """Tries configurations of one prepared log. The test users' histories are never looked at."""

    def __init__(self, prepared: Prepared, config: LogConfig) -> None:
        self.spec, self.heads = prepared.spec, prepared.heads
        self.training, self.validation = (prepared.histories.select(part) for part in (TRAIN, VALIDATION))
        judged = self.validation.limited(_MOST_EVENTS, config.fitting.seed)
        self.judge = Judge(judged, self.heads, rehearsal_of(self.validation, config))

    def tried(
        self,
        config: LogConfig,
        reference: tuple[LogConfig, bytes] | None,
        earlier: Sequence[Trial],
        deadline: float,
        progress: Progress,
    ) -> Finding:
        """Train, convert, judge and time one configuration; `reference` is the default's and its artifact.

        The first trial has none: it is its own, never pruned and never late. Raises `UnpromisingError`, `LateError`
        where `time.monotonic()` passes `deadline`, `InputError` where the loss isn't finite, and `ConversionError`.
        """
        trunk = self.trunk(config)
        watch = _Watch(self, config, earlier, deadline, is_free=reference is None)
        weights = self._trained(config, trunk, watch, progress)
        progress.advance("converting")
        artifact = converted(trunk, weights, config.window, _ARTIFACT)
        progress.advance("judging and timing")
        mine = self.backend(config, artifact)
        other = mine if reference is None else self.backend(*reference)
        pace = raced(mine, other, self.validation.codes, self.validation.numbers)
        score = self.judge.score(self.replay(config, artifact))
        return Finding(artifact, score, pace, watch.early, watch.weights)

    def trunk(self, config: LogConfig) -> Trunk:
        """The network's shape."""
        return trunk_of(self.spec, self.heads, config.size)

    def backend(self, config: LogConfig, artifact: bytes) -> Backend:
        """The artifact in LiteRT."""
        return choose("litert", {"step.tflite": artifact}, self.trunk(config))

    def replay(self, config: LogConfig, artifact: bytes) -> Replay:
        """What an artifact says of the histories that trials are judged by."""
        return replayed(self.backend(config, artifact), self.trunk(config), self.judge.histories)

    def _trained(self, config: LogConfig, trunk: Trunk, watch: "_Watch", progress: Progress) -> dict[str, Any]:
        """Canonical weights with the calibration in them, found without a teacher."""
        seeded(config.fitting.seed)
        model = build(trunk, asks=len(self.training.ask_time) > 0, dropout=config.fitting.dropout)
        watch.model = model
        try:
            fit(
                model,
                self.training,
                self.validation,
                self.heads,
                config.fitting,
                config.window,
                progress=progress,
                before_step=watch,
            )
            heads = calibrated_heads(self.heads, self.validation, answers(model, self.validation), config)
            return dict(calibrated(canonical(model), heads))
        finally:
            tf_keras.backend.clear_session()  # a search makes many models


class _Watch:
    """Looks at a training before each of its steps, and ends it where it isn't worth going on."""

    def __init__(
        self, attempts: Attempts, config: LogConfig, earlier: Sequence[Trial], deadline: float, is_free: bool
    ) -> None:
        steps = step_count(crops(attempts.training, config.window), config.fitting.batch_events)
        self.judge, self.earlier, self.deadline, self.is_free = attempts.judge, earlier, deadline, is_free
        self.at = max(1, steps * config.fitting.epochs // _CHECK)
        self.weights = _weights(attempts.trunk(config))
        self.early: float | None = None
        self.model: Any = None

    def __call__(self, step: int) -> None:
        """Raise `LateError` or `UnpromisingError`."""
        if not self.is_free and time.monotonic() > self.deadline:
            raise LateError("the time was over")
        if step == self.at:
            self.early = self.judge.score(answers(self.model, self.judge.histories))
            if not self.is_free and is_behind(self.early, self.weights, self.earlier):
                raise UnpromisingError("behind most of those that are no larger, after a third of its steps")


def _weights(trunk: Trunk) -> int:
    """How many weights a network has."""
    return sum(int(np.prod(shape)) for shape in trunk.weight_shapes.values())
