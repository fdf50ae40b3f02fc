import sys

import numpy as np
import pytest

from nearsight.backends.reference import NumpyBackend
from nearsight_benchmarks import tools
from nearsight_benchmarks.alternatives import Made, alternatives, made
from nearsight_benchmarks.config import BenchConfig
from nearsight_benchmarks.material import gathered
from nearsight_benchmarks.onnx_trees import OnnxTrees
from nearsight_benchmarks.signed import SignedInterpreter
from nearsight_export.bounds import bound
from nearsight_export.errors import ConversionError
from nearsight_export.replay import replayed
from nearsight_training.peers import BoostedTrees, Past, Told, features_of

# Stands in for the process of the tools: one file is none, one tool dies, and one says why it can't.
SCRIPT = """
import os, sys
from pathlib import Path
import msgspec
from nearsight_export.conversion import Job
folder = Path(sys.argv[1])
for artifact in msgspec.json.decode((folder / "job.json").read_bytes(), type=Job).artifacts:
    print("begin", artifact, flush=True)
    if artifact.startswith("ai-edge-quantizer"):
        os.kill(os.getpid(), 11)
    if artifact.startswith("quantize_static"):
        sys.exit("planted: it has no such operator")
    (folder / artifact).parent.mkdir(exist_ok=True)
    (folder / artifact).write_bytes(b"not a graph")
    print("done", artifact, flush=True)
"""


@pytest.fixture(scope="module")
def material(run_path, bundle_path):
    return gathered(run_path, bundle_path, BenchConfig(quick=True))


def test_a_tool_that_fails_is_named_with_its_reason_and_the_others_go_on(material, monkeypatch):
    monkeypatch.setattr(tools, "COMMAND", (sys.executable, "-c", SCRIPT))
    found = made(material, 16, 0)
    assert set(found.files) == {name for name in tools.ARTIFACTS if name.startswith(("TFLite", "quantize_dynamic"))}
    reasons = dict(alternatives(found, material))
    assert "signal 11" in reasons["step ai-edge-quantizer · LiteRT"]
    assert "it has no such operator" in reasons["step quantize_static · ONNX Runtime"]
    for name in ("step TFLite defaults · LiteRT", "window 16 TFLite defaults · LiteRT"):
        assert reasons[name].startswith("it can't be loaded")
        assert "\n" not in reasons[name]
    assert len(reasons) == len(tools.ARTIFACTS)


def test_a_quick_benchmark_leaves_the_window_out(material, monkeypatch):
    monkeypatch.setattr(tools, "COMMAND", (sys.executable, "-c", SCRIPT.replace('b"not a graph"', 'b""')))
    found = made(material, 16, 0, windows=False)
    assert "TFLite defaults/step.tflite" in found.files
    reasons = dict(alternatives(found, material))
    assert reasons["window 16 TFLite defaults · LiteRT"] == "its conversion takes too long for a quick benchmark"


def test_a_process_that_does_not_start_leaves_all_out(material, monkeypatch):
    monkeypatch.setattr(tools, "COMMAND", (sys.executable, "-c", "import no_such_module"))
    found = made(material, 16, 0)
    assert found.files == {}
    assert all("no_such_module" in reason for _, reason in alternatives(found, material))


def test_a_missing_tool_names_what_to_install(material, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    with pytest.raises(ConversionError, match=r"nearsight\[benchmarks\]"):
        tools.Tools(material.run.trunk, material.weights, 16, None).make("ai-edge-quantizer/step.tflite")


def test_a_converters_file_is_run_by_its_signature(material):
    """Its border tensors have names of the converter's own; NumPy is the oracle for what comes of them."""
    trunk, exam = material.run.trunk, material.exam
    name, *others = tools.ARTIFACTS
    content = tools.Tools(trunk, material.weights, 16, None).make(name)
    interpreter = SignedInterpreter(model_content=content, num_threads=1)
    assert {each["name"] for each in interpreter.get_input_details()} == {"codes", "numbers", "state"}
    assert {each["name"] for each in interpreter.get_output_details()} == {"heads", "embedding", "next_state"}
    found, *_ = alternatives(Made({name: content}, dict.fromkeys(others, "left out"), 16), material)
    replay = replayed(NumpyBackend(material.weights, trunk), trunk, exam.histories)
    expected = replay.asked[exam.kinds[0].indices, exam.column]
    np.testing.assert_allclose(found.answer(exam)["ask"], expected, atol=bound("int8/step.tflite").error)


def test_trees_in_onnx_answer_as_lightgbm_does():
    """Whole numbers, which 32-bit floats hold exactly, some of them missing."""
    rng = np.random.default_rng(3)

    def past():
        count = rng.integers(1, 6)
        times = np.sort(rng.integers(0, 4096, count)).astype(np.float64)
        values = rng.integers(0, 64, (count, 1)).astype(np.float64)
        codes = np.ones(count, np.int32)
        return Past(times, codes, values, np.ones(count, bool), 4096.0 + rng.integers(1, 4096))

    pasts = [past() for _ in range(400)]
    features = np.array([features_of(each, 1) for each in pasts])
    assert np.isnan(features).any()
    answers = (features[:, 0] + features[:, 2] * 300 + rng.normal(0, 400, 400) > 4000).astype(np.int8)
    trees = BoostedTrees.fit(Told(features, answers), Told(features[:0], answers[:0]), 1)
    converted = OnnxTrees.converted(trees, 1)
    given = [converted.score(each) for each in pasts]
    # Quotients aren't whole: where a rounded one crosses a threshold, a leaf's share of one tree of a hundred changes.
    assert np.abs(np.array(given) - trees.scores(features)).max() < 0.02
    assert np.median(np.abs(np.array(given) - trees.scores(features))) < 1e-6
