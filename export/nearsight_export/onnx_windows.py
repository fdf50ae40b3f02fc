"""Whole windows in ONNX's own operators, for each kind of network: any number of histories, answered at their ends.

Each takes `codes (B, T, K)`, `numbers (B, T, N)` and `length (B,)` and gives what the heads are given and the
embedding.
"""

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from nearsight.networks import cnn, mlp, vae
from nearsight.networks.lstm import kernel_of
from nearsight.trunk import CONV_WIDTH, Kind, Trunk, Weights
from nearsight_export.recording import OnnxOps, Recorder, Value

__all__ = ["whole"]

Whole = Callable[[Recorder, Trunk, Weights, Value, Value, Value], tuple[Value, Value]]
_ONNX_GATES = (0, 2, 1, 3)  # ONNX orders input, output, forget, candidate; the trunk has the forget gate second
_FIRST, _LAST = np.array([1], np.int64), np.array([2], np.int64)


def _cnn_lstm(
    recorder: Recorder, trunk: Trunk, weights: Weights, codes: Value, numbers: Value, length: Value
) -> tuple[Value, Value]:
    frames = _masked(recorder, _frames(recorder, trunk, weights, codes, numbers), codes, length)
    pooled = recorder.node("MaxPool", [frames], kernel_shape=[2], strides=[2], ceil_mode=1)
    turns = recorder.node("Transpose", [pooled], perm=[2, 0, 1])
    one = recorder.node("Add", [length, np.int32(1)])
    pairs = recorder.node("Div", [one, np.int32(2)])
    h = _last_state(recorder, trunk, weights, turns, pairs)
    return h, h


def _lstm(
    recorder: Recorder, trunk: Trunk, weights: Weights, codes: Value, numbers: Value, length: Value
) -> tuple[Value, Value]:
    turns = recorder.node("Transpose", [_rows(recorder, trunk, weights, codes, numbers)], perm=[1, 0, 2])
    h = _last_state(recorder, trunk, weights, turns, length)
    return h, h


def _cnn(
    recorder: Recorder, trunk: Trunk, weights: Weights, codes: Value, numbers: Value, length: Value
) -> tuple[Value, Value]:
    frames = _masked(recorder, _frames(recorder, trunk, weights, codes, numbers), codes, length)
    largest = recorder.node("ReduceMax", [frames], width=trunk.filters, axes=[2], keepdims=0)
    embedding = cnn.read(OnnxOps(), weights, largest)
    return embedding, embedding


def _mlp(
    recorder: Recorder, trunk: Trunk, weights: Weights, codes: Value, numbers: Value, length: Value
) -> tuple[Value, Value]:
    rows = _rows(recorder, trunk, weights, codes, numbers)
    embedding = _encoded(recorder, weights, rows, codes, length)
    return embedding, embedding


def _vae(
    recorder: Recorder, trunk: Trunk, weights: Weights, codes: Value, numbers: Value, length: Value
) -> tuple[Value, Value]:
    rows = _rows(recorder, trunk, weights, codes, numbers)
    newest = _newest(recorder, rows, length, trunk.row_size)
    return vae.placed(OnnxOps(), trunk, weights, newest, _encoded(recorder, weights, rows, codes, length))


_WHOLE: Mapping[Kind, Whole] = {"cnn_lstm": _cnn_lstm, "lstm": _lstm, "cnn": _cnn, "mlp": _mlp, "vae": _vae}


def whole(
    recorder: Recorder, trunk: Trunk, weights: Weights, codes: Value, numbers: Value, length: Value
) -> tuple[Value, Value]:
    """What the heads read `(B, X)` and the embedding `(B, U)`."""
    given, embedding = _WHOLE[trunk.kind](recorder, trunk, weights, codes, numbers, length)
    if not trunk.skip:
        return given, embedding
    row = _newest(recorder, _rows(recorder, trunk, weights, codes, numbers), length, trunk.row_size)
    return OnnxOps().concat([given, row]), embedding


def _frames(recorder: Recorder, trunk: Trunk, weights: Weights, codes: Value, numbers: Value) -> Value:
    """The causal convolution's frames `(B, F, T)`."""
    rows = _rows(recorder, trunk, weights, codes, numbers)
    kernel = weights["conv_kernel"].reshape(CONV_WIDTH, trunk.row_size, trunk.filters).transpose(2, 1, 0).copy()
    channels = recorder.node("Transpose", [rows], perm=[0, 2, 1])
    convolved = recorder.node("Conv", [channels, kernel, weights["conv_bias"]], pads=[CONV_WIDTH - 1, 0])
    return recorder.node("Relu", [convolved])


def _rows(recorder: Recorder, trunk: Trunk, weights: Weights, codes: Value, numbers: Value) -> Value:
    """The embedded rows `(B, T, D)`."""
    parts = []
    for k in range(len(trunk.code_sizes)):
        column = recorder.node("Gather", [codes, np.int64(k)], axis=2)
        parts.append(recorder.node("Gather", [weights[f"embedding_{k}"], column]))
    return recorder.node("Concat", [*parts, numbers], axis=2)


def _masked(recorder: Recorder, frames: Value, codes: Value, length: Value) -> Value:
    """The frames with those past the true length zeroed."""
    time = recorder.node("Gather", [recorder.node("Shape", [codes]), np.int64(1)])
    places = recorder.node("Range", [np.int64(0), time, np.int64(1)])
    limits = recorder.node("Unsqueeze", [_int64(recorder, length), np.array([1, 2], np.int64)])
    present = recorder.node("Cast", [recorder.node("Less", [places, limits])], to=onnx.TensorProto.FLOAT)
    return recorder.node("Mul", [frames, present])


def _encoded(recorder: Recorder, weights: Weights, rows: Value, codes: Value, length: Value) -> Value:
    """What the two layers of a bag of events make of it: `(B, T, D)` → `(B, X)`."""
    kernel = weights["frame_kernel"].T[:, :, np.newaxis].copy()
    channels = recorder.node("Transpose", [rows], perm=[0, 2, 1])
    convolved = recorder.node("Conv", [channels, kernel, weights["frame_bias"]])
    frames = recorder.node("Relu", [convolved])
    sums = recorder.node("ReduceSum", [_masked(recorder, frames, codes, length), _LAST], keepdims=0)
    counts = recorder.node("Unsqueeze", [recorder.node("Cast", [length], to=onnx.TensorProto.FLOAT), _FIRST])
    turned = recorder.node("Transpose", [frames], perm=[0, 2, 1])
    newest = _newest(recorder, turned, length, len(kernel))
    encoded: Value = mlp.read(OnnxOps(), weights, recorder.node("Div", [sums, counts], width=len(kernel)), newest)
    return encoded


def _newest(recorder: Recorder, frames: Value, length: Value, width: int) -> Value:
    """The frame at the true length: `(B, T, X)` → `(B, X)`."""
    last = recorder.node("Sub", [_int64(recorder, length), np.int64(1)])
    places = recorder.node("Unsqueeze", [last, _FIRST])
    return recorder.node("GatherND", [frames, places], width=width, batch_dims=1)


def _last_state(recorder: Recorder, trunk: Trunk, weights: Weights, turns: Value, count: Value) -> Value:
    """`h (B, U)` after the last of the `count (B,)` turns `(T, B, X)` of each history."""
    kernel, bias = _onnx_gates(kernel_of(weights)), _onnx_gates(weights["lstm_bias"])
    incoming = len(kernel) - trunk.units
    inner, recurrent = (np.ascontiguousarray(part.T)[np.newaxis] for part in np.split(kernel, [incoming]))
    both = np.concatenate([bias, np.zeros_like(bias)])[np.newaxis]
    h = recorder.node("LSTM", [turns, inner, recurrent, both, count], output=1, hidden_size=trunk.units)
    return recorder.node("Squeeze", [h, np.array([0], np.int64)], width=trunk.units)


def _int64(recorder: Recorder, x: Value) -> Value:
    return recorder.node("Cast", [x], to=onnx.TensorProto.INT64)


def _onnx_gates(x: NDArray[np.float32]) -> NDArray[np.float32]:
    gates = np.split(x, 4, axis=-1)
    return np.concatenate([gates[place] for place in _ONNX_GATES], axis=-1)
