"""What each history would do to the weights, and the sum of that with each clipped, from one ordinary pass backwards.

A layer's gradient is, summed over the places of a history, what came in times the gradient of what the weights made
of it (Goodfellow 2015, arXiv:1510.01799). No history meets another, so a batch's gradients lie apart there: the norm of
each follows from products between places, without the gradient itself (Li et al. 2022, arXiv:2110.05679), and the
clipped sum is one product more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nearsight_training.layers import PairedLSTM
from nearsight_training.tensorflow import tf, tf_keras

__all__ = ["Clipped"]

_ROUNDING = 1e-5  # by which a product of float32 numbers over a few hundred places errs at most


class Clipped:
    """The sum of a train graph's gradients over histories, each of which has a norm of `clip_norm` at most.

    The model is one that `build` made, of any kind but `vae`, whose loss mixes histories. It doesn't drop out: which
    numbers it drops would depend on how many histories there are.
    """

    def __init__(self, model: Any, clip_norm: float) -> None:
        self._layers = [layer for layer in model.layers if layer.trainable_weights]
        self._clip_norm = clip_norm
        ends = [tensor for layer in self._layers for tensor in (layer.input, layer.output)]
        self._model = tf_keras.Model(model.inputs, [model.outputs[0], *ends])

    def __call__(self, codes: Any, numbers: Any, losses_of: Callable[[Any], Any]) -> tuple[list[Any], Any]:
        """The sums by trainable variable, in the model's order, and each history's norm before it was clipped `(B,)`.

        `losses_of` makes of the logits `(B, W, O)` a loss for each history `(B,)`.
        """
        with tf.GradientTape() as tape:
            logits, *ends = self._model([codes, numbers])
            total = tf.reduce_sum(losses_of(logits))
        met = [
            _met(layer, *each)
            for layer, each in zip(self._layers, zip(ends[::2], ends[1::2], strict=True), strict=True)
        ]
        slopes = tape.gradient(total, [each.made for each in met], unconnected_gradients="zero")
        backs = [each.back(slope) for each, slope in zip(met, slopes, strict=True)]
        norms = tf.sqrt(tf.add_n([each.squares(back) for each, back in zip(met, backs, strict=True)]))
        kept = tf.minimum(1.0, self._clip_norm / tf.maximum(norms, self._clip_norm))[:, tf.newaxis, tf.newaxis]
        sums = [each.sums(layer, kept * back) for layer, each, back in zip(self._layers, met, backs, strict=True)]
        return [total for each in sums for total in each], norms


@dataclass(frozen=True)
class _Met:
    """Where the weights of a layer met a batch, at S places of each history.

    `entered` `(B, S, I)` are what came to each of its kernels, or `codes` `(B, S)` which rows of its table were read.
    `made` `(B, s, O)` are what the weights made of it, one behind the other along the places, and `is_cut` whether that
    was cut off at 0.
    """

    made: tuple[Any, ...]
    entered: tuple[Any, ...] = ()
    codes: Any = None
    is_cut: bool = False

    def back(self, slopes: tuple[Any, ...]) -> Any:
        """The gradient of what the weights made `(B, S, O)`, from that of the activation."""
        if self.is_cut:
            slopes = tuple(tf.where(made > 0, slope, 0.0) for made, slope in zip(self.made, slopes, strict=True))
        return tf.concat(slopes, 1)

    def squares(self, back: Any) -> Any:
        """The square of each history's norm `(B,)`, with as much added as rounding can have taken away."""
        alike, backs = self._alike(), _products(back)
        largest = tf.reduce_sum(tf.sqrt(tf.linalg.diag_part(alike) * tf.linalg.diag_part(backs)), 1)
        return tf.maximum(tf.reduce_sum(alike * backs, [1, 2]), 0.0) + _ROUNDING * tf.square(largest)

    def sums(self, layer: Any, back: Any) -> list[Any]:
        """The gradients of the layer's weights, summed over histories."""
        if self.codes is not None:
            rows = tf.reshape(back, [-1, back.shape[-1]])
            return [tf.math.unsorted_segment_sum(rows, tf.reshape(self.codes, [-1]), layer.input_dim)]
        kernels = [tf.tensordot(each, back, [[0, 1], [0, 1]]) for each in self.entered]
        shapes = [weight.shape for weight in layer.trainable_weights]
        return [
            tf.reshape(each, shape) for each, shape in zip((*kernels, tf.reduce_sum(back, [0, 1])), shapes, strict=True)
        ]

    def _alike(self) -> Any:
        """The products between what came in at each two places `(B, S, S)`; a bias meets a 1 everywhere."""
        if self.codes is not None:
            return tf.cast(self.codes[:, :, tf.newaxis] == self.codes[:, tf.newaxis, :], tf.float32)
        return tf.add_n([_products(each) for each in self.entered]) + 1.0


def _met(layer: Any, entered: Any, made: Any) -> _Met:
    if isinstance(layer, PairedLSTM):
        rows, states, gates = zip(*layer.uses, strict=True)
        return _Met(gates, (tf.concat(rows, 1), tf.concat(states, 1)))
    if isinstance(layer, tf_keras.layers.Embedding):
        return _Met((made,), codes=entered)
    if isinstance(layer, tf_keras.layers.Conv1D):
        entered = tf.reshape(
            entered, [tf.shape(made)[0], tf.shape(made)[1], layer.kernel.shape[0] * layer.kernel.shape[1]]
        )
    return _Met((made,), (entered,), is_cut=layer.activation is tf_keras.activations.relu)


def _products(places: Any) -> Any:
    return tf.matmul(places, places, transpose_b=True)
