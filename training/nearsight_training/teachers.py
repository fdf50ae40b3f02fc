"""What a pupil is told: its teachers' probabilities after every event and to every question."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.heads import Head
from nearsight_training.config import Fitting
from nearsight_training.outputs import Outputs
from nearsight_training.sequences import Batch
from nearsight_training.tensorflow import tf

__all__ = ["Said", "SoftLoss", "Teachers"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Said:
    """What trees say of the yes/no heads after each event `(E, B)` and to each question `(Q, B)`; NaN where nothing."""

    events: Floats
    asks: Floats

    @classmethod
    def nothing(cls, events: int, asks: int, heads: int) -> "Said":
        """To be filled in."""
        return cls(np.full((events, heads), np.nan, np.float32), np.full((asks, heads), np.nan, np.float32))

    def of(self, batch: Batch) -> Floats:
        """Of a batch's events and questions, `(B, W, B)`."""
        return np.concatenate([_picked(self.events, batch.events), _picked(self.asks, batch.asks)], 1)


class Teachers:
    """The mean of train graphs built with `asks=True` and, where trees say something, the mean of that and of trees."""

    def __init__(self, networks: Sequence[Any], heads: Sequence[Head], said: Said | None = None) -> None:
        self.networks, self._said, self._outputs = networks, said, Outputs.of(heads)
        inputs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in networks[0].inputs]
        self._mean = tf.function(self._averaged, input_signature=inputs)

    def answers(self, batch: Batch) -> Floats:
        """Probabilities, and numbers in standard deviations, `(B, W, O)`."""
        given: Floats = self._mean(batch.codes, batch.numbers).numpy()
        if self._said is not None:
            said, yes = self._said.of(batch), given[..., self._outputs.yes]
            given[..., self._outputs.yes] = np.where(np.isnan(said), yes, (yes + said) / 2)
        return given

    def _averaged(self, codes: Any, numbers: Any) -> Any:
        given = [self._outputs.chances(network([codes, numbers])[0]) for network in self.networks]
        return tf.add_n(given) / len(given)


class SoftLoss:
    """See `fit.Loss`: cross-entropies against the teachers' probabilities, and squared distances from their numbers.

    Each kind of head weighs what it weighs in training. All events and questions are learned, labelled or not.
    """

    def __init__(self, teachers: Teachers, heads: Sequence[Head], fitting: Fitting) -> None:
        self._teachers, self._fitting, self._outputs = teachers, fitting, Outputs.of(heads)
        self._binary = self._outputs.yes.stop
        self._width = sum(head.size for head in heads)

    @property
    def signature(self) -> list[Any]:
        """The teachers' answers `(B, W, O)`, and how much each event and question weighs `(B, W)`."""
        return [tf.TensorSpec([None, None, self._width], tf.float32), tf.TensorSpec([None, None], tf.float32)]

    def targets(self, batch: Batch) -> tuple[NDArray[Any], ...]:
        """See `fit.Loss`."""
        each = [batch.events >= 0, (batch.asks >= 0) * self._fitting.ask_weight]
        return self._teachers.answers(batch), np.concatenate(each, 1).astype(np.float32)

    def __call__(self, logits: Any, taught: Any, each: Any) -> tuple[Any, Any]:
        """See `fit.Loss`."""
        yes, numbers, fitting = self._outputs.yes, self._outputs.numbers, self._fitting
        losses = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(taught[..., yes], logits[..., yes]), -1)
        share = fitting.value_weight if self._binary else 1.0
        losses += share * tf.reduce_sum(tf.square(taught[..., numbers] - logits[..., numbers]), -1)
        total, events = tf.reduce_sum(losses * each), tf.shape(logits)[1] // 2
        share = fitting.next_weight if numbers.stop else 1.0
        for part in self._outputs.ahead:
            ahead = tf.nn.softmax_cross_entropy_with_logits(taught[:, :events, part], logits[:, :events, part])
            total += share * tf.reduce_sum(ahead * each[:, :events])
        return total, tf.reduce_sum(each) * max(self._binary, 1)


def _picked(chances: Floats, places: NDArray[np.int64]) -> Floats:
    said = np.full((*places.shape, chances.shape[1]), np.nan, np.float32)
    said[places >= 0] = chances[places[places >= 0]]
    return said
