"""The runtimes and the choice among them."""

import importlib
from collections.abc import Mapping

from nearsight.backends.backend import Backend
from nearsight.errors import RuntimeMissingError
from nearsight.trunk import Trunk

__all__ = ["RUNTIMES", "Backend", "choose"]

# runtime: (module below this package, the bundle's member, what to install)
RUNTIMES = {
    "litert": ("litert", "step.tflite", "nearsight[litert]"),
    "tflite": ("tflite", "step.tflite", "nearsight[tflite]"),
    "onnx": ("onnx", "step.onnx", "nearsight[onnx]"),
    "numpy": ("reference", "step.npz", "nothing more"),
}


def choose(runtime: str, members: Mapping[str, bytes], trunk: Trunk) -> Backend:
    """The backend named `runtime`, or with "auto" the first that is installed and that the bundle has a graph for.

    Raises `RuntimeMissingError` where there is none, with what to install.
    """
    if runtime != "auto" and runtime not in RUNTIMES:
        raise RuntimeMissingError(f"runtime must be one of auto, {', '.join(RUNTIMES)}; received {runtime!r}")
    reasons: list[str] = []
    for name in RUNTIMES if runtime == "auto" else (runtime,):
        module, member, extra = RUNTIMES[name]
        if member not in members:
            reasons.append(f"{name} needs a bundle with {member}")
            continue
        try:
            loaded = importlib.import_module(f"nearsight.backends.{module}")
        except ImportError:
            reasons.append(f"{name} needs pip install '{extra}'")
            continue
        backend: Backend = loaded.load(members[member], trunk)
        return backend
    raise RuntimeMissingError(f"no runtime can run this bundle: {'; '.join(reasons)}")
