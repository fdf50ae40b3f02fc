"""An epoch of private training: sums that no user moves far, in noise (Abadi et al. 2016, arXiv:1607.00133)."""

from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from nearsight_training.clipping import Clipped
from nearsight_training.config import Fitting
from nearsight_training.fit import BatchLoss, Step, inputs, optimiser
from nearsight_training.guarantee import Guarantee
from nearsight_training.histories import Histories
from nearsight_training.noise import Noise
from nearsight_training.sequences import Crops, batches, crops, drawn
from nearsight_training.tensorflow import tf

__all__ = ["PrivateStep"]

_RATE = 2  # of the learning rate: an epoch has fewer steps


class PrivateStep(Step):
    """Steps of the optimiser that keep a `guarantee`, all of their chance from `noise`.

    A user who takes part in one gives one crop of their history, and their loss is the mean over its answers.
    """

    def __init__(self, model: Any, loss: BatchLoss, fitting: Fitting, guarantee: Guarantee, noise: Noise) -> None:
        faster = replace(fitting, learning_rate=_RATE * fitting.learning_rate)
        super().__init__(model, loss, loss, optimiser(faster, guarantee.steps))
        self.guarantee, self.noise, self.generator = guarantee, noise, noise.generator()
        self._apart = loss.apart
        self._clipped = Clipped(model, guarantee.clip_norm)
        self._add = tf.function(self._added, input_signature=self.signature)

    def epoch(self, histories: Histories, fitting: Fitting, window: int, generator: np.random.Generator) -> Any:
        """As many steps as let each user take part once on average; returns the sums of losses and of users, (2,)."""
        total = np.zeros(2)
        del generator  # whose seed is known
        for _ in range(self.guarantee.steps // fitting.epochs):
            users = self.noise.chosen(len(histories), self.guarantee.sampling_rate)
            total += self.stepped(histories, self._crops(histories, users, window), fitting)
        return total

    def sums(self, histories: Histories, parts: Crops, fitting: Fitting) -> tuple[Any, Any]:
        """What the crops, one a user, do to the weights, each clipped: by variable. And (2,) as `epoch` returns."""
        chosen = drawn(histories, self.generator, alone=True) if self.asks else None
        sums, total = [tf.zeros(variable.shape) for variable in self.model.trainable_variables], np.zeros(2)
        for batch in batches(histories, parts, fitting.batch_events, chosen):
            loss, weight, found = self._add(*inputs(batch, self.loss))
            sums = [one + other for one, other in zip(sums, found, strict=True)]
            total += [loss.numpy(), weight.numpy()]
        return sums, total

    def stepped(self, histories: Histories, parts: Crops, fitting: Fitting) -> Any:
        """One step over these crops, one a user; returns (2,) as `epoch` does."""
        sums, total = self.sums(histories, parts, fitting)
        expected = self.guarantee.sampling_rate * self.guarantee.users
        self._move(expected, *(each + self._noise(each) for each in sums))
        return total

    def _noise(self, like: Any) -> NDArray[np.float32]:
        deviation = self.guarantee.noise_multiplier * self.guarantee.clip_norm
        return (deviation * self.noise.normal(int(np.prod(like.shape)))).reshape(like.shape).astype(np.float32)

    def _crops(self, histories: Histories, users: NDArray[np.int64], window: int) -> Crops:
        """One crop of each of these users, drawn."""
        every = crops(histories, window, self.generator)
        held = np.bincount(histories.owners[every.start], minlength=len(histories))
        place = (np.cumsum(held) - held)[users] + (self.noise.uniform(len(users)) * held[users]).astype(np.int64)
        return Crops(every.start[place], every.length[place])

    def _added(self, codes: Any, numbers: Any, labels: Any, next_codes: Any) -> tuple[Any, Any, list[Any]]:
        found: list[Any] = []

        def losses_of(logits: Any) -> Any:
            loss, weight = self._apart(logits, labels, next_codes)
            found.append(loss / tf.maximum(weight, 1.0))
            return found[0]

        sums, _ = self._clipped(codes, numbers, losses_of)
        return tf.reduce_sum(found[0]), tf.cast(tf.shape(codes)[0], tf.float32), sums
