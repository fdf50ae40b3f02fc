"""8-bit products of fixed ranges: what computes with integers, what they cost, and where ranges come from."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given
from hypothesis import strategies as st

import made_up
from nearsight.backends import choose
from nearsight.backends.reference import NumpyBackend
from nearsight.trunk import Activation
from nearsight_export.bounds import bound
from nearsight_export.flatbuffer import operations, operators
from nearsight_export.replay import replayed, streamed
from nearsight_export.rewriting import Rewriting
from nearsight_export.samples import collected
from nearsight_export.static_range import _Range, ranged
from nearsight_export.tflite import converted
from nearsight_export.tracing import step_function

STEP = "int8-full/step.tflite"


@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=20), st.sampled_from([np.inf, 10.0]))
def test_a_range_holds_its_numbers_and_nothing_beyond_what_matters(numbers, most):
    array = np.array(numbers, np.float32)
    found = _Range.of(array, most)
    whole = np.clip(np.rint(array / found.scale) + found.zero, -128, 127)
    back = (whole - found.zero) * found.scale
    assert np.abs(back - np.clip(array, -most, most)).max() <= 0.51 * found.scale + 1e-6
    assert found.scale <= (2 * min(most, 50) + 1e-6) / 255 or found.scale == 1.0
    assert -128 <= found.zero <= 127  # so that 0 is a whole number's


def products(content):
    return [each for each in operations(content) if each.name == "FULLY_CONNECTED"]


def test_the_products_of_the_network_compute_with_integers_and_the_answers_do_not(made):
    """The convolution, and the LSTM's kernel in two: for the gates and for the candidate."""
    inner, answers = products(made.files[STEP])[:3], products(made.files[STEP])[3:]
    for product in inner:
        assert [each.kind for each in product.inputs] == ["int8", "int8", "int32"]
        assert [each.kind for each in product.outputs] == ["int8"]
    assert [each.outputs[0].shape for each in inner] == [(1, 16), (1, 72), (1, 24)]
    assert {each.kind for product in answers for each in (product.inputs[0], *product.outputs)} == {"float32"}
    assert operators(made.files[STEP])["LOGISTIC"] == operators(made.files["fp32/step.tflite"])["LOGISTIC"]


def test_nothing_is_left_over_of_what_was_replaced(made):
    interpreter = Interpreter(model_content=made.files[STEP], experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    for detail in interpreter.get_tensor_details():
        interpreter.get_tensor(detail["index"])  # raises for a tensor that no operator writes


def test_decisions_and_a_long_stream_stay(made):
    exam = made.exam
    backend = choose("litert", {"step.tflite": made.files[STEP]}, exam.trunk)
    found = replayed(backend, exam.trunk, exam.histories).heads
    for head in exam.heads[:2]:
        sides = [x[:, head.start] >= head.threshold for x in (found, exam.replay.heads)]
        assert (sides[0] != sides[1]).mean() <= bound(STEP).flipped
    assert np.abs(streamed(backend, exam.trunk, *exam.stream) - exam.expected_stream).max() <= 0.05


def test_balanced_inputs_keep_a_small_one_beside_a_large_one():
    """One number is a thousand times as large as the other, whose weights are a thousand times as large."""
    trunk = made_up.trunk(made_up.spec(), made_up.heads())
    trunk = type(trunk)(
        code_sizes=(2,), embedding_sizes=(1,), numbers=2, filters=4, units=4, kind="mlp",
        activations=(Activation(kind="linear", start=0, size=1),),
    )  # fmt: skip
    weights = {name: np.zeros(shape, np.float32) for name, shape in trunk.weight_shapes.items()}
    weights["frame_kernel"][1:, 0] = 1.0, 1000.0
    weights["dense_kernel"][4, 0] = weights["head_kernel"][0, 0] = 1.0
    rng = np.random.default_rng(0)
    numbers = (rng.random((200, 2)) * [1.0, 0.001]).astype(np.float32)
    inputs = {
        "codes": np.zeros((200, 1), np.int32), "numbers": numbers,
        "state": np.zeros((200, trunk.state_size), np.float32),
    }  # fmt: skip
    content = converted(step_function(trunk, weights), "int8-full", [inputs])
    backend, reference = choose("litert", {"step.tflite": content}, trunk), NumpyBackend(weights, trunk)
    apart = [
        backend.step(*(x[row : row + 1] for x in inputs.values()))[0]
        - reference.step(*(x[row : row + 1] for x in inputs.values()))[0]
        for row in range(200)
    ]
    assert np.abs(apart).max() <= 0.05  # of 2; one range for both inputs would lose the smaller one: 1.0


def test_ranges_reach_what_no_user_did(made):
    """With the specification, invented histories are among the samples, each with the states that it met."""
    run, histories = made.run, made.exam.histories
    plain = collected(run.trunk, made.weights, run.window, histories, 1)
    wide = collected(run.trunk, made.weights, run.window, histories, 1, run.spec)
    more = slice(len(plain.step_codes), None)
    assert (wide.step_codes[: more.start] == plain.step_codes).all()
    assert len(wide.step_codes[more]) > 200
    backend = NumpyBackend(made.weights, run.trunk)
    states = wide.step_states[more]
    assert (~states.any(1)).sum() >= 40  # each history begins with an empty state
    second = slice(more.start + 1, more.start + 2)  # the first history is of one event
    after = backend.step(wide.step_codes[second], wide.step_numbers[second], wide.step_states[second])[2]
    assert (states[2] == after[0]).all()


def test_products_that_answers_alone_need_are_told_from_those_that_the_state_needs(made):
    graph = step_function(made.run.trunk, made.weights)
    floats = converted(graph, "fp32")
    samples = [{"codes": made.exam.probe[0], "numbers": made.exam.probe[1], "state": made.exam.probe[2]}]
    rewritten = Rewriting(ranged(floats, floats, samples))
    kinds = [rewritten.tensors[each.inputs[0]].type for each in rewritten.products()]
    assert len(set(kinds[:3])) == len(set(kinds[3:])) == 1
    assert kinds[0] != kinds[3]
    with pytest.raises(KeyError):
        Rewriting(converted(graph, "fp32")).outputs()["no such output"]
