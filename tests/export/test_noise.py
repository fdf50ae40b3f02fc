"""Where a step breaks: the tensor whose numbers are wrong is named, in every runtime and at every precision."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from nearsight_export import onnx_graphs
from nearsight_export.certificate import certified
from nearsight_export.errors import CertificateError
from nearsight_export.exam import DRIFT_STEPS
from nearsight_export.flatbuffer import constants
from nearsight_export.noise import broken, decibels, measured
from nearsight_export.ort import quantised
from nearsight_export.recording import OnnxOps

STEPS = ("fp32/step.tflite", "fp32/step.onnx", "fp16/step.tflite", "int8/step.tflite", "int8/step.onnx")
STEPS = (*STEPS, "int8-full/step.tflite", "int16x8/step.tflite")
SIGNALS = ["row", "conv", "pooled", "lstm", "gates", "candidate", "cells", "logits", "logits_1"]
SIGNALS += ["heads", "embedding", "next_state"]


@pytest.fixture(scope="module")
def noises(made):
    return {name: measured(name.split("/")[1], made.files[name], made.exam) for name in STEPS}


def rescaled(content, shape, factor):
    """A TFLite file in which the scale of the one 8-bit tensor of that shape is wrong."""
    model = schema.ModelT.InitFromPackedBuf(content)
    (tensor,) = [
        each
        for each in model.subgraphs[0].tensors
        if each.type == schema.TensorType.INT8 and tuple(each.shape) == shape
    ]
    right = np.asarray(tensor.quantization.scale, np.float32).tobytes()
    assert content.count(right) == 1
    return content.replace(right, (np.frombuffer(right, np.float32) * np.float32(factor)).tobytes())


def test_decibels_by_hand():
    signal = np.array([[3.0, -4.0]], np.float32)
    assert decibels(signal, signal) == 120.0
    assert decibels(signal, signal * 1.1) == pytest.approx(20.0, abs=1e-5)  # a tenth in amplitude
    assert decibels(signal, signal * 0) == pytest.approx(0.0)
    assert decibels(signal, signal * np.nan) == 0.0


@pytest.mark.parametrize("artifact", STEPS)
def test_a_sound_step_breaks_nowhere(made, noises, artifact):
    """All weights and all tensors are found, and weights have the noise that rounding by hand gives them."""
    noise, precision = noises[artifact], artifact.split("/")[0]
    assert broken(noise) == ""
    assert set(noise.weights) == set(made.run.trunk.cut(made.weights))
    assert list(noise.signals) == [name for name in SIGNALS if precision != "int8-full" or name != "lstm"]
    if precision == "fp32":
        assert set(noise.weights.values()) == set(noise.signals.values()) == {120.0}
        return
    kernel = made.weights["lstm_kernel"]
    width = np.abs(kernel).max() / 127
    whole = np.round(kernel / width) * width
    rounded = {"fp16": kernel.astype(np.float16), "int8": whole, "int16x8": whole}.get(precision)
    tolerance = 1.5 if artifact.endswith("onnx") else 0.01  # ONNX's steps are those of an unsigned byte's whole range
    if rounded is None:  # balanced ahead of rounding, with a scale for each output
        assert noise.weights["lstm_kernel"] >= noise.due["lstm_kernel"] - 3
    else:
        assert noise.weights["lstm_kernel"] == pytest.approx(decibels(kernel, rounded), abs=tolerance)
    assert all(found < 120 for name, found in noise.signals.items() if name not in ("row",))


def test_constants_are_those_that_went_in(made):
    held = [np.sort(each.numbers.ravel()) for each in constants(made.files["fp32/step.tflite"]).values()]
    for weight in made.run.trunk.cut(made.weights).values():
        assert any(np.array_equal(array, np.sort(weight.ravel())) for array in held)


@pytest.mark.parametrize("artifact", ["int8/step.tflite", "int16x8/step.tflite"])
@pytest.mark.parametrize("name", ["conv_kernel", "lstm_kernel"])
def test_a_wrong_scale_is_named_where_it_is(made, artifact, name):
    content = rescaled(made.files[artifact], made.weights[name].T.shape, 1.7)
    noise = measured("step.tflite", content, made.exam)
    assert broken(noise) == f"it breaks at {name}: 3 dB where its rounding leaves 41"


def test_a_wrong_scale_is_named_where_weights_are_balanced(made):
    content = rescaled(made.files["int8-full/step.tflite"], made.weights["conv_kernel"].T.shape, 1.7)
    assert broken(measured("step.tflite", content, made.exam)).startswith("it breaks at conv_kernel: 3 dB where its ")


def test_the_certificates_sentence_says_where(made):
    content = rescaled(made.files["int8/step.tflite"], made.weights["lstm_kernel"].T.shape, 1.7)
    with pytest.raises(CertificateError, match=r"allowed.*; it breaks at lstm_kernel: 3 dB"):
        certified("int8/step.tflite", content, made.exam, made.manifest, made.vectors)


PIECES = {"head_kernel": "head_kernel_0"}  # of several, the one that falls short most


@pytest.mark.parametrize("name", ["conv_kernel", "lstm_kernel", "head_kernel", "embedding_1", "lstm_bias"])
@pytest.mark.parametrize("make", [lambda model: model, quantised])
def test_an_altered_weight_is_named_in_onnx(made, name, make):
    weights = {**made.weights, name: made.weights[name] * np.float32(1.3)}
    noise = measured("step.onnx", make(onnx_graphs.step_model(made.run.trunk, weights)), made.exam)
    assert broken(noise).startswith(f"it breaks at {PIECES.get(name, name)}: 10 dB")


def test_a_wrong_operation_is_placed_between_two_tensors(made, monkeypatch):
    """Sound weights, and a pooling that takes the smaller frame."""
    monkeypatch.setattr(OnnxOps, "maximum", lambda self, x, y: x.recorder.node("Min", [x, y], width=x.width))
    noise = measured("step.onnx", onnx_graphs.step_model(made.run.trunk, made.weights), made.exam)
    assert all(found == 120.0 for found in noise.weights.values())
    assert broken(noise).startswith("it breaks between conv (120 dB at least) and ")


def test_a_weight_in_another_form_is_not_told(made, monkeypatch):
    """Of a kernel that the file holds in halves, neither is taken for it, and what lies between is still found."""
    sound = OnnxOps.dense

    def halved(self, x, kernel, bias):
        cut = kernel.shape[1] // 2 + 1
        parts = [(kernel[:, :cut].copy(), bias[:cut].copy()), (kernel[:, cut:].copy(), bias[cut:].copy())]
        return self.concat([sound(self, x, *part) for part in parts])

    monkeypatch.setattr(OnnxOps, "dense", halved)
    noise = measured("step.onnx", onnx_graphs.step_model(made.run.trunk, made.weights), made.exam)
    whole = {"head_kernel_0", "head_bias_0"}  # two columns, of which the first part has both
    assert set(noise.weights) == {"embedding_0", "embedding_1", "embedding_2", *whole}
    assert list(noise.signals) == SIGNALS
    assert broken(noise) == ""


def test_drift_is_of_ten_thousand_steps(made, monkeypatch):
    """Every step is compared, the last one as well as any."""
    assert len(made.exam.expected_stream) == len(made.exam.stream[0]) == DRIFT_STEPS == 10_000
    late = made.exam.expected_stream.copy()
    late[-1] += 0.25
    monkeypatch.setitem(made.exam.__dict__, "expected_stream", late)
    with pytest.raises(CertificateError, match=r"largest error within 10000 steps is 0\.25"):
        certified("int8/step.tflite", made.files["int8/step.tflite"], made.exam, made.manifest, made.vectors)
