"""A converter that dies names its artifact, and the others are made all the same."""

import sys
from pathlib import Path

import numpy as np
import pytest

from nearsight_export.conversion import Job, convert, prepare
from nearsight_export.errors import ConversionError
from nearsight_export.samples import collected
from nearsight_training.run import load_histories, load_run

# Stands in for the conversion's process: dies over one artifact, as a converter in C++ may, and writes the others.
KILLED = """
import os, signal, sys, types
from pathlib import Path
from nearsight_export import conversion

class Maker:
    def __init__(self, *model): pass

    def make(self, artifact):
        if artifact == "fp16/step.tflite":
            os.kill(os.getpid(), signal.SIGKILL)
        if artifact == "int8/step.tflite":
            raise RuntimeError("the converter gave up")
        return artifact.encode()

making = types.ModuleType("nearsight_export.making")
making.Maker = Maker
sys.modules[making.__name__] = making
conversion.main(Path(sys.argv[1]))
"""


@pytest.fixture
def folder(run_path, tmp_path):
    run, histories = load_run(run_path), load_histories(run_path)
    weights = {name: np.zeros(shape, np.float32) for name, shape in run.trunk.weight_shapes.items()}
    wanted = ("fp32/step.tflite", "fp16/step.tflite", "fp16/window.tflite", "int8/step.tflite", "int8/step.onnx")
    samples = collected(run.trunk, weights, run.window, histories.select(1), 1)
    prepare(tmp_path, Job(trunk=run.trunk, window=run.window, artifacts=wanted), weights, samples)
    return tmp_path


def test_a_dead_process_names_its_artifact_and_the_others_are_made(folder):
    failures = convert(folder, command=(sys.executable, "-c", KILLED))
    assert set(failures) == {"fp16/step.tflite", "int8/step.tflite"}
    assert failures["fp16/step.tflite"].startswith("signal 9")
    assert failures["int8/step.tflite"] == "RuntimeError: the converter gave up"
    for artifact in ("fp32/step.tflite", "fp16/window.tflite", "int8/step.onnx"):
        assert Path(folder, artifact).read_text() == artifact
    assert not Path(folder, "fp16/step.tflite").exists()


def test_a_process_that_never_begins_is_an_error_and_not_a_loop(folder):
    with pytest.raises(ConversionError, match=r"didn't start.*no such thing"):
        convert(folder, command=(sys.executable, "-c", "raise SystemExit('no such thing')"))
