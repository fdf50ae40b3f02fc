"""ONNX Runtime, with its telemetry switched off before it is imported and buffers bound once."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as refusals

from nearsight.errors import BundleError
from nearsight.trunk import Trunk

__all__ = ["REFUSALS", "OnnxBackend", "load"]

Floats = NDArray[np.float32]
_OUTPUTS = ("heads", "embedding", "next_state")
# What a session raises over a graph or inputs that don't fit; most of these errors have no root below Exception.
REFUSALS = (
    refusals.Fail,
    refusals.InvalidArgument,
    refusals.InvalidGraph,
    refusals.InvalidProtobuf,
    refusals.NotImplemented,
    refusals.RuntimeException,
    RuntimeError,
    ValueError,
)


class OnnxBackend:
    """An ONNX step graph. Single events run on buffers that were bound once; batches are passed as they are."""

    name = "onnx"

    def __init__(self, session: onnxruntime.InferenceSession, trunk: Trunk) -> None:
        self._session = session
        self._inputs = {
            "codes": np.zeros((1, len(trunk.code_sizes)), np.int32),
            "numbers": np.zeros((1, trunk.numbers), np.float32),
            "state": np.zeros((1, trunk.state_size), np.float32),
        }
        widths = dict(zip(_OUTPUTS, (trunk.outputs, trunk.units, trunk.state_size), strict=True))
        self._results = {name: np.zeros((1, width), np.float32) for name, width in widths.items()}
        self._binding = session.io_binding()
        for name, buffer in self._inputs.items():
            self._binding.bind_input(name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data)
        for name, buffer in self._results.items():
            self._binding.bind_output(name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data)

    def step(self, codes: NDArray[np.int32], numbers: Floats, state: Floats) -> tuple[Floats, Floats, Floats]:
        """See `Backend.step`."""
        if len(codes) > 1:
            heads, embedding, next_state = self._session.run(
                _OUTPUTS, {"codes": codes, "numbers": numbers, "state": state}
            )
            return heads, embedding, next_state
        inputs, results = self._inputs, self._results
        inputs["codes"][:], inputs["numbers"][:], inputs["state"][:] = codes, numbers, state
        self._session.run_with_iobinding(self._binding)
        return results["heads"].copy(), results["embedding"].copy(), results["next_state"].copy()

    def try_out(self) -> None:
        """Run once on zeros, which raises where the graph has other shapes than the trunk."""
        self._session.run_with_iobinding(self._binding)


def load(model: bytes, trunk: Trunk) -> OnnxBackend:
    """Load an ONNX step graph. Raises `BundleError` where it can't be."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        backend = OnnxBackend(session, trunk)
        backend.try_out()
    except REFUSALS as error:
        raise BundleError(f"step.onnx can't be loaded ({error}): export it again") from error
    return backend
