"""Every kind of network: its train graph, its window graph and its streamed step agree, as the CNN-LSTM's do."""

import msgspec
import numpy as np
import pytest

from nearsight.backends.reference import NumpyOps
from nearsight.trunk import Activation, Trunk, step
from nearsight_training.layers import Anomaly, Encoding
from nearsight_training.network import assign, build, canonical, window_model
from nearsight_training.tensorflow import tf, tf_keras

KINDS = ("lstm", "cnn", "mlp", "vae", "cnn_lstm", "cnn_lstm of rank 3", "lstm of rank 3")
SKIPS = (False, True)
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


def of_kind(kind, seed, skip=False):
    """A trunk, weights that don't saturate, and rows of 3 histories with as many questions."""
    name, _, rank = kind.partition(" of rank ")
    trunk = msgspec.structs.replace(TRUNK, kind=name, rank=int(rank or 0), skip=skip)
    rng = np.random.default_rng(seed)
    weights = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in trunk.weight_shapes.items()}
    return trunk, weights, rng


def drawn(trunk, rng, length):
    codes = np.stack([rng.integers(0, size, (3, length)) for size in trunk.code_sizes], -1).astype(np.int32)
    return codes, rng.normal(size=(3, length, trunk.numbers)).astype(np.float32)


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [1, 2, 3, 19])
def test_every_prefix_and_every_question_equals_the_streamed_step(kind, length, skip):
    trunk, weights, rng = of_kind(kind, length, skip)
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


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_window_graph_reads_the_answer_at_the_true_length(kind, skip):
    trunk, weights, rng = of_kind(kind, 5, skip)
    codes, numbers = drawn(trunk, rng, 16)
    model = window_model(trunk, weights, 16, batch=3)
    state = np.zeros((3, trunk.state_size), np.float32)
    for t in range(16):
        heads, h, state = step(NumpyOps(), trunk, weights, codes[:, t], numbers[:, t], state)
        found, embedding = model([codes, numbers, np.full(3, t + 1, np.int32)])
        assert found.numpy() == pytest.approx(heads, abs=CLOSE)
        assert embedding.numpy() == pytest.approx(h, abs=CLOSE)


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("kind", KINDS)
def test_weights_come_back_as_they_went_in(kind, skip):
    trunk, weights, _ = of_kind(kind, 9, skip)
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


def test_what_an_autoencoder_adds_to_the_loss_leaves_padding_out():
    """The divergence of N(mean, variance) from N(0, 1), by hand, and half the sum of squares over a variance."""
    mean, variance = np.array([[1.0, 2.0], [9.0, 9.0]]), np.array([[1.0, 4.0], [7.0, 7.0]])
    present = np.array([1.0, 0.0])
    encoding, anomaly = Encoding(), Anomaly()
    encoding([tf.constant(x, tf.float32) for x in (mean, np.log(variance), present)], training=True)
    by_hand = ((1 + 1 - 1 - 0) + (4 + 4 - 1 - np.log(4))) / 2
    assert float(encoding.losses[0]) == pytest.approx(Encoding.WEIGHT * by_hand, rel=1e-6)
    rows, decoded = tf.constant([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]), tf.constant([[1.0, 0.0, 0.0], [5.0, 5.0, 5.0]])
    scores = anomaly([rows, decoded, tf.constant(present, tf.float32)], training=True)
    assert scores.numpy()[:, 0] == pytest.approx([13 / 3, 25])
    assert float(anomaly.losses[0]) == pytest.approx(Encoding.WEIGHT * 13 / 2 / Anomaly.VARIANCE)
    anomaly([rows, decoded, tf.constant(present, tf.float32)])
    assert anomaly.losses == []


def test_a_latent_vector_is_drawn_in_training_alone():
    mean, spread, present = tf.fill([20_000, 1], 3.0), tf.fill([20_000, 1], float(np.log(0.25))), tf.ones([20_000])
    tf_keras.utils.set_random_seed(0)
    drawn = Encoding()([mean, spread, present], training=True).numpy()
    assert (drawn.mean(), drawn.std()) == (
        pytest.approx(3.0, abs=0.02),
        pytest.approx(0.5, abs=0.02),
    )  # 5 standard errors
    assert np.array_equal(Encoding()([mean, spread, present]), mean)
