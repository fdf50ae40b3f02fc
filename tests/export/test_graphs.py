"""Every graph at every precision against the NumPy step, which `tests/sdk` holds to a network in float64."""

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter

import made_up
from nearsight.backends import choose
from nearsight.backends.reference import NumpyBackend
from nearsight.spec import Category, Spec, Steps
from nearsight_export import onnx_graphs
from nearsight_export.flatbuffer import foreign_operators, operators
from nearsight_export.making import Maker
from nearsight_export.replay import replayed
from nearsight_export.samples import Samples, collected
from nearsight_export.variants import FUSED, VARIANTS, artifacts
from nearsight_export.windows import loaded_window
from nearsight_training.tensorflow import tf

# Float32 sums in another order; 11-bit weights; 8-bit weights against each matrix's largest, 4-bit against a column's.
ERRORS = {"fp32": 1e-6, "fp16": 1e-3, "int8": 0.05, "int8-full": 0.05, "int16x8": 0.05, "int4": 0.25}
STEPS = [f"{precision}/step.tflite" for precision in ERRORS] + ["fp32/step.onnx", "int8/step.onnx"]
WINDOWS = [name for name in artifacts(tuple(VARIANTS)) if "window" in name]


def backend_of(artifact, content, trunk):
    member = artifact.split("/")[1]
    return choose("litert" if member.endswith("tflite") else "onnx", {member: content}, trunk)


@pytest.mark.parametrize("artifact", STEPS)
def test_a_step_answers_as_the_reference_after_every_event_and_question(made, artifact):
    exam = made.exam
    replay = replayed(backend_of(artifact, made.files[artifact], exam.trunk), exam.trunk, exam.histories)
    found = np.concatenate([replay.heads, replay.asked])
    assert np.abs(found - exam.expected).max() <= ERRORS[artifact.split("/")[0]]


@pytest.mark.parametrize("artifact", WINDOWS)
def test_a_window_answers_as_the_step_at_every_length(made, artifact):
    windows = made.exam.windows
    assert set(windows.lengths.tolist()) == set(range(1, made.run.window + 1))
    found = loaded_window(artifact.split("/")[1], made.files[artifact]).answers(windows)
    assert np.abs(found - made.exam.expected[windows.decisions]).max() <= ERRORS[artifact.split("/")[0]]


def test_the_trained_network_answers_as_the_step(made):
    assert np.abs(made.trained - made.exam.expected).max() <= 1e-6


def test_a_window_graph_remembers_nothing_and_the_fused_operator_does(made):
    windows = made.exam.windows
    expected = made.exam.expected[windows.decisions]
    carried = loaded_window("window.tflite", made.files[f"fp32/{FUSED}"])
    assert np.abs(carried.answers(windows) - expected).max() > 1e-3
    assert operators(made.files[f"fp32/{FUSED}"])["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 1
    reset = [one_fused(made.files[f"fp32/{FUSED}"], windows, at) for at in range(40)]
    assert np.abs(np.concatenate(reset) - expected[:40]).max() <= ERRORS["fp32"]


def one_fused(content, windows, at):
    """A fresh interpreter's variables are zero, as after `reset_all_variables`."""
    graph = loaded_window("window.tflite", content)
    return graph.answers(type(windows)(*(getattr(windows, name)[at : at + 1] for name in windows.__struct_fields__)))


@pytest.mark.parametrize("artifact", [name for name in (*STEPS, *WINDOWS) if name.endswith("tflite")])
def test_tflite_graphs_use_built_in_operators_and_plain_names(made, artifact):
    content = made.files[artifact]
    assert foreign_operators(content) == []
    interpreter = Interpreter(model_content=content)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    last = ("numbers", "state") if "step" in artifact else ("length", "numbers")
    assert [detail["name"] for detail in inputs] == ["codes", *last]
    assert [detail["name"] for detail in outputs] == ["embedding", "heads", "next_state"][: len(outputs)]
    assert len(outputs) == (3 if "step" in artifact else 2)
    assert {detail["dtype"] for detail in outputs} == {np.float32}
    signature = interpreter.get_signature_list()["serving_default"]
    assert signature == {
        "inputs": [detail["name"] for detail in inputs],
        "outputs": [detail["name"] for detail in outputs],
    }


def test_a_foreign_operator_is_found():
    @tf.function(input_signature=[tf.TensorSpec([3, 3], tf.float32)])
    def inverse(x):
        return tf.linalg.inv(x)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([inverse.get_concrete_function()], tf.Module())
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    assert foreign_operators(converter.convert()) == ["CUSTOM:FlexMatrixInverse"]


def test_integer_graphs_compute_with_integers(made):
    for member in ("step.tflite", "window.tflite"):
        interpreter = Interpreter(model_content=made.files[f"int16x8/{member}"])
        interpreter.allocate_tensors()
        floats = [detail["name"] for detail in interpreter.get_tensor_details() if detail["dtype"] == np.float32]
        assert set(floats) <= {"numbers", "state", "heads", "embedding", "next_state"}


@pytest.mark.parametrize("artifact", [name for name in STEPS if name != "int8/step.onnx"])
def test_a_row_is_answered_alike_alone_and_in_a_batch(made, artifact):
    # onnxruntime's dynamic quantisation alone scales a whole batch by its largest number.
    backend, exam = backend_of(artifact, made.files[artifact], made.exam.trunk), made.exam
    states = np.random.default_rng(1).normal(0, 0.5, (7, exam.trunk.state_size)).astype(np.float32)
    codes, numbers = exam.histories.codes[:7], exam.histories.numbers[:7]
    together = backend.step(codes, numbers, states)
    for row in range(7):
        one = slice(row, row + 1)
        for batch, single in zip(together, backend.step(codes[one], numbers[one], states[one]), strict=True):
            assert np.abs(batch[one] - single).max() <= 1e-5  # a kernel may sum a batch in another order


def test_the_recorded_step_is_small(made):
    nodes = [node.op_type for node in onnx.load_from_string(made.files["fp32/step.onnx"]).graph.node]
    assert nodes.count("Gemm") == 4  # two for the yes/no answers and for what comes next
    assert len(nodes) <= 36
    assert not {"Slice", "Identity"} & set(nodes)  # every cut is a Split, and outputs need no copy


def test_the_codes_are_taken_apart_at_once(made):
    # Operators that XNNPACK doesn't run cost several times as much as its own.
    found = operators(made.files["int8/step.tflite"])
    assert (found["UNPACK"], found["GATHER"]) == (1, len(made.run.trunk.code_sizes))
    assert found["STRIDED_SLICE"] <= 14


def table_model():
    """The article's table: one kind of event, one number, one head."""
    spec = Spec(
        event=Category(name="event", vocabulary=()), steps=Steps(name="value", lows=(0.0,) * 5, highs=(1.0,) * 5)
    )
    heads = made_up.heads()[:1]
    return made_up.trunk(spec, heads, filters=4, units=6)


def test_one_code_one_number_and_one_head_are_enough():
    trunk = table_model()
    weights = made_up.weights(trunk)
    reference, rng = NumpyBackend(weights, trunk), np.random.default_rng(0)
    codes, numbers = np.zeros((9, 1), np.int32), rng.random((9, 1)).astype(np.float32)
    states = np.zeros((9, trunk.state_size), np.float32)
    rows = {"step_codes": codes, "step_numbers": numbers, "step_states": states}
    length = np.array([5], np.int32)
    parts = {"window_codes": codes[None, :5], "window_numbers": numbers[None, :5], "window_lengths": length}
    maker = Maker(trunk, weights, 5, Samples(**rows, **parts))
    for artifact in STEPS:
        backend, error = backend_of(artifact, maker.make(artifact), trunk), ERRORS[artifact.split("/")[0]]
        state = expected_state = np.zeros((1, trunk.state_size), np.float32)
        for row in range(9):
            one = slice(row, row + 1)
            heads, _, state = backend.step(codes[one], numbers[one], state)
            expected, _, expected_state = reference.step(codes[one], numbers[one], expected_state)
            # Calibrated on first events alone, integers may clip later ones.
            assert np.abs(heads - expected).max() <= (0.2 if "full" in artifact else error)


def test_a_free_length_in_onnx(made):
    windows, weights, trunk = made.exam.windows, made.weights, made.run.trunk
    graph = loaded_window("window.onnx", onnx_graphs.window_model(trunk, weights))
    wider = type(windows)(
        np.pad(windows.codes[:50], ((0, 0), (0, 9), (0, 0)), constant_values=1),
        np.pad(windows.numbers[:50], ((0, 0), (0, 9), (0, 0)), constant_values=7.0),
        windows.lengths[:50],
        windows.decisions[:50],
    )
    assert np.abs(graph.answers(wider) - made.exam.expected[windows.decisions[:50]]).max() <= ERRORS["fp32"]


def test_samples_hold_the_extremes(made):
    histories = made.exam.histories
    samples = collected(made.run.trunk, made.weights, made.run.window, histories, 1)
    replay = replayed(made.exam.reference, made.run.trunk, histories, keep=True)
    states = np.concatenate([replay.states, replay.asked_states])
    numbers = np.concatenate([histories.numbers, histories.ask_numbers])
    assert (samples.step_states.min(0) <= states.min(0)).all()
    assert (samples.step_states.max(0) >= states.max(0)).all()
    assert (samples.step_numbers.min(0) == numbers.min(0)).all()
    assert (samples.step_numbers.max(0) == numbers.max(0)).all()
    assert len({len(batch["codes"]) for batch in samples.steps()}) == 1
