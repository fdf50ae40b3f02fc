"""Rounding in the train graph is the artifact's, and a network that has learned with it loses less to it."""

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import numpy_helper

import made_up
from nearsight.backends import choose
from nearsight.backends.interpreter import load_interpreter
from nearsight.backends.reference import NumpyBackend
from nearsight.bundle import read_bundle
from nearsight.conformance import read_vectors, verify
from nearsight.errors import BundleError
from nearsight.heads import calibrated
from nearsight_export.config import ExportConfig
from nearsight_export.export import export
from nearsight_export.flatbuffer import operators
from nearsight_export.grid import Grid, grid_of, grids
from nearsight_export.grid import shapes as piece_shapes
from nearsight_export.passes.model import Desk, Model
from nearsight_export.passes.quantisation import _on_grid, rounding
from nearsight_export.recipe import QuantisationAware
from nearsight_export.replay import replayed
from nearsight_export.source import passed
from nearsight_export.tflite import converted
from nearsight_export.tracing import step_function
from nearsight_training.answers import answers, probabilities
from nearsight_training.progress import SILENT
from nearsight_training.run import load_histories, load_run, load_weights
from nearsight_training.tensorflow import tf

BITS = {"int8": 8, "int4": 4}
GRAPHS = ("step.tflite", "window.tflite")
KERNELS = arrays.arrays(np.float32, (6, 5), elements=st.integers(-4000, 4000).map(lambda whole: whole / 1000))
GRIDS = [Grid(8, by_column=False), Grid(4, by_column=True)]


def said(backend, trunk, histories):
    replay = replayed(backend, trunk, histories)
    return np.concatenate([replay.heads, replay.asked])


def artifact(variant, run, weights, histories):
    """What the step graph of a variant says with these uncalibrated weights."""
    content = converted(step_function(run.trunk, calibrated(weights, run.heads)), variant)
    return said(choose("litert", {"step.tflite": content}, run.trunk), run.trunk, histories)


def graph_says(graph, run, histories):
    found = answers(graph, histories)
    logits = np.concatenate([found.events, found.asks])
    return np.concatenate([probabilities(logits, head).reshape(len(logits), -1) for head in run.heads], 1)


@given(KERNELS, st.sampled_from(GRIDS))
def test_a_grid_moves_a_weight_by_half_a_step_at_most(kernel, grid):
    rounded, scales = grid.rounded(kernel), np.broadcast_to(grid.scales(kernel), kernel.shape)
    assert (np.abs(rounded - kernel) <= scales * 0.5001).all()
    assert (rounded[kernel == 0] == 0).all()
    assert np.abs(grid.whole(kernel)).max() <= 2 ** (grid.bits - 1) - 1
    assert np.abs(grid.rounded(rounded) - rounded).max() <= 1e-6
    assert (grid.whole(rounded) == grid.whole(kernel)).all()


@given(KERNELS, st.sampled_from(GRIDS))
def test_the_train_graph_rounds_by_the_same_grid_and_gradients_pass(kernel, grid):
    with tf.GradientTape() as tape:
        variable = tf.Variable(kernel)
        rounded = _on_grid(variable, grid)
    assert np.abs(rounded.numpy() - grid.rounded(kernel)).max() <= 1e-6
    assert (tape.gradient(rounded, variable).numpy() == 1).all()


def test_small_matrices_embeddings_and_odd_inputs_keep_more_bits():
    assert grid_of((64, 15), 4) is None  # 960 weights
    assert grid_of((64, 16), 4) == Grid(4, by_column=True)
    assert grid_of((65, 16), 4) == grid_of((64, 16), 4, is_product=False) == Grid(8, by_column=False)
    assert grid_of((4096,), 8) is None


@pytest.mark.parametrize("variant", BITS)
def test_the_train_graph_answers_as_the_artifact(made, run_path, variant):
    run, weights, test = made.run, load_weights(run_path), made.exam.histories
    expected = artifact(variant, run, weights, test)
    found = graph_says(rounding(Model(run.trunk, weights), BITS[variant]), run, test)
    # What remains are sums in another order, which decide some roundings of activations otherwise.
    assert np.abs(found - expected).mean() <= 0.1 * np.abs(made.exam.expected - expected).mean()


@pytest.mark.parametrize(
    ("kind", "rank"), [("lstm", 0), ("cnn", 0), ("mlp", 0), ("vae", 0), ("cnn_lstm", 16), ("lstm", 8)]
)
def test_so_it_does_for_every_kind_of_network(run_path, kind, rank):
    run, test = load_run(run_path), load_histories(run_path).select(2).limited(300, 1)
    trunk = msgspec.structs.replace(made_up.trunk(run.spec, run.heads, 32, 45, skip=True), kind=kind, rank=rank)
    weights = made_up.weights(trunk, 4)
    run = msgspec.structs.replace(run, trunk=trunk)
    exact = said(NumpyBackend(calibrated(weights, run.heads), trunk), trunk, test)
    expected = artifact("int8", run, weights, test)
    assert grids(trunk, 8)
    found = graph_says(rounding(Model(trunk, weights), 8), run, test)
    assert np.abs(found - expected).mean() <= 0.25 * np.abs(exact - expected).mean()


@pytest.fixture(scope="module", params=BITS)
def learned(request, run_path):
    """A network with half of its LSTM cut away before it learned, by variant."""
    run, weights = load_run(run_path), load_weights(run_path)
    weights["lstm_kernel"] = np.where(
        np.random.default_rng(0).random(weights["lstm_kernel"].shape) < 0.5, 0, weights["lstm_kernel"]
    )
    desk = Desk.of(run, load_histories(run_path).take(np.arange(0, 240, 2)))
    model, report = passed(QuantisationAware(bits=BITS[request.param]), Model(run.trunk, weights), desk, SILENT)
    return request.param, run, weights, model, report


def test_the_weights_that_come_out_lie_on_their_grids_and_zeros_stay(learned):
    variant, run, weights, model, report = learned
    assert {name: array.shape for name, array in model.weights.items()} == run.trunk.weight_shapes
    assert set(report.tensors) | {name for name, why in report.skipped.items() if "float" in why} == set(
        run.trunk.pieces
    )
    held, before = run.trunk.cut(model.weights), run.trunk.cut(weights)
    for name, grid in grids(run.trunk, BITS[variant]).items():
        assert np.abs(grid.rounded(held[name]) - held[name]).max() <= 1e-6
        assert (held[name] != before[name]).mean() > 0.3
        assert report.tensors[name].distinct == len(np.unique(held[name]))
    assert (model.weights["lstm_kernel"][weights["lstm_kernel"] == 0] == 0).all()
    assert report.tensors["lstm_kernel"].sparsity >= 0.5


def test_the_artifact_is_nearer_to_its_source_and_to_its_teacher(learned, run_path):
    variant, run, weights, model, _ = learned
    test = load_histories(run_path).select(2)
    taught = said(NumpyBackend(calibrated(weights, run.heads), run.trunk), run.trunk, test)
    source = said(NumpyBackend(calibrated(model.weights, run.heads), run.trunk), run.trunk, test)
    plain, found = artifact(variant, run, weights, test), artifact(variant, run, model.weights, test)
    before = np.abs(plain - taught).mean()
    assert np.abs(found - source).mean() <= {"int8": 0.8, "int4": 0.2}[variant] * before
    assert np.abs(found - taught).mean() <= {"int8": 1.0, "int4": 0.8}[variant] * before


def test_an_onnx_step_holds_the_same_weights(made):
    """Those of TFLite's 8-bit step: what a pass has put on the grid stays there."""
    graph = onnx.load_from_string(made.files["int8/step.onnx"]).graph
    held = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    found = [
        (numbers.astype(np.float32) - held[name.replace("quantized", "zero_point")])
        * held[name.replace("quantized", "scale")]
        for name, numbers in held.items()
        if name.endswith("_quantized")
    ]
    for name, grid in grids(made.run.trunk, 8).items():
        expected = grid.rounded(made.run.trunk.cut(made.weights)[name])
        assert any(each.shape == expected.shape and np.abs(each - expected).max() <= 1e-6 for each in found), name


def test_four_bits_weigh_half_and_run_in_products_alone(made):
    eight, four = made.files["int8/step.tflite"], made.files["int4/step.tflite"]
    assert operators(four) == operators(eight)
    saved = sum(np.prod(size) for size, grid in shapes(made.run.trunk) if grid.bits == 4) / 2
    scales = sum(12 * size[1] for size, grid in shapes(made.run.trunk) if grid.bits == 4)  # a float and an int64 each
    assert len(eight) - len(four) == pytest.approx(saved - scales, abs=200)


def shapes(trunk):
    return [(piece_shapes(trunk)[name], grid) for name, grid in grids(trunk, 4).items()]


def test_four_bits_are_proven_and_shipped(run_path, tmp_path):
    chosen = ExportConfig(variant="int4", variants=("int4",), passes=(QuantisationAware(bits=4),), members=GRAPHS)
    found = export(run_path, chosen, tmp_path / "model.nsight")
    bundle = read_bundle(tmp_path / "model.nsight")
    precisions = {name: bundle.manifest.members[name].precision for name in GRAPHS}
    assert precisions == {"step.tflite": "int4", "window.tflite": "int8"}
    backend = choose("litert", {"step.tflite": bundle.members["step.tflite"]}, bundle.manifest.trunk)
    verify(read_vectors(bundle.members["vectors.json"]), bundle.manifest, backend, "int4")
    assert found.certificate.passes[0].name == "quantisation_aware"


def test_a_runtime_too_old_for_four_bits_says_so(made):
    class Old:
        def __init__(self, **_):
            raise ValueError(
                "Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'. An older\nRegistration failed.\n"
            )

    with pytest.raises(BundleError, match=r"^step\.tflite needs FULLY_CONNECTED in version 12, which [^\n]*as int8$"):
        load_interpreter("tflite", Old, made.files["int4/step.tflite"], made.run.trunk)
