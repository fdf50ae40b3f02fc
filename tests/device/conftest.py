import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

DISTRIBUTIONS = {"litert": "ai_edge_litert", "tflite": "tflite_runtime", "onnx": "onnxruntime", "numpy": "numpy"}
GRAPHS = "NEARSIGHT_FIXTURE" in os.environ or find_spec("tensorflow") is not None  # else there is only NumPy's
INSTALLED = [name for name, package in DISTRIBUTIONS.items() if find_spec(package) and (GRAPHS or name == "numpy")]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that every installed runtime can run, given by its path; else one that this environment can make."""
    if "NEARSIGHT_FIXTURE" in os.environ:
        return Path(os.environ["NEARSIGHT_FIXTURE"]).absolute()
    path = tmp_path_factory.mktemp("bundle") / "fixture.nsight"
    subprocess.run([sys.executable, Path(__file__).with_name("fixture.py"), path], check=True)
    return path
