"""Every kind of network: its train graph, its window graph and its streamed step agree, as the CNN-LSTM's do."""

import msgspec
import numpy as np
import pytest

from nearsight.backends.reference import NumpyOps
from nearsight.trunk import Activation, Trunk, step
from nearsight_training.network import assign, build, canonical, window_model

KINDS = ("lstm", "cnn", "mlp", "vae")
# Float32 has 1.2e-7 per operation, of numbers that stay below about 10; sums and means are in another order.
CLOSE = 1e-5
TRUNK = Trunk(
    code_sizes=(5, 4),
    embedding_sizes=(3, 2),
    numbers=4,
    filters=12,
    units=10,
    activations=(Activation(kind="sigmoid", start=0, size=2), Activation(kind="softmax", start=2, size=3)),
)


def of_kind(kind, seed):
    """A trunk, weights that don't saturate, and rows of 3 histories with as many questions."""
    trunk, rng = msgspec.structs.replace(TRUNK, kind=kind), np.random.default_rng(seed)
    weights = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in trunk.weight_shapes.items()}
    return trunk, weights, rng


def drawn(trunk, rng, length):
    codes = np.stack([rng.integers(0, size, (3, length)) for size in trunk.code_sizes], -1).astype(np.int32)
    return codes, rng.normal(size=(3, length, trunk.numbers)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [1, 2, 3, 19])
def test_every_prefix_and_every_question_equals_the_streamed_step(kind, length):
    trunk, weights, rng = of_kind(kind, length)
    (codes, numbers), (ask_codes, ask_numbers) = drawn(trunk, rng, length), drawn(trunk, rng, length)
    plain, asking = build(trunk), build(trunk, asks=True, dropout=0.5)
    assign(plain, weights)
    assign(asking, weights)
    logits, embedding = plain([codes, numbers])
    both, beside = asking([np.concatenate([codes, ask_codes], 1), np.concatenate([numbers, ask_numbers], 1)])
    state = np.zeros((3, trunk.state_size), np.float32)
    for t in range(length):
        heads, h, state = step(NumpyOps(), trunk, weights, codes[:, t], numbers[:, t], state)
        asked, asked_h, _ = step(NumpyOps(), trunk, weights, ask_codes[:, t], ask_numbers[:, t], state)
        assert h.shape == (3, trunk.units)
        assert embedding.numpy()[:, t] == pytest.approx(h, abs=CLOSE)
        assert beside.numpy()[:, t] == pytest.approx(h, abs=CLOSE)
        assert beside.numpy()[:, length + t] == pytest.approx(asked_h, abs=CLOSE)
        assert sigmoid(logits.numpy()[:, t, :2]) == pytest.approx(heads[:, :2], abs=CLOSE)
        assert sigmoid(both.numpy()[:, length + t, :2]) == pytest.approx(asked[:, :2], abs=CLOSE)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("kind", KINDS)
def test_the_window_graph_reads_the_answer_at_the_true_length(kind):
    trunk, weights, rng = of_kind(kind, 5)
    codes, numbers = drawn(trunk, rng, 16)
    model = window_model(trunk, weights, 16, batch=3)
    state = np.zeros((3, trunk.state_size), np.float32)
    for t in range(16):
        heads, h, state = step(NumpyOps(), trunk, weights, codes[:, t], numbers[:, t], state)
        found, embedding = model([codes, numbers, np.full(3, t + 1, np.int32)])
        assert found.numpy() == pytest.approx(heads, abs=CLOSE)
        assert embedding.numpy() == pytest.approx(h, abs=CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_come_back_as_they_went_in(kind):
    trunk, weights, _ = of_kind(kind, 9)
    model = build(trunk, asks=True)
    assign(model, weights)
    back = canonical(model)
    assert {name: array.shape for name, array in back.items()} == trunk.weight_shapes
    assert all(np.array_equal(back[name], weights[name]) for name in weights)


def test_a_mean_stays_a_mean_over_a_long_stream():
    trunk, weights, rng = of_kind("mlp", 3)
    numbers = rng.normal(size=(20_000, 1, trunk.numbers)).astype(np.float32)
    codes, state = np.zeros((1, 2), np.int32), np.zeros((1, trunk.state_size), np.float32)
    for row in numbers:
        state = step(NumpyOps(), trunk, weights, codes, row, state)[2]
    row = np.concatenate(
        [np.repeat(np.r_[weights["embedding_0"][0], weights["embedding_1"][0]][None], 20_000, 0), numbers[:, 0]], 1
    )
    frames = np.maximum(row.astype(np.float64) @ weights["frame_kernel"] + weights["frame_bias"], 0)
    assert state[0, :-1] == pytest.approx(frames.mean(0), abs=CLOSE)
    assert state[0, -1] == 20_000


def test_a_bag_of_events_has_no_order_but_for_the_newest():
    trunk, weights, rng = of_kind("mlp", 4)
    codes, numbers = drawn(trunk, rng, 9)
    shuffled = [*reversed(range(8)), 8]
    model = build(trunk)
    assign(model, weights)
    first, second = model([codes, numbers])[0], model([codes[:, shuffled], numbers[:, shuffled]])[0]
    assert first.numpy()[:, -1] == pytest.approx(second.numpy()[:, -1], abs=CLOSE)
    assert np.abs(first.numpy()[:, 0] - second.numpy()[:, 0]).max() > 1e-3
