import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import made_up
from nearsight.bundle import write_bundle

DISTRIBUTIONS = {"litert": "ai_edge_litert", "tflite": "tflite_runtime", "onnx": "onnxruntime", "numpy": "numpy"}
INSTALLED = [runtime for runtime, package in DISTRIBUTIONS.items() if find_spec(package)]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that every installed runtime can run: given by path, or made where TensorFlow is there to make it."""
    if "NEARSIGHT_FIXTURE" in os.environ:
        return Path(os.environ["NEARSIGHT_FIXTURE"]).absolute()
    path = tmp_path_factory.mktemp("bundle") / "fixture.nsight"
    if find_spec("tensorflow"):
        subprocess.run([sys.executable, Path(__file__).with_name("fixture.py"), path], check=True)
    else:
        write_bundle(path, made_up.bundle())
    return path
