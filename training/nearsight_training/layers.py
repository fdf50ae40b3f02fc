"""The layers of the train graphs that Keras doesn't have: each answers at every prefix.

Where a layer `asks`, its input is `(B, 2·T, …)`: T events, then T now rows, the i-th asked after event i; so is its
output. A now row is read beside the events before it and never becomes a part of anything else.
"""

from typing import Any

import numpy as np

from nearsight.trunk import CONV_WIDTH
from nearsight_training.tensorflow import tf, tf_keras

__all__ = [
    "Anomaly",
    "CausalWindows",
    "Encoding",
    "PairedLSTM",
    "Present",
    "RunningMaximum",
    "RunningMean",
    "SteppedLSTM",
]


class CausalWindows(tf_keras.layers.Layer):  # type: ignore[misc]
    """Each row with the two before it, laid end to end: `(B, T, D)` → `(B, 3·T, D)`, zeros before the first row.

    A convolution with stride 3 over that is the causal one. Where `asks`, the input is `(B, 2·T, D)`: T events, then
    T now rows; now row i follows events i-1 and i and never becomes a part of another window.
    """

    def __init__(self, asks: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.asks = asks

    def call(self, rows: Any) -> Any:
        """See the class."""
        events, asks = _parted(rows, self.asks)
        before = tf.pad(events, [[0, 0], [CONV_WIDTH - 1, 0], [0, 0]])
        windows = tf.stack([before[:, :-2], before[:, 1:-1], events], axis=2)
        if self.asks:
            windows = tf.concat([windows, tf.stack([before[:, 1:-1], events, asks], axis=2)], axis=1)
        size, width = tf.shape(rows), rows.shape[-1]
        return tf.reshape(windows, [size[0], CONV_WIDTH * size[1], width])

    def get_config(self) -> dict[str, Any]:
        """What a copy is made from."""
        return {**super().get_config(), "asks": self.asks}


class PairedLSTM(tf_keras.layers.Layer):  # type: ignore[misc]
    """Max-pooling by two and an LSTM, answered at every prefix: frames `(B, T, F)`, none negative → `h (B, T, U)`.

    Only the pooled pairs carry the state on, so the loop has T/2 turns. A prefix of odd length ends in half a pair:
    its answer is one evaluation of the cell on that frame alone from the state before the pair, and since it carries
    nothing on, all of them are one batched evaluation outside of the loop. So are the answers to the now frames, where
    `asks`: the input is then `(B, 2·T, F)`, T event frames and T now frames, and so is the output.

    `kernel (F, 4·U)`, `recurrent_kernel (U, 4·U)`, `bias (4·U,)`; gates in the trunk's order. With a `rank`, the first
    two are `R` wide and what they come to goes through `up_kernel (R, 4·U)`. `uses` has, of the last
    call and as long as its graph is traced, what met the weights: inputs `(B, S, F)`, states `(B, S, U)` and what the
    two came to before the states were added `(B, S, 4·U)`, for each of the evaluations above.
    """

    def __init__(self, units: int, asks: bool = False, rank: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.asks = asks
        self.rank = rank
        self.uses: tuple[tuple[Any, Any, Any], ...] = ()

    def build(self, shape: Any) -> None:
        """Make the weights; the forget gate starts open (Jozefowicz et al. 2015)."""
        units = self.units
        width = self.rank or 4 * units
        self.kernel = self.add_weight("kernel", (shape[-1], width), initializer="glorot_uniform")
        self.recurrent_kernel = self.add_weight("recurrent_kernel", (units, width), initializer="orthogonal")
        if self.rank:
            self.up_kernel = self.add_weight("up_kernel", (width, 4 * units), initializer="glorot_uniform")
        open_gate = tf.constant_initializer(np.repeat(np.array([0, 1, 0, 0], np.float32), units))
        self.bias = self.add_weight("bias", (4 * units,), initializer=open_gate)
        super().build(shape)

    def call(self, frames: Any) -> Any:
        """See the class."""
        events, asks = _parted(frames, self.asks)
        length = tf.shape(events)[1]
        even = tf.pad(events, [[0, 0], [0, length % 2], [0, 0]])
        pairs = tf.reshape(even, [tf.shape(even)[0], (length + 1) // 2, 2, frames.shape[-1]])
        pooled = tf.reduce_max(pairs, axis=2)
        entered, halves = self._projected(pooled), self._projected(pairs[:, :, 0])
        h, c = self._states(entered)
        h_before, c_before = _before(h), _before(c)
        h_half, _ = self._cell(halves, h_before, c_before)
        self.uses = ((pooled, h_before, entered), (pairs[:, :, 0], h_before, halves))
        answers = _alternate(h_half, h)[:, :length]
        if not self.asks:
            return answers
        pending = _alternate(pairs[:, :, 0], tf.zeros_like(pairs[:, :, 0]))[:, :length]
        h_now, c_now = _alternate(h_before, h)[:, :length], _alternate(c_before, c)[:, :length]
        frames_now = tf.maximum(asks, pending)
        now = self._projected(frames_now)
        asked, _ = self._cell(now, h_now, c_now)
        self.uses += ((frames_now, h_now, now),)
        return tf.concat([answers, asked], axis=1)

    @property
    def kernels(self) -> tuple[str, ...]:
        """The names of its matrices, in the order of its weights."""
        return ("kernel", "recurrent_kernel", *(["up_kernel"] if self.rank else []))

    def _projected(self, x: Any) -> Any:
        """The incoming part of the gates' logits `(…, 4·U)`, or of what the rank leaves, which doesn't wait for `h`."""
        entered = tf.tensordot(x, self.kernel, 1)
        return entered if self.rank else entered + self.bias

    def _gated(self, projected: Any, h: Any) -> Any:
        """The gates' logits."""
        both = projected + tf.tensordot(h, self.recurrent_kernel, 1)
        return tf.tensordot(both, self.up_kernel, 1) + self.bias if self.rank else both

    def _cell(self, projected: Any, h: Any, c: Any) -> tuple[Any, Any]:
        gates = self._gated(projected, h)
        gate, candidate = tf.sigmoid(gates[..., : 3 * self.units]), tf.tanh(gates[..., 3 * self.units :])
        admit, forget, show = tf.split(gate, 3, axis=-1)
        c = forget * c + admit * candidate
        return show * tf.tanh(c), c

    def _states(self, projected: Any) -> tuple[Any, Any]:
        """The state after each pair: `(B, P, 4·U)` → `h, c (B, P, U)`."""
        turns = tf.transpose(projected, [1, 0, 2])
        zeros = tf.zeros([tf.shape(projected)[0], self.units])
        h, c = tf.scan(lambda state, x: self._cell(x, *state), turns, initializer=(zeros, zeros))
        return tf.transpose(h, [1, 0, 2]), tf.transpose(c, [1, 0, 2])

    def get_config(self) -> dict[str, Any]:
        """What a copy is made from."""
        return {**super().get_config(), "units": self.units, "asks": self.asks, "rank": self.rank}


class SteppedLSTM(PairedLSTM):
    """An LSTM without pooling, which moves with every row: rows `(B, T, D)` → `h (B, T, U)`."""

    def call(self, rows: Any) -> Any:
        """See the class."""
        events, asks = _parted(rows, self.asks)
        entered = self._projected(events)
        h, c = self._states(entered)
        self.uses = ((events, _before(h), entered),)
        if not self.asks:
            return h
        now = self._projected(asks)
        self.uses += ((asks, h, now),)
        return tf.concat([h, self._cell(now, h, c)[0]], axis=1)


class _Pooling(tf_keras.layers.Layer):  # type: ignore[misc]
    """What all frames up to each row come to."""

    def __init__(self, asks: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.asks = asks

    def get_config(self) -> dict[str, Any]:
        """What a copy is made from."""
        return {**super().get_config(), "asks": self.asks}


class RunningMaximum(_Pooling):
    """The largest frames so far: frames `(B, T, F)`, none negative, → `(B, T, F)`."""

    def call(self, frames: Any) -> Any:
        """See the class."""
        events, asks = _parted(frames, self.asks)
        largest = tf.transpose(tf.scan(tf.maximum, tf.transpose(events, [1, 0, 2])), [1, 0, 2])
        return tf.concat([largest, tf.maximum(largest, asks)], axis=1) if self.asks else largest


class RunningMean(_Pooling):
    """The mean of the frames so far and the newest one: frames `(B, T, F)` → `(B, T, 2·F)`."""

    def call(self, frames: Any) -> Any:
        """See the class."""
        events, asks = _parted(frames, self.asks)
        sums, counts = tf.cumsum(events, axis=1), tf.range(1.0, tf.cast(tf.shape(events)[1], tf.float32) + 1)
        means = sums / counts[:, tf.newaxis]
        if self.asks:
            means = tf.concat([means, (sums + asks) / (counts[:, tf.newaxis] + 1)], axis=1)
        return tf.concat([means, frames], axis=-1)


class Present(tf_keras.layers.Layer):  # type: ignore[misc]
    """1 for each row, 0 for padding: rows `(…, D)` → `(…)`. A row whose last `numbers` are all zero is padding."""

    def __init__(self, numbers: int, **options: Any) -> None:
        super().__init__(**options)
        self.numbers = numbers

    def call(self, rows: Any) -> Any:
        """See the class."""
        return tf.cast(tf.reduce_any(rows[..., -self.numbers :] != 0, -1), tf.float32)

    def get_config(self) -> dict[str, Any]:
        """What a copy is made from."""
        return {**super().get_config(), "numbers": self.numbers}


class Encoding(tf_keras.layers.Layer):  # type: ignore[misc]
    """The latent vector: its mean `(…, L)` and the logarithm of its variance → the mean; in training, one drawn.

    In training the divergence from a standard normal (Kingma & Welling 2014, appendix B) is added to the loss, `WEIGHT`
    times its mean over the rows that are there; `present (…)` is 1 for these and 0 for padding.
    """

    WEIGHT = 0.1

    def call(self, inputs: Any, training: Any = None) -> Any:
        """See the class; `inputs` are mean, logarithm of the variance and `present`."""
        mean, spread, present = inputs
        if not training:
            return mean
        divergence = tf.reduce_sum(tf.exp(spread) + tf.square(mean) - 1.0 - spread, -1) / 2
        self.add_loss(self.WEIGHT * _mean_present(divergence, present))
        return mean + tf.exp(spread / 2) * tf.random.normal(tf.shape(mean))


class Anomaly(tf_keras.layers.Layer):  # type: ignore[misc]
    """How far the decoder's row lies from the true one, `(…, D)` both: the mean squared difference `(…, 1)`.

    In training its share of the evidence bound is added to the loss as `Encoding` does: half the sum of squares over
    `VARIANCE`, as of a decoder that is right to within half of what a number's part between quantiles varies by. What
    the row's embeddings are is for the heads to say: from here they'd only learn to be nothing.
    """

    VARIANCE = 0.03

    def call(self, inputs: Any, training: Any = None) -> Any:
        """See the class; `inputs` are the true row, the decoder's and `present`."""
        row, decoded, present = inputs
        squares = tf.square(tf.stop_gradient(row) - decoded)
        if training:
            likelihood = _mean_present(tf.reduce_sum(squares, -1) / (2 * self.VARIANCE), present)
            self.add_loss(Encoding.WEIGHT * likelihood)
        return tf.reduce_mean(squares, -1, keepdims=True)


def _mean_present(values: Any, present: Any) -> Any:
    """The mean of the values where `present` is 1."""
    return tf.reduce_sum(values * present) / tf.maximum(tf.reduce_sum(present), 1.0)


def _before(states: Any) -> Any:
    """The state that each turn began with: `(B, P, U)`, zeros before the first."""
    return tf.pad(states, [[0, 0], [1, 0], [0, 0]])[:, :-1]


def _alternate(odd: Any, even: Any) -> Any:
    """Two `(B, P, …)` in turn along the middle axis: `(B, 2·P, U)`."""
    size = tf.shape(odd)
    return tf.reshape(tf.stack([odd, even], axis=2), [size[0], 2 * size[1], odd.shape[-1]])


def _parted(rows: Any, asks: bool) -> tuple[Any, Any]:
    """The events and, where there are any, the now rows."""
    return tf.split(rows, 2, axis=1) if asks else (rows, None)
