"""A network that learns to answer as another one does."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.heads import Head
from nearsight_training.outputs import Outputs
from nearsight_training.sequences import Batch
from nearsight_training.tensorflow import tf, tf_keras

__all__ = ["Teaching"]


class Teaching:
    """Two train graphs built with `asks=True`: the `pupil` is fitted to the `teacher`'s probabilities everywhere."""

    def __init__(self, teacher: Any, pupil: Any, heads: Sequence[Head], learning_rate: float, steps: int) -> None:
        self.steps = 0
        self._teacher, self._pupil = teacher, pupil
        self._outputs = Outputs.of(heads)
        rate = tf_keras.optimizers.schedules.CosineDecay(learning_rate, max(1, steps))
        self._optimiser = tf_keras.optimizers.Adam(rate, global_clipnorm=1.0)
        inputs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in teacher.inputs]
        present = tf.TensorSpec([None, None], tf.bool)
        self._learn = tf.function(self._learned, input_signature=[*inputs, present])
        self._look = tf.function(self._looked, input_signature=[*inputs, present])

    def learn(self, batch: Batch) -> float:
        """One step of the optimiser; returns the loss."""
        self.steps += 1
        return float(self._learn(batch.codes, batch.numbers, _present(batch)))

    def apart(self, batches: Iterable[Batch]) -> float:
        """The mean absolute difference between the two's probabilities."""
        pairs = [self._look(batch.codes, batch.numbers, _present(batch)) for batch in batches]
        total, count = (float(sum(float(pair[k]) for pair in pairs)) for k in (0, 1))
        return total / max(count, 1.0)

    def _learned(self, codes: Any, numbers: Any, present: Any) -> Any:
        taught = self._teacher([codes, numbers])[0]
        with tf.GradientTape() as tape:
            loss = self._loss(taught, self._pupil([codes, numbers], training=True)[0], present)
            loss = tf.add_n([loss, *self._pupil.losses])
        variables = self._pupil.trainable_variables
        self._optimiser.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    def _loss(self, taught: Any, learned: Any, present: Any) -> Any:
        """Cross-entropies against the teacher's probabilities, and squared distances from its numbers (in standard
        deviations): a mean over events and questions that are there.
        """
        outputs = self._outputs
        yes, learned_yes = taught[..., outputs.yes], learned[..., outputs.yes]
        losses = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(tf.sigmoid(yes), learned_yes), -1)
        apart = (taught - learned)[..., outputs.numbers]
        losses += tf.reduce_sum(tf.square(apart), -1)
        for part in outputs.ahead:
            ahead = tf.nn.softmax(taught[..., part])
            losses += tf.nn.softmax_cross_entropy_with_logits(ahead, learned[..., part])
        return _mean(losses, present)

    def _looked(self, codes: Any, numbers: Any, present: Any) -> tuple[Any, Any]:
        first, second = (self._outputs.chances(model([codes, numbers])[0]) for model in (self._teacher, self._pupil))
        inside = tf.cast(present, tf.float32)
        return tf.reduce_sum(tf.reduce_mean(tf.abs(first - second), -1) * inside), tf.reduce_sum(inside)


def _present(batch: Batch) -> NDArray[np.bool_]:
    return np.concatenate([batch.events, batch.asks], 1) >= 0


def _mean(losses: Any, present: Any) -> Any:
    inside = tf.cast(present, tf.float32)
    return tf.reduce_sum(losses * inside) / tf.maximum(tf.reduce_sum(inside), 1.0)
