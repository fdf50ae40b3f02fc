"""Whole windows in plain TensorFlow operators, for each kind of network: one history of T rows, answered at its end.

Each takes `codes (1, T, K)`, `numbers (1, T, N)` and `length (1,)` and gives what the heads are given and the
embedding.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.networks import cnn, mlp, vae
from nearsight.networks.lstm import gated, kernel_of
from nearsight.trunk import CONV_WIDTH, Kind, Ops, Trunk, Weights, embedded
from nearsight_training.tensorflow import tf

__all__ = ["unrolled"]

Unrolled = Callable[[Ops, Trunk, Weights, Any, Any, Any], tuple[Any, Any]]


def _cnn_lstm(ops: Ops, trunk: Trunk, weights: Weights, codes: Any, numbers: Any, length: Any) -> tuple[Any, Any]:
    size = codes.shape[1]
    present = _of_length(np.tri(size + 1, size, -1, dtype=np.float32)[:, :, np.newaxis], length)[0]
    last_pair = _of_length((np.arange(size + 1, dtype=np.int32) - 1) // 2, length)
    pooled = _pooled_frames(ops, trunk, weights, codes[0], numbers[0], present)
    h = tf.gather(_unrolled_cells(ops, trunk, weights, pooled), last_pair)
    return h, h


def _lstm(ops: Ops, trunk: Trunk, weights: Weights, codes: Any, numbers: Any, length: Any) -> tuple[Any, Any]:
    rows = embedded(ops, trunk, weights, codes[0], numbers[0])
    h = tf.gather(_unrolled_cells(ops, trunk, weights, rows), _last(codes.shape[1], length))
    return h, h


def _cnn(ops: Ops, trunk: Trunk, weights: Weights, codes: Any, numbers: Any, length: Any) -> tuple[Any, Any]:
    size = codes.shape[1]
    present = _of_length(np.tri(size + 1, size, -1, dtype=np.float32)[:, :, np.newaxis], length)[0]
    frames = _frames(ops, trunk, weights, codes[0], numbers[0])
    embedding = cnn.read(ops, weights, tf.reduce_max(frames * present, 0, keepdims=True))
    return embedding, embedding


def _mlp(ops: Ops, trunk: Trunk, weights: Weights, codes: Any, numbers: Any, length: Any) -> tuple[Any, Any]:
    rows = embedded(ops, trunk, weights, codes[0], numbers[0])
    embedding = _encoded(ops, weights, rows, length)
    return embedding, embedding


def _vae(ops: Ops, trunk: Trunk, weights: Weights, codes: Any, numbers: Any, length: Any) -> tuple[Any, Any]:
    rows = embedded(ops, trunk, weights, codes[0], numbers[0])
    newest = tf.gather(rows, _last(codes.shape[1], length))
    return vae.placed(ops, trunk, weights, newest, _encoded(ops, weights, rows, length))


_UNROLLED: Mapping[Kind, Unrolled] = {"cnn_lstm": _cnn_lstm, "lstm": _lstm, "cnn": _cnn, "mlp": _mlp, "vae": _vae}


def unrolled(ops: Ops, trunk: Trunk, weights: Weights, codes: Any, numbers: Any, length: Any) -> tuple[Any, Any]:
    """What the heads read `(1, X)` and the embedding `(1, U)`."""
    given, embedding = _UNROLLED[trunk.kind](ops, trunk, weights, codes, numbers, length)
    if not trunk.skip:
        return given, embedding
    last = _last(codes.shape[1], length)
    row = embedded(ops, trunk, weights, tf.gather(codes[0], last), tf.gather(numbers[0], last))
    return ops.concat([given, row]), embedding


def _of_length(table: NDArray[Any], length: Any) -> Any:
    """The table's entry for the length: arithmetic on whole numbers would want ranges from the quantiser as well."""
    return tf.gather(table, length)


def _last(size: int, length: Any) -> Any:
    """The newest row's index `(1,)`."""
    return _of_length(np.arange(size + 1, dtype=np.int32) - 1, length)


def _frames(ops: Ops, trunk: Trunk, weights: Weights, codes: Any, numbers: Any) -> Any:
    """The causal convolution's frames `(T, F)`."""
    size = codes.shape[0]
    padded = tf.pad(embedded(ops, trunk, weights, codes, numbers), [[CONV_WIDTH - 1, 0], [0, 0]])
    taps = ops.concat([padded[tap : tap + size] for tap in range(CONV_WIDTH)])
    return ops.relu(ops.dense(taps, weights["conv_kernel"], weights["conv_bias"]))


def _encoded(ops: Ops, weights: Weights, rows: Any, length: Any) -> Any:
    """What the two layers of a bag of events make of it: `(T, D)` → `(1, X)`."""
    size = rows.shape[0]
    shares = (
        np.tri(size + 1, size, -1, dtype=np.float32) / np.maximum(np.arange(size + 1, dtype=np.float32), 1)[:, None]
    )
    frames = ops.relu(ops.dense(rows, weights["frame_kernel"], weights["frame_bias"]))
    mean = tf.reduce_sum(frames * _of_length(shares[:, :, np.newaxis], length)[0], 0, keepdims=True)
    return mlp.read(ops, weights, mean, tf.gather(frames, _last(size, length)))


def _pooled_frames(ops: Ops, trunk: Trunk, weights: Weights, codes: Any, numbers: Any, present: Any) -> Any:
    """The convolution's frames `(T, F)`, those not `present` `(T, 1)` zeroed, pooled in pairs: `(ceil(T / 2), F)`."""
    size = codes.shape[0]
    frames = _frames(ops, trunk, weights, codes, numbers)
    even = tf.pad(frames * present, [[0, size % 2], [0, 0]])
    pairs = tf.reshape(even, [(size + 1) // 2, 2 * trunk.filters])
    return ops.maximum(pairs[:, : trunk.filters], pairs[:, trunk.filters :])


def _unrolled_cells(ops: Ops, trunk: Trunk, weights: Weights, pooled: Any) -> Any:
    """`h` after every pair or, without pooling, every row: `(P, X)` → `(P, U)`.

    The incoming part of the gates, with the bias, is one product for all. Were the bias added in every cell, the
    integer converter would quantise it once, for the first cell's scale, and use it in all of them.
    """
    inner, recurrent = np.split(kernel_of(weights), [pooled.shape[1]])
    projected = ops.dense(pooled, inner, weights["lstm_bias"])
    h, c = gated(ops, trunk, projected[:1], np.zeros((1, trunk.units), np.float32))
    states = [h]
    for pair in range(1, pooled.shape[0]):
        h, c = gated(ops, trunk, projected[pair : pair + 1] + tf.matmul(h, recurrent), c)
        states.append(h)
    return tf.concat(states, 0)
