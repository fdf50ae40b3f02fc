"""Where the figures were measured."""

import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

__all__ = ["Host", "describe", "load_average"]

_LIBRARIES = (
    "nearsight",
    "numpy",
    "ai-edge-litert",
    "tflite-runtime",
    "onnxruntime",
    "tensorflow",
    "tf_keras",
    "ai-edge-quantizer",
    "lightgbm",
    "onnxmltools",
    "lifetimes",
    "scikit-learn",
)


class Host(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The machine and the libraries; nothing that names its owner."""

    processor: str
    cores: int
    memory_gigabytes: float
    system: str
    python: str
    versions: dict[str, str]


def describe(device: Mapping[str, str] | None = None) -> Host:
    """This host; `device` holds the versions of another interpreter, whose tflite-runtime is named as well."""
    found = {name: version for name in _LIBRARIES if (version := _version(name))}
    away = {name: version for name, version in (device or {}).items() if name not in found}
    return Host(
        processor=_processor(),
        cores=_cores(),
        memory_gigabytes=round(_memory() / 1e9, 1),
        system=f"{platform.system()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        versions=found | away,
    )


def load_average() -> float | None:
    """How many processes wanted a core over the last minute, None on systems that don't count them."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _processor() -> str:
    """The processor's name as the kernel gives it; on systems without /proc what Python knows."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.lower().startswith(("model name", "hardware")):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _memory() -> int:
    import psutil

    total: int = psutil.virtual_memory().total
    return total


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
