"""Crashes, hangs and strange errors are counted, each in its place; what is altered is what is meant to be."""

import os
import signal
import time

import flatbuffers
import msgspec
import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema

import made_up
from nearsight.bundle import Bundle, sealed, write_bundle
from nearsight.errors import BundleError
from nearsight_benchmarks import exposure
from nearsight_benchmarks.exposure import exposed, outcome, resealed, structure

WEIGHTS = np.random.default_rng(3).normal(size=500).astype(np.float32)


def planted(seed):
    """Ends each of ten cases in its own way."""
    match seed % 10:
        case 3:
            os.kill(os.getpid(), signal.SIGSEGV)
        case 4:
            os._exit(0)
        case 5:
            raise BundleError("planted")
        case 6:
            raise KeyError("planted")
        case 7:
            time.sleep(60)


def test_every_end_is_counted_as_what_it_is_and_the_rest_goes_on(monkeypatch):
    monkeypatch.setattr(exposure, "_HANG_SECONDS", 0.3)
    found = exposed(planted, "litert", 30, 10)
    assert (found.cases, found.refused, found.used, found.hung) == (30, 3, 15, 3)
    assert (found.crashed, found.strange) == ({"SIGSEGV": 3}, {"exit": 3, "KeyError": 3})
    assert found.examples == {"used": 10, "SIGSEGV": 13, "exit": 14, "refused": 15, "KeyError": 16, "SIGALRM": 17}
    assert "3 (10.0%) crashed the process (SIGSEGV 3), 3 hung, 6 gave another error (KeyError 3, exit 3)" in outcome(
        found
    )


def graph():
    tensor = onnx.numpy_helper.from_array(WEIGHTS, "w")
    node = onnx.helper.make_node("Identity", ["w"], ["y"])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [500])
    return onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], [out], [tensor])).SerializeToString()


def tflite():
    """A model with one buffer of weights and one of a shape, as the schema's own writer makes it."""
    model = schema.ModelT()
    model.buffers = [schema.BufferT(), schema.BufferT(), schema.BufferT()]
    model.buffers[1].data = np.frombuffer(WEIGHTS.tobytes(), np.uint8)
    model.buffers[2].data = np.arange(8, dtype=np.uint8)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize(("make", "member"), [(graph, "step.onnx"), (tflite, "step.tflite")])
def test_the_structure_is_all_but_the_weights(make, member):
    content = make()
    spans = structure(content, member)
    place = content.index(WEIGHTS.tobytes())
    assert spans == [(0, place), (place + WEIGHTS.nbytes, len(content))]


def exposed_bundle(tmp_path):
    made, members = made_up.bundle(), {"step.onnx": graph()}
    manifest = msgspec.structs.replace(made.manifest, members=sealed(members, {}))
    write_bundle(tmp_path / "a.nsight", Bundle(manifest, members))
    return (tmp_path / "a.nsight").read_bytes()


def test_altered_graphs_reach_the_parser_and_half_of_them_keep_their_weights(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(exposure.nearsight, "load", lambda content, runtime: seen.append(content))
    monkeypatch.setattr(exposure, "used", lambda insight, events: None)
    case = resealed(exposed_bundle(tmp_path), "onnx")
    for seed in range(1, 40, 2):
        case(seed)
    assert len({*seen}) > 15
    assert all(WEIGHTS.tobytes() in content and len(content) == len(seen[0]) for content in seen)


def test_a_bundle_without_the_runtimes_graph_is_refused(tmp_path):
    with pytest.raises(BundleError, match=r"must hold step\.tflite"):
        resealed(exposed_bundle(tmp_path), "litert")


def test_the_command_says_and_writes_what_it_found(tmp_path, capsys, monkeypatch):
    exposed_bundle(tmp_path)
    monkeypatch.setattr(exposure, "resealed", lambda bundle, runtime: planted)
    monkeypatch.setattr(exposure, "_HANG_SECONDS", 0.3)
    options = [str(tmp_path / "a.nsight"), "--runtime", "onnx", "--out", str(tmp_path / "found.json")]
    assert exposure.main([*options, "--cases", "3"]) == 0
    assert "of 3 altered graphs" in capsys.readouterr().out
    assert msgspec.json.decode((tmp_path / "found.json").read_bytes(), type=exposure.Exposure).crashed == {"SIGSEGV": 1}
    assert exposure.main([*options, "--cases", "9"]) == 1
