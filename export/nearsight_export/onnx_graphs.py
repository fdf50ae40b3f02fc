"""The ONNX graphs of a model: the step and the window."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from nearsight.backends.onnx import CODE_SIZES, said
from nearsight.trunk import Trunk, Weights, heads, step
from nearsight_export.onnx_windows import whole
from nearsight_export.recording import OnnxOps, Recorder

__all__ = ["step_model", "window_model"]


def step_model(trunk: Trunk, weights: Weights, body: Callable[..., Any] = step) -> bytes:
    """`codes (B, K), numbers (B, N), state (B, S)` → `heads, embedding, next_state` with a free batch size.

    `body` computes them. The metadata say how many codes each table has: tables that are one in the graph would give a
    code that is too large a row of their neighbour's.
    """
    recorder = Recorder()
    codes = recorder.input("codes", np.int32, ("batch", len(trunk.code_sizes)))
    numbers = recorder.input("numbers", np.float32, ("batch", trunk.numbers))
    state = recorder.input("state", np.float32, ("batch", trunk.state_size))
    values = body(OnnxOps(), trunk, weights, codes, numbers, state)
    names = {"heads": trunk.outputs, "embedding": trunk.units, "next_state": trunk.state_size}
    outputs = zip(names.items(), values, strict=True)
    model = recorder.model({name: (value, ("batch", width)) for (name, width), value in outputs})
    onnx.helper.set_model_props(model, {CODE_SIZES: said(trunk.code_sizes)})
    return _content(model)


def window_model(trunk: Trunk, weights: Weights) -> bytes:
    """`codes (B, T, K), numbers (B, T, N), length (B,) int32` → `heads, embedding`; both batch and T are free.

    Rows past `length` (1 to T) are padding: their frames are zeroed before any pooling, and an LSTM stops by itself.
    """
    recorder = Recorder()
    codes = recorder.input("codes", np.int32, ("batch", "time", len(trunk.code_sizes)))
    numbers = recorder.input("numbers", np.float32, ("batch", "time", trunk.numbers))
    length = recorder.input("length", np.int32, ("batch",))
    read, embedding = whole(recorder, trunk, weights, codes, numbers, length)
    answers = heads(OnnxOps(), trunk, weights, read)
    outputs = {"heads": (answers, ("batch", trunk.outputs)), "embedding": (embedding, ("batch", trunk.units))}
    return _content(recorder.model(outputs))


def _content(model: onnx.ModelProto) -> bytes:
    content: Any = model.SerializeToString(deterministic=True)
    return bytes(content)
