"""Finds the weights: Adam over batches of prefixes, stopped early, the best weights kept, everything seeded."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight.heads import BinaryHead, Head, NextEventHead, ValueHead
from nearsight_training.config import Fitting
from nearsight_training.histories import Histories, Stored
from nearsight_training.network import takes_asks
from nearsight_training.progress import SILENT, Progress
from nearsight_training.run import Epoch
from nearsight_training.sequences import Batch, batches, crops, drawn, step_count, steps
from nearsight_training.tensorflow import tf, tf_keras

__all__ = ["BatchLoss", "Loss", "Step", "fit", "inputs", "optimiser", "seeded"]

_SMALLEST_RATE = 0.05  # of the first learning rate, where the cosine ends

Vary = Callable[[Histories, np.random.Generator], Histories]


def seeded(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow and ask TensorFlow for the same result each time."""
    tf_keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


class Loss(Protocol):
    """What a network is fitted to."""

    @property
    def signature(self) -> list[Any]:
        """The `tf.TensorSpec` of each target."""
        ...

    def targets(self, batch: Batch) -> tuple[NDArray[Any], ...]:
        """What a batch's logits are compared with."""
        ...

    def __call__(self, logits: Any, *targets: Any) -> tuple[Any, Any]:
        """`logits (B, W, O)` and the targets → the sum of the losses and of their weights."""
        ...


class BatchLoss:
    """A batch's loss as `(sum, weight)`: what each kind of head adds, per known answer of the first kind there is.

    Binary cross-entropy; a number's squared error and its two quantiles' pinball losses (Koenker & Bassett 1978), in
    standard deviations; the next event's cross-entropy.
    """

    def __init__(self, heads: Sequence[Head], fitting: Fitting) -> None:
        self.binary = sum(isinstance(head, BinaryHead) for head in heads)
        self.values = [head for head in heads if isinstance(head, ValueHead)]
        self.ahead = [head for head in heads if isinstance(head, NextEventHead)]
        self.fitting = fitting

    def __call__(self, logits: Any, labels: Any, next_codes: Any) -> tuple[Any, Any]:
        """`logits (B, W, O)`, `labels (B, W, H + V)`, `next_codes (B, T, 2)`, W = T or 2·T → two scalars.

        Labels are what `answers_of` gives.
        """
        loss, weight = self.apart(logits, labels, next_codes)
        return tf.reduce_sum(loss), tf.reduce_sum(weight)

    def apart(self, logits: Any, labels: Any, next_codes: Any) -> tuple[Any, Any]:
        """The same for each history by itself: `(B,)` both."""
        events, places = tf.shape(next_codes)[1], tf.range(tf.shape(labels)[1])
        each = tf.where(places < events, 1.0, self.fitting.ask_weight)[tf.newaxis, :, tf.newaxis]
        parts = []
        if self.binary:
            parts.append(self._binary_loss(logits, labels[..., : self.binary], each))
        if self.values:
            parts.append(self._value_loss(logits, labels[..., self.binary :], each[..., 0]))
        for head in self.ahead:
            guesses = logits[:, :events, head.start : head.start + head.size]
            parts.append(self._next_loss(guesses, next_codes[..., head.column]))
        shares = [self.fitting.value_weight] * bool(self.binary and self.values)
        shares += [self.fitting.next_weight] * len(self.ahead)
        losses = [share * part[0] for share, part in zip(shares, parts[1:], strict=False)]
        return tf.add_n([parts[0][0], *losses]), parts[0][1]

    @property
    def signature(self) -> list[Any]:
        """See `Loss`: labels and next codes."""
        answered = self.binary + len(self.values)
        return [tf.TensorSpec([None, None, answered], tf.float32), tf.TensorSpec([None, None, 2], tf.int32)]

    def targets(self, batch: Batch) -> tuple[NDArray[Any], ...]:
        """See `Loss`."""
        return self.answers_of(batch), batch.next_codes

    def answers_of(self, batch: Batch) -> NDArray[np.float32]:
        """The batch's labels (-1: unknown) and its numbers in standard deviations (NaN: unknown), `(B, W, H + V)`."""
        columns = [batch.labels[..., : self.binary].astype(np.float32)]
        for index, head in enumerate(self.values):
            shares = (np.clip(batch.values[..., index], head.low, head.high) - head.low) / (head.high - head.low)
            columns.append(((shares - head.offsets[0]) / head.scale)[..., np.newaxis].astype(np.float32))
        return np.concatenate(columns, -1)

    def _binary_loss(self, logits: Any, labels: Any, each: Any) -> tuple[Any, Any]:
        known = each * tf.cast(labels >= 0, tf.float32)
        losses = tf.nn.sigmoid_cross_entropy_with_logits(tf.maximum(labels, 0.0), logits[..., : self.binary])
        return tf.reduce_sum(losses * known, [1, 2]), tf.reduce_sum(known, [1, 2])

    def _value_loss(self, logits: Any, numbers: Any, each: Any) -> tuple[Any, Any]:
        losses, weight = [], []
        for index, head in enumerate(self.values):
            known = each * tf.cast(tf.math.is_finite(numbers[..., index]), tf.float32)
            truth = tf.where(known > 0, numbers[..., index], 0.0)
            point, low, high = (truth - logits[..., head.start + k] for k in range(head.size))
            tail = (1 - head.coverage) / 2
            pinball = tf.maximum(tail * low, (tail - 1) * low) + tf.maximum((1 - tail) * high, -tail * high)
            losses.append(tf.reduce_sum(known * (tf.square(point) / 2 + pinball), 1))
            weight.append(tf.reduce_sum(known, 1))
        return tf.add_n(losses), tf.add_n(weight)

    def _next_loss(self, guesses: Any, next_codes: Any) -> tuple[Any, Any]:
        known = tf.cast(next_codes > 0, tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(next_codes - 1, 0), guesses)
        return tf.reduce_sum(losses * known, 1), tf.reduce_sum(known, 1)


def fit(
    model: Any,
    training: Histories,
    validation: Histories,
    heads: Sequence[Head],
    fitting: Fitting,
    window: int,
    *,
    further: Sequence[Stored] = (),
    progress: Progress = SILENT,
    task: str = "training",
    logs: Path | None = None,
    before_step: Callable[[int], None] | None = None,
    vary: Vary | None = None,
    stepping: "Callable[[Any, BatchLoss], Step] | None" = None,
    loss: Loss | None = None,
) -> tuple[Epoch, ...]:
    """Train a model made by `build` in place and leave it with its best validation loss's weights.

    Each epoch also passes over the `further` histories, one file after the other in an order that is drawn, `training`
    among them. `task` is what progress calls it. `before_step` is told each step's number (a pruning schedule lives
    there). `vary` makes of histories what an epoch trains on. `loss` is what is learned if not labels, which validation
    is judged by all the same. `stepping` makes what trains for an epoch and checks, where that isn't a `Step`. `logs`
    is a folder for TensorBoard. Raises `InputError` where the loss isn't finite.
    """
    generator = np.random.default_rng(fitting.seed)
    parts = [lambda: training, *(each.read for each in further)]
    labelled = BatchLoss(heads, fitting)
    if stepping is None:
        step_total = fitting.epochs * sum(step_count(crops(part(), window), fitting.batch_events) for part in parts)
        step = Step(model, loss or labelled, labelled, optimiser(fitting, step_total), before_step)
    else:
        step = stepping(model, labelled)
    writer = tf.summary.create_file_writer(str(logs)) if logs else tf.summary.create_noop_writer()
    epochs: list[Epoch] = []
    best = (np.inf, model.get_weights())
    progress.start(task, fitting.epochs)
    for number in range(fitting.epochs):
        began = time.perf_counter()
        total = np.zeros(2)
        for place in generator.permutation(len(parts)) if further else [0]:
            total += step.epoch(_varied(parts[place](), vary, generator), fitting, window, generator)
        mean = _finite(total)
        checked = step.check(validation, fitting, window)
        epochs.append(Epoch(loss=mean, validation_loss=checked, seconds=time.perf_counter() - began))
        _write(writer, number, epochs[-1])
        progress.advance(f"loss {mean:.4f}, validation {checked:.4f}")
        if checked < best[0]:
            best = (checked, model.get_weights())
        elif len(epochs) - _best(epochs) > fitting.patience:
            break
    model.set_weights(best[1])
    progress.finish(f"{len(epochs)} epochs, best validation loss {best[0]:.4f}")
    return tuple(epochs)


class Step:
    """One step of the optimiser by `loss` and one check by `judge`, each traced once for batches of any size.

    What the network's own layers add to the loss (see `layers.Encoding`) is learned from and not reported.
    """

    def __init__(
        self, model: Any, loss: Loss, judge: Loss, optimiser: Any, before: Callable[[int], None] | None = None
    ) -> None:
        self.model, self.loss, self.judge, self.optimiser, self.before = model, loss, judge, optimiser, before
        self.count, self.asks = 0, takes_asks(model)
        shapes = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]
        self.signature = [*shapes, *loss.signature]
        self._learn = tf.function(self._learned, input_signature=self.signature)
        self._look = tf.function(self._looked, input_signature=[*shapes, *judge.signature])
        self._move = tf.function(self._moved)

    def epoch(self, histories: Histories, fitting: Fitting, window: int, generator: np.random.Generator) -> Any:
        """Train on every crop once; returns the sums of losses and of their weights, (2,)."""
        chosen = self._drawn(histories, generator)
        total = np.zeros(2)
        for parts in steps(histories, crops(histories, window, generator), fitting.batch_events, chosen, generator):
            if self.before is not None:
                self.before(self.count)
            self.count += 1
            total += self.optimised(parts)
        return total

    def check(self, histories: Histories, fitting: Fitting, window: int) -> float:
        """The mean loss on every crop and, for each event, on one of its questions."""
        chosen = self._drawn(histories, np.random.default_rng(fitting.seed))
        total = np.zeros(2)
        for batch in batches(histories, crops(histories, window), 4 * fitting.batch_events, chosen):
            total += np.array([x.numpy() for x in self._look(*inputs(batch, self.judge))])
        return _finite(total)

    def _drawn(self, histories: Histories, generator: np.random.Generator) -> NDArray[np.int64] | None:
        return drawn(histories, generator) if self.asks else None

    def optimised(self, parts: list[Batch]) -> Any:
        """One step: the gradients of the batches together."""
        found = [self._learn(*inputs(batch, self.loss)) for batch in parts]
        weight = tf.maximum(tf.add_n([each[1] for each in found]), 1.0)
        self._move(weight, *(tf.add_n(list(each)) for each in zip(*(each[2] for each in found), strict=True)))
        return np.sum([[each[0].numpy(), each[1].numpy()] for each in found], 0)

    def _learned(self, codes: Any, numbers: Any, *targets: Any) -> tuple[Any, Any, Any]:
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            loss, weight = self.loss(self.model([codes, numbers], training=True)[0], *targets)
            whole = loss + weight * tf.add_n(self.model.losses) if self.model.losses else loss
        gradients = tape.gradient(whole, variables, unconnected_gradients="zero")
        return loss, weight, [tf.convert_to_tensor(gradient) for gradient in gradients]

    def _moved(self, weight: Any, *gradients: Any) -> None:
        means = [gradient / weight for gradient in gradients]
        self.optimiser.apply_gradients(zip(means, self.model.trainable_variables, strict=True))

    def _looked(self, codes: Any, numbers: Any, *targets: Any) -> tuple[Any, Any]:
        return self.judge(self.model([codes, numbers])[0], *targets)


def inputs(batch: Batch, loss: Loss) -> tuple[Any, ...]:
    """What the graphs of a step read of a batch: codes, numbers and the loss's targets."""
    return batch.codes, batch.numbers, *loss.targets(batch)


def _varied(histories: Histories, vary: Vary | None, generator: np.random.Generator) -> Histories:
    return histories if vary is None else vary(histories, generator)


def optimiser(fitting: Fitting, steps_in_all: int) -> Any:
    """Adam, whose rate falls by a cosine over so many steps.

    With a `weight_decay` all weights but biases shrink by that share of the rate in each (Loshchilov & Hutter 2019).
    """
    rate = tf_keras.optimizers.schedules.CosineDecay(fitting.learning_rate, steps_in_all, alpha=_SMALLEST_RATE)
    if not fitting.weight_decay:
        return tf_keras.optimizers.Adam(rate, global_clipnorm=1.0)
    decaying = tf_keras.optimizers.AdamW(rate, weight_decay=fitting.weight_decay, global_clipnorm=1.0)
    decaying.exclude_from_weight_decay(var_names=["bias"])
    return decaying


def _best(epochs: Sequence[Epoch]) -> int:
    return int(np.argmin([epoch.validation_loss for epoch in epochs])) + 1


def _finite(total: Any) -> float:
    mean = float(total[0] / max(total[1], 1e-12))
    if not np.isfinite(mean):
        raise InputError(f"training met a loss of {mean}: pass a lower --learning-rate")
    return mean


def _write(writer: Any, number: int, epoch: Epoch) -> None:
    with writer.as_default(step=number):
        tf.summary.scalar("loss/training", epoch.loss)
        tf.summary.scalar("loss/validation", epoch.validation_loss)
    writer.flush()
