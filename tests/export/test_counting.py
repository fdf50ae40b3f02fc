"""What a step takes, counted from its file, beside counts by hand on small networks of every kind."""

import numpy as np
import pytest

import made_up
from nearsight.trunk import Activation, Trunk
from nearsight_export.counting import work_of
from nearsight_export.flatbuffer import operators
from nearsight_export.onnx_graphs import step_model
from nearsight_export.ort import optimised, quantised
from nearsight_export.tflite import converted
from nearsight_export.tracing import step_function

# By kind, with rows of 2 + 3 numbers, 4 filters, 6 units and one answer: the products' sizes, from the first to the
# last, and how many numbers besides are read: biases, a row of the embedding, single constants.
BY_HAND = {
    "cnn_lstm": (15 * 4 + (4 + 6) * 24 + 6, (4 + 24 + 1) + 2 + 1),
    "lstm": ((5 + 6) * 24 + 6, (24 + 1) + 2),
    "cnn": (15 * 4 + 4 * 6 + 6, (4 + 6 + 1) + 2),
    "mlp": (5 * 4 + 8 * 6 + 6, (4 + 6 + 1) + 2 + 1),
    "vae": (5 * 4 + 8 * 4 + 4 * 5 + 5 * 4 + 4 * 5 + 5 + 5, (4 + 4 + 5 + 4 + 5 + 1 + 1) + 2 + 1),
}


def small(kind, filters=4, units=6):
    answer = (Activation(kind="sigmoid", start=0, size=1),)
    sizes = {"code_sizes": (5,), "embedding_sizes": (2,), "numbers": 3, "filters": filters, "units": units}
    return Trunk(**sizes, activations=answer, kind=kind)


@pytest.mark.parametrize("kind", BY_HAND)
def test_every_kind_in_tflite_and_onnx(kind):
    trunk = small(kind)
    weights = made_up.weights(trunk, 1)
    products, others = BY_HAND[kind]
    graph = step_function(trunk, weights)
    for member, content in (("step.tflite", converted(graph, "fp32")), ("step.onnx", step_model(trunk, weights))):
        work = work_of(member, content)
        assert work.multiplications == {"fp32": products}, member
        left_out = kind == "vae" and member == "step.tflite"  # the bias of the anomaly score's sum, which is zero
        assert work.weight_bytes == {"fp32": 4 * (products + others - left_out)}, member


def test_operators_and_what_passes_between_them():
    """A step of an LSTM: its operators one by one, with how many numbers of four bytes each reads and writes."""
    trunk = small("lstm")
    work = work_of("step.tflite", converted(step_function(trunk, made_up.weights(trunk, 1)), "fp32"))
    moves = {
        "the code": 1 + 1, "its row": 1 + 2, "the row": 2 + 3 + 5, "h and c": 12 + 12, "row and h": 5 + 6 + 11,
        "gates and candidate": 24 + 24, "input, forget, output": 18 + 18, "state": 6 + 6 + 12,
    }  # fmt: skip
    computes = {
        "product": 11 + 24, "sigmoid": 18 + 18, "tanh": 6 + 6, "forgotten": 6 + 6 + 6, "let in": 6 + 6 + 6,
        "sum": 6 + 6 + 6, "tanh of c": 6 + 6, "let out": 6 + 6 + 6, "logit": 6 + 1, "answer": 1 + 1,
    }  # fmt: skip
    assert (work.moves, work.computes) == (len(moves), len(computes))
    assert work.operators == 18
    assert work.activation_bytes == 4 * sum({**moves, **computes}.values())


def test_eight_bits_are_counted_where_they_are():
    """Both runtimes' graphs leave tensors of fewer than 1,024 numbers as they are."""
    trunk = small("cnn_lstm", filters=16, units=24)
    weights = made_up.weights(trunk, 1)
    conv, lstm, head, biases = 15 * 16, (16 + 24) * 96, 24, 16 + 96 + 1
    work = work_of("step.tflite", converted(step_function(trunk, weights), "int8"))
    assert work.multiplications == {"fp32": conv + head, "int8": lstm}
    assert work.weight_bytes == {"fp32": 4 * (conv + head + biases + 2 + 1), "int8": lstm}
    work = work_of("step.onnx", quantised(step_model(trunk, weights)))
    assert work.multiplications == {"fp32": conv + head, "int8": lstm}
    assert work.weight_bytes["int8"] == lstm + 1  # and its zero point


def test_half_floats_are_read_in_32_bits_and_not_unpacked_at_each_step():
    trunk = small("cnn_lstm", filters=16, units=24)
    graph = step_function(trunk, made_up.weights(trunk, 1))
    half, whole = converted(graph, "fp16"), converted(graph, "fp32")
    assert operators(half)["DEQUANTIZE"] > 0
    assert work_of("step.tflite", half) == work_of("step.tflite", whole)


def test_integers_throughout_are_counted_as_such():
    trunk = small("cnn_lstm", filters=16, units=24)
    rng = np.random.default_rng(0)
    widths = {"numbers": trunk.numbers, "state": trunk.state_size}
    sample = {name: rng.normal(size=(8, width)).astype(np.float32) for name, width in widths.items()}
    sample |= {"codes": np.zeros((8, 1), np.int32)}
    content = converted(step_function(trunk, made_up.weights(trunk, 1)), "int16x8", [sample])
    work = work_of("step.tflite", content)
    assert work.multiplications == {"int16x8": 15 * 16 + 40 * 96 + 24}
    assert work.weight_bytes["int8"] == 15 * 16 + 40 * 96 + 24
    assert work.operators == sum(operators(content).values())


def test_onnx_operators_are_those_that_run():
    """Relu is fused with its product, and the products' biases with them."""
    import onnx

    trunk = small("cnn_lstm")
    content = step_model(trunk, made_up.weights(trunk, 1))
    run = onnx.load_from_string(optimised(content)).graph.node
    assert work_of("step.onnx", content).operators == len(run) < len(onnx.load_from_string(content).graph.node)
