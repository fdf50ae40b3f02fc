"""What lies between the rows and the heads, for each kind of network, in layers.

A body of the train graph answers at every prefix, one of the window graph at the true end, in plain Keras layers. Both
give what the heads are given and the embedding, and call their layers as the weights are called.
"""

from collections.abc import Callable, Mapping
from typing import Any

from nearsight.trunk import CONV_WIDTH, Kind, Trunk
from nearsight_training.layers import (
    Anomaly,
    CausalWindows,
    Encoding,
    PairedLSTM,
    Present,
    RunningMaximum,
    RunningMean,
    SteppedLSTM,
)
from nearsight_training.tensorflow import tf, tf_keras

__all__ = ["BODIES", "WINDOW_BODIES", "newest"]

Body = Callable[[Trunk, Any, bool], tuple[Any, Any]]
WindowBody = Callable[[Trunk, Any, Any], tuple[Any, Any]]
_layers = tf_keras.layers


def _cnn_lstm(trunk: Trunk, rows: Any, asks: bool) -> tuple[Any, Any]:
    h = PairedLSTM(trunk.units, asks, trunk.rank, name="lstm")(_frames(trunk, rows, asks))
    return h, h


def _lstm(trunk: Trunk, rows: Any, asks: bool) -> tuple[Any, Any]:
    h = SteppedLSTM(trunk.units, asks, trunk.rank, name="lstm")(rows)
    return h, h


def _cnn(trunk: Trunk, rows: Any, asks: bool) -> tuple[Any, Any]:
    embedding = _dense(trunk.units)(RunningMaximum(asks, name="largest")(_frames(trunk, rows, asks)))
    return embedding, embedding


def _mlp(trunk: Trunk, rows: Any, asks: bool) -> tuple[Any, Any]:
    embedding = _dense(trunk.units)(RunningMean(asks, name="mean")(_frame(trunk)(rows)))
    return embedding, embedding


def _vae(trunk: Trunk, rows: Any, asks: bool) -> tuple[Any, Any]:
    encoded = _dense(trunk.filters)(RunningMean(asks, name="mean")(_frame(trunk)(rows)))
    present = Present(trunk.numbers, name="present")(rows)
    mean, spread = (_layers.Dense(trunk.given_size, name=name)(encoded) for name in ("latent", "spread"))
    drawn = Encoding(name="encoding")([mean, spread, present])
    anomaly = Anomaly(name="anomaly")([rows, _decoded(trunk, drawn), present])
    return drawn, tf.concat([mean, anomaly], -1)


BODIES: Mapping[Kind, Body] = {"cnn_lstm": _cnn_lstm, "lstm": _lstm, "cnn": _cnn, "mlp": _mlp, "vae": _vae}


def _cnn_lstm_window(trunk: Trunk, rows: Any, length: Any) -> tuple[Any, Any]:
    pooled = _layers.MaxPooling1D(2, padding="same")(_window_frames(trunk, rows, length))
    states = _layers.LSTM(trunk.units, return_sequences=True, name="lstm")(pooled)
    h = tf.gather(states, (length + 1) // 2 - 1, batch_dims=1)
    return h, h


def _lstm_window(trunk: Trunk, rows: Any, length: Any) -> tuple[Any, Any]:
    h = newest(_layers.LSTM(trunk.units, return_sequences=True, name="lstm")(rows), length)
    return h, h


def _cnn_window(trunk: Trunk, rows: Any, length: Any) -> tuple[Any, Any]:
    embedding = _dense(trunk.units)(_layers.GlobalMaxPooling1D()(_window_frames(trunk, rows, length)))
    return embedding, embedding


def _mlp_window(trunk: Trunk, rows: Any, length: Any) -> tuple[Any, Any]:
    embedding = _dense(trunk.units)(_averaged(trunk, rows, length))
    return embedding, embedding


def _vae_window(trunk: Trunk, rows: Any, length: Any) -> tuple[Any, Any]:
    mean = _layers.Dense(trunk.given_size, name="latent")(_dense(trunk.filters)(_averaged(trunk, rows, length)))
    apart = tf.square(newest(rows, length) - _decoded(trunk, mean))
    return mean, tf.concat([mean, tf.reduce_mean(apart, -1, keepdims=True)], -1)


WINDOW_BODIES: Mapping[Kind, WindowBody] = {
    "cnn_lstm": _cnn_lstm_window,
    "lstm": _lstm_window,
    "cnn": _cnn_window,
    "mlp": _mlp_window,
    "vae": _vae_window,
}


def _frames(trunk: Trunk, rows: Any, asks: bool) -> Any:
    """The convolution's frames after every row."""
    windows = CausalWindows(asks, name="windows")(rows)
    return _layers.Conv1D(trunk.filters, CONV_WIDTH, strides=CONV_WIDTH, activation="relu", name="conv")(windows)


def _window_frames(trunk: Trunk, rows: Any, length: Any) -> Any:
    """The same, those of padding zeroed."""
    frames = _layers.Conv1D(trunk.filters, CONV_WIDTH, padding="causal", activation="relu", name="conv")(rows)
    frames *= _present(rows, length)
    return frames


def _frame(trunk: Trunk) -> Any:
    """The layer that sees one row at a time."""
    return _layers.Dense(trunk.filters, activation="relu", name="frame")


def _dense(units: int) -> Any:
    return _layers.Dense(units, activation="relu", name="dense")


def _decoded(trunk: Trunk, latent: Any) -> Any:
    unfolded = _layers.Dense(trunk.filters, activation="relu", name="unfold")(latent)
    return _layers.Dense(trunk.row_size, name="decoded")(unfolded)


def _averaged(trunk: Trunk, rows: Any, length: Any) -> Any:
    """The mean of the frames that are there, and the newest of them."""
    frames = _frame(trunk)(rows)
    sums = tf.reduce_sum(frames * _present(rows, length), 1)
    return tf.concat([sums / tf.cast(length, tf.float32)[:, tf.newaxis], newest(frames, length)], -1)


def _present(rows: Any, length: Any) -> Any:
    """1 for a row, 0 for padding: `(B, T, 1)`."""
    return tf.cast(tf.range(rows.shape[1])[tf.newaxis, :] < length[:, tf.newaxis], tf.float32)[:, :, tf.newaxis]


def newest(frames: Any, length: Any) -> Any:
    """The frame or row at the true length: `(B, T, X)` → `(B, X)`."""
    return tf.gather(frames, length - 1, batch_dims=1)
