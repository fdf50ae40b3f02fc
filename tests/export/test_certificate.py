"""Planted faults: whatever an artifact does wrong, the certificate says so."""

import dataclasses

import msgspec
import numpy as np
import pytest

from nearsight.backends.reference import NumpyBackend
from nearsight.heads import calibrated
from nearsight.trunk import step
from nearsight_export import onnx_graphs
from nearsight_export.bounds import bound
from nearsight_export.certificate import certified, distances, examined, held, source_error
from nearsight_export.errors import CertificateError
from nearsight_export.proof import lost_auc, proven, shipped
from nearsight_export.recording import OnnxOps
from nearsight_export.replay import replayed
from nearsight_training.run import load_weights

STEP, WINDOW = "fp32/step.onnx", "fp32/window.onnx"
WEIGHTS = (
    "embedding_0",
    "embedding_1",
    "conv_kernel",
    "conv_bias",
    "lstm_kernel",
    "lstm_bias",
    "head_kernel",
    "head_bias",
)


def fails(made, artifact, content, match):
    with pytest.raises(CertificateError, match=match) as caught:
        certified(artifact, content, made.exam, made.manifest, made.vectors)
    assert artifact in str(caught.value)


def swapped_gates(weights):
    """The forget gate where the input gate belongs."""
    changed = dict(weights)
    for name in ("lstm_kernel", "lstm_bias"):
        first, second, *others = np.split(weights[name], 4, axis=-1)
        changed[name] = np.concatenate([second, first, *others], axis=-1)
    return changed


def test_sound_artifacts_pass(made):
    proof = proven(made.files_of_variants, made.exam, made.trained, made.manifest, made.vectors)
    assert proof.source_error <= 1e-6
    assert set(proof.artifacts) == set(made.files_of_variants)
    for name, found in proof.artifacts.items():
        assert found.largest_error <= bound(name).error
        assert (found.drift is None) == (found.embedding is None) == ("window" in name)


def test_four_bits_that_nothing_has_learned(made):
    fails(made, "int4/step.tflite", made.files["int4/step.tflite"], "largest error")


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("artifact", [STEP, WINDOW])
def test_one_altered_weight(made, artifact, name):
    weights = {**made.weights, name: made.weights[name].copy()}
    place = np.unravel_index(np.abs(weights[name]).argmax(), weights[name].shape)
    weights[name][place] *= 1.1
    make = onnx_graphs.step_model if artifact == STEP else onnx_graphs.window_model
    fails(made, artifact, make(made.run.trunk, weights), "error of")


def test_a_weight_altered_in_the_file_itself(made):
    content, bias = made.files["fp32/step.tflite"], made.weights["lstm_bias"]
    assert content.count(bias.tobytes()) == 1
    altered = bias.copy()
    altered[7] += 0.01
    fails(made, "fp32/step.tflite", content.replace(bias.tobytes(), altered.tobytes()), "largest error")


@pytest.mark.parametrize("artifact", [STEP, WINDOW])
def test_gates_in_a_wrong_order(made, artifact):
    make = onnx_graphs.step_model if artifact == STEP else onnx_graphs.window_model
    fails(made, artifact, make(made.run.trunk, swapped_gates(made.weights)), "largest error")


def test_a_wrong_parity(made, monkeypatch):
    """Pooling that pairs the second event with the third."""
    trunk, sound = made.run.trunk, OnnxOps.split

    def inverted(self, x, widths):
        pieces = sound(self, x, widths)
        return [
            1.0 - piece if (x.name, width) == ("state", 1) else piece
            for piece, width in zip(pieces, widths, strict=True)
        ]

    monkeypatch.setattr(OnnxOps, "split", inverted)
    fails(made, STEP, onnx_graphs.step_model(trunk, made.weights), "largest error")


def test_an_embedding_that_alone_is_longer(made):
    def longer(*given):
        heads, embedding, state = step(*given)
        return heads, embedding * np.float32(1.01), state

    fails(made, STEP, onnx_graphs.step_model(made.run.trunk, made.weights, longer), r"distance of an embedding.* 1e-05")


def test_embeddings_lie_apart_by_their_length_where_that_is_above_one():
    expected = np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0], [1.0, 0.0]], np.float32)
    found = expected + np.array([[0.0, 0.5], [0.0, 0.5], [0.5, 0.0], [np.nan, 0.0]], np.float32)
    assert distances(found, expected) == pytest.approx([0.1, 0.5, 0.5, np.nan], nan_ok=True)


def test_missing_calibration(made, run_path):
    fails(made, STEP, onnx_graphs.step_model(made.run.trunk, load_weights(run_path)), "largest error")


def test_an_artifact_of_another_model(made):
    smaller = msgspec.structs.replace(made.run.trunk, units=20)
    weights = {name: np.zeros(shape, np.float32) for name, shape in smaller.weight_shapes.items()}
    fails(made, STEP, onnx_graphs.step_model(smaller, weights), "can't be run")


@pytest.mark.parametrize("artifact", ["int8/step.tflite", "int8/window.tflite", STEP, WINDOW])
def test_a_truncated_artifact(made, artifact):
    fails(made, artifact, made.files[artifact][: len(made.files[artifact]) // 2], "can't be run")


def test_answers_that_are_not_numbers(made):
    weights = {**made.weights, "head_bias": np.full_like(made.weights["head_bias"], np.nan)}
    fails(made, STEP, onnx_graphs.step_model(made.run.trunk, weights), "is inf")


def test_a_trained_network_that_answers_otherwise(made):
    with pytest.raises(CertificateError, match="from the trained network"):
        source_error(made.exam, made.trained + 2e-5)


@pytest.mark.parametrize(
    ("figure", "limit"),
    [
        ("flipped", "flipped decisions of purchase"),
        ("auc_change", "AUC of purchase"),
        ("calibration_change", "calibration"),
    ],
)
def test_each_head_is_held_to_its_bounds(made, figure, limit):
    sound = examined("int8/step.tflite", made.files["int8/step.tflite"], made.exam, made.manifest, made.vectors)
    wrong = msgspec.structs.replace(
        sound.heads["purchase"], decidable=True, **{figure: -0.04 if "ch" in figure else 0.04}
    )
    with pytest.raises(CertificateError, match=limit):
        held(msgspec.structs.replace(sound, heads={**sound.heads, "purchase": wrong}))


def test_figures_of_a_head_against_a_count_by_hand(made):
    """A shift of the logit by a known amount flips exactly the decisions between the two thresholds."""
    shift = 0.2
    weights = {**made.weights, "head_bias": made.weights["head_bias"].copy()}
    weights["head_bias"][0] += shift
    found = examined(STEP, onnx_graphs.step_model(made.run.trunk, weights), made.exam, made.manifest, made.vectors)
    logits = np.log(made.exam.expected[:, 0] / (1 - made.exam.expected[:, 0]))
    assert found.heads["purchase"].flipped == pytest.approx(((logits < 0) & (logits >= -shift)).mean(), abs=1e-3)
    assert found.heads["cart"].flipped == 0.0
    # A shift changes no order, but float32 may round two neighbours to one: that is half a pair of some 170,000.
    assert found.heads["purchase"].auc_change == pytest.approx(0.0, abs=5e-6)
    assert found.heads["purchase"].decisions == int((made.exam.histories.labels[:, 0] >= 0).sum())


def test_lengths_cover_every_decision_once(made):
    found = examined("int8/step.tflite", made.files["int8/step.tflite"], made.exam, made.manifest, made.vectors)
    for name, head in found.heads.items():
        rows = [row for row in found.lengths if row.head == name]
        assert sum(row.decisions for row in rows) == head.decisions
        assert [row.shortest for row in rows] == [1, *(row.longest + 1 for row in rows[:-1])]


def test_compression_that_costs_too_much_is_refused(made, run_path):
    before = replayed(NumpyBackend(made.weights, made.run.trunk), made.run.trunk, made.exam.histories)
    sound = lost_auc(made.exam, before, STEP, shipped(made.exam, STEP, made.files[STEP]), 0.002)
    assert abs(sound["purchase"].value) < 1e-4
    backwards = {**load_weights(run_path), "head_kernel": -load_weights(run_path)["head_kernel"]}
    content = onnx_graphs.step_model(made.run.trunk, calibrated(backwards, made.run.heads))
    with pytest.raises(CertificateError, match="of AUC against the trained network"):
        lost_auc(made.exam, before, STEP, shipped(made.exam, STEP, content), 0.002)


def test_what_compression_may_cost_is_the_developers_choice(made):
    """Answers by chance cost all of the AUC above one half; who allows that gets it."""
    before = replayed(NumpyBackend(made.weights, made.run.trunk), made.run.trunk, made.exam.histories)
    noisy = np.random.default_rng(0).random(before.heads.shape).astype(np.float32)
    after = msgspec.structs.replace(before, heads=noisy)
    lost = lost_auc(made.exam, before, STEP, after, 0.49)
    assert 0.01 < lost["purchase"].low < 0.49
    with pytest.raises(CertificateError, match=r"where at most 0\.01 is allowed"):
        lost_auc(made.exam, before, STEP, after, 0.01)


def test_a_specification_that_begins_anew_is_replayed_so(made):
    """After a reset every tenth event, an answer depends on nothing before it."""
    carried, trunk = made.exam.histories, made.run.trunk
    histories = dataclasses.replace(carried, fresh=carried.positions % 10 == 0)
    reference = NumpyBackend(made.weights, trunk)
    heads = replayed(reference, trunk, histories).heads
    longest = int(np.argmax(histories.lengths))
    begin = histories.span(longest).start + 10
    state = np.zeros((1, trunk.state_size), np.float32)
    for event in range(begin, begin + 10):
        one = slice(event, event + 1)
        expected, _, state = reference.step(histories.codes[one], histories.numbers[one], state)
        assert heads[event] == pytest.approx(expected[0], abs=1e-6)
    assert np.abs(heads - replayed(reference, trunk, carried).heads)[begin : begin + 10].max() > 1e-4
