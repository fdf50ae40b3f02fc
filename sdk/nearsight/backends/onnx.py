"""ONNX Runtime, with its telemetry switched off before it is imported."""

import os
from collections.abc import Sequence
from functools import partial

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as refusals

from nearsight.backends.backend import OUTPUTS, Backend, Binding, tensors
from nearsight.errors import BundleError
from nearsight.trunk import Trunk

__all__ = ["CODE_SIZES", "REFUSALS", "load", "said"]

CODE_SIZES = "code_sizes"  # a key of a graph's metadata

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


def load(model: bytes, trunk: Trunk) -> Backend:
    """Load an ONNX step graph, its buffers bound. Raises `BundleError` where it can't be."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = options.enable_mem_reuse = False  # a step needs one block, a few kilobytes in size
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        backend = Backend("onnx", partial(_binding, session, trunk))
        backend.bind(1).run()  # raises where the graph has other shapes than the trunk
        sizes = session.get_modelmeta().custom_metadata_map.get(CODE_SIZES)
    except REFUSALS as error:
        raise BundleError(f"step.onnx can't be loaded ({error}): export it again") from error
    if sizes is not None and sizes != said(trunk.code_sizes):  # a code of another table would be read all the same
        raise BundleError("step.onnx doesn't have the manifest's names: export it again")
    return backend


def said(sizes: Sequence[int]) -> str:
    """How a graph's metadata say how many codes each of its tables has."""
    return ",".join(map(str, sizes))


def _binding(session: onnxruntime.InferenceSession, trunk: Trunk, batch: int) -> Binding:
    memory, bound = tensors(trunk, batch), session.io_binding()
    for name, buffer in memory.items():
        bind = bound.bind_output if name in OUTPUTS else bound.bind_input
        bind(name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data)
    return Binding(memory, partial(session.run_with_iobinding, bound))
