"""The ONNX graphs of a model: the step, and the window from ONNX's own Conv, MaxPool and LSTM."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from nearsight.trunk import CONV_WIDTH, Trunk, Weights, heads, step
from nearsight_export.recording import OnnxOps, Recorder, Value

__all__ = ["step_model", "window_model"]

_ONNX_GATES = (0, 2, 1, 3)  # ONNX orders input, output, forget, candidate; the trunk has the forget gate second


def step_model(trunk: Trunk, weights: Weights) -> bytes:
    """`codes (B, K), numbers (B, N), state (B, S)` → `heads, embedding, next_state` with a free batch size."""
    recorder = Recorder()
    codes = recorder.input("codes", np.int32, ("batch", len(trunk.code_sizes)))
    numbers = recorder.input("numbers", np.float32, ("batch", trunk.numbers))
    state = recorder.input("state", np.float32, ("batch", trunk.state_size))
    values = step(OnnxOps(), trunk, weights, codes, numbers, state)
    names = {"heads": trunk.outputs, "embedding": trunk.units, "next_state": trunk.state_size}
    outputs = zip(names.items(), values, strict=True)
    return _content(recorder.model({name: (value, ("batch", width)) for (name, width), value in outputs}))


def window_model(trunk: Trunk, weights: Weights) -> bytes:
    """`codes (B, T, K), numbers (B, T, N), length (B,) int32` → `heads, embedding`; both batch and T are free.

    Rows past `length` (1 to T) are padding: their frames are zeroed before the pooling, and the LSTM stops at
    `ceil(length / 2)` by itself.
    """
    recorder = Recorder()
    codes = recorder.input("codes", np.int32, ("batch", "time", len(trunk.code_sizes)))
    numbers = recorder.input("numbers", np.float32, ("batch", "time", trunk.numbers))
    length = recorder.input("length", np.int32, ("batch",))
    frames = _masked(recorder, _frames(recorder, trunk, weights, codes, numbers), codes, length)
    pooled = recorder.node("MaxPool", [frames], kernel_shape=[2], strides=[2], ceil_mode=1)
    embedding = _last_state(recorder, trunk, weights, pooled, length)
    answers = heads(OnnxOps(), trunk, weights, embedding)
    outputs = {"heads": (answers, ("batch", trunk.outputs)), "embedding": (embedding, ("batch", trunk.units))}
    return _content(recorder.model(outputs))


def _frames(recorder: Recorder, trunk: Trunk, weights: Weights, codes: Value, numbers: Value) -> Value:
    """The causal convolution's frames `(B, F, T)`."""
    parts = []
    for k in range(len(trunk.code_sizes)):
        column = recorder.node("Gather", [codes, np.int64(k)], axis=2)
        parts.append(recorder.node("Gather", [weights[f"embedding_{k}"], column]))
    rows = recorder.node("Concat", [*parts, numbers], axis=2)
    kernel = weights["conv_kernel"].reshape(CONV_WIDTH, trunk.row_size, trunk.filters).transpose(2, 1, 0).copy()
    channels = recorder.node("Transpose", [rows], perm=[0, 2, 1])
    convolved = recorder.node("Conv", [channels, kernel, weights["conv_bias"]], pads=[CONV_WIDTH - 1, 0])
    return recorder.node("Relu", [convolved])


def _masked(recorder: Recorder, frames: Value, codes: Value, length: Value) -> Value:
    """The frames with those past the true length zeroed."""
    time = recorder.node("Gather", [recorder.node("Shape", [codes]), np.int64(1)])
    places = recorder.node("Range", [np.int64(0), time, np.int64(1)])
    limits = recorder.node("Unsqueeze", [_int64(recorder, length), np.array([1, 2], np.int64)])
    present = recorder.node("Cast", [recorder.node("Less", [places, limits])], to=onnx.TensorProto.FLOAT)
    return recorder.node("Mul", [frames, present])


def _last_state(recorder: Recorder, trunk: Trunk, weights: Weights, pooled: Value, length: Value) -> Value:
    """`h (B, U)` after the last pair of each history."""
    kernel, bias = _onnx_gates(weights["lstm_kernel"]), _onnx_gates(weights["lstm_bias"])
    inner, recurrent = (np.ascontiguousarray(part.T)[np.newaxis] for part in np.split(kernel, [trunk.filters]))
    both = np.concatenate([bias, np.zeros_like(bias)])[np.newaxis]
    turns = recorder.node("Transpose", [pooled], perm=[2, 0, 1])
    one = recorder.node("Add", [length, np.int32(1)])
    pairs = recorder.node("Div", [one, np.int32(2)])
    h = recorder.node("LSTM", [turns, inner, recurrent, both, pairs], output=1, hidden_size=trunk.units)
    return recorder.node("Squeeze", [h, np.array([0], np.int64)], width=trunk.units)


def _int64(recorder: Recorder, x: Value) -> Value:
    return recorder.node("Cast", [x], to=onnx.TensorProto.INT64)


def _onnx_gates(x: NDArray[np.float32]) -> NDArray[np.float32]:
    gates = np.split(x, 4, axis=-1)
    return np.concatenate([gates[place] for place in _ONNX_GATES], axis=-1)


def _content(model: onnx.ModelProto) -> bytes:
    content: Any = model.SerializeToString(deterministic=True)
    return bytes(content)
