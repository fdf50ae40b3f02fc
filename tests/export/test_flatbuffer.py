"""A tidied file is smaller, says what it said bit for bit, and keeps its names."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

import made_up
from nearsight_export import tflite
from nearsight_export.flatbuffer import tidied
from nearsight_export.tracing import step_function

TRUNK = made_up.trunk(made_up.spec(counts=()), made_up.heads(), filters=16, units=32)


@pytest.fixture(scope="module")
def files():
    """An 8-bit step as the converter gives it, and tidied."""
    raw = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tflite, "tidied", lambda content: raw.append(content) or tidied(content))
        made = tflite.converted(step_function(TRUNK, made_up.weights(TRUNK)), "int8")
    return raw[0], made


def said(content, batch):
    """All outputs for drawn inputs, by the signature's names."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    runner, rng = interpreter.get_signature_runner(), np.random.default_rng(6)
    return runner(
        codes=rng.integers(0, 3, (batch, len(TRUNK.code_sizes))).astype(np.int32),
        numbers=rng.normal(size=(batch, TRUNK.numbers)).astype(np.float32),
        state=rng.normal(size=(batch, TRUNK.state_size)).astype(np.float32),
    )


@pytest.mark.parametrize("batch", [1, 3])
def test_a_tidied_file_gives_the_same_bits(files, batch):
    first, second = (said(content, batch) for content in files)
    assert set(first) == set(second) == {"heads", "embedding", "next_state"}
    assert all(first[name].shape[0] == batch and np.array_equal(first[name], second[name]) for name in first)


def test_all_but_the_weights_is_little(files):
    structure = [len(content) - sum(_sizes(content)) for content in files]
    assert structure[1] < min(5_000, 0.7 * structure[0])


def test_weights_lie_where_the_schema_wants_them_and_nothing_lies_there_twice(files):
    content = files[1]
    buffers = schema.ModelT.InitFromPackedBuf(content).buffers
    assert buffers[0].data is None
    for buffer in buffers[1:]:
        data = buffer.data.tobytes()
        if len(data) >= 256:
            assert content.index(data) % 16 == 0
            assert content.count(data) == 1


def _sizes(content):
    return [len(buffer.data) for buffer in schema.ModelT.InitFromPackedBuf(content).buffers if buffer.data is not None]
