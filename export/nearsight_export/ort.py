"""ONNX Runtime with its telemetry switched off, which has to happen before it is imported."""

import nearsight.backends.onnx  # noqa: F401  # switches it off  # isort: skip

import onnxruntime

__all__ = ["loaded"]


def loaded(content: bytes) -> onnxruntime.InferenceSession:
    """A session on one thread, as the SDK runs it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
