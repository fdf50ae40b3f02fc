"""The other networks against an oracle, written over whole histories in float64; for the CNN-LSTM see test_trunk.py."""

import msgspec
import numpy as np
import pytest

import made_up
from nearsight.backends.reference import NumpyBackend
from nearsight.trunk import Trunk

SPEC, HEADS = made_up.spec(), made_up.heads()
PLAIN = made_up.trunk(SPEC, HEADS)
EVENTS = 33


def relu(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(w, rows):
    h = c = np.zeros(PLAIN.units)
    for row in rows:
        i, f, o, g = np.split(np.concatenate([row, h]) @ w["lstm_kernel"] + w["lstm_bias"], 4)
        c = c * sigmoid(f) + np.tanh(g) * sigmoid(i)
        h = np.tanh(c) * sigmoid(o)
    return h, h


def cnn(w, rows):
    padded = np.concatenate([np.zeros((2, rows.shape[1])), rows])
    windows = np.stack([padded[k : k + 3].ravel() for k in range(len(rows))])
    largest = relu(windows @ w["conv_kernel"] + w["conv_bias"]).max(0)
    h = relu(largest @ w["dense_kernel"] + w["dense_bias"])
    return h, h


def bag(w, rows):
    frames = relu(rows @ w["frame_kernel"] + w["frame_bias"])
    return relu(np.concatenate([frames.mean(0), frames[-1]]) @ w["dense_kernel"] + w["dense_bias"])


def mlp(w, rows):
    return bag(w, rows), bag(w, rows)


def vae(w, rows):
    latent = bag(w, rows) @ w["latent_kernel"] + w["latent_bias"]
    expected = relu(latent @ w["unfold_kernel"] + w["unfold_bias"]) @ w["decoded_kernel"] + w["decoded_bias"]
    return latent, np.append(latent, ((rows[-1] - expected) ** 2).mean())


@pytest.mark.parametrize("whole", [lstm, cnn, mlp, vae], ids=lambda network: network.__name__)
def test_streamed_equals_whole_at_every_prefix(whole):
    trunk, rng = msgspec.structs.replace(PLAIN, kind=whole.__name__), np.random.default_rng(1)
    weights = made_up.weights(trunk)
    codes = np.stack([rng.integers(0, size, EVENTS) for size in trunk.code_sizes], 1).astype(np.int32)
    numbers = rng.normal(size=(EVENTS, trunk.numbers)).astype(np.float32)
    w = {name: array.astype(np.float64) for name, array in weights.items()}
    rows = np.concatenate([*(w[f"embedding_{k}"][codes[:, k]] for k in range(codes.shape[1])), numbers], 1)
    backend, state = NumpyBackend(weights, trunk), np.zeros((1, trunk.state_size), np.float32)
    for event in range(EVENTS):
        answer, embedding, state = backend.step(codes[event : event + 1], numbers[event : event + 1], state)
        read, expected = whole(w, rows[: event + 1])
        yes = sigmoid(read @ w["head_kernel"] + w["head_bias"])[:2]
        assert answer[0, :2] == pytest.approx(yes, abs=2e-6)  # float32 against float64
        assert embedding[0] == pytest.approx(expected, abs=5e-6)  # an anomaly score of about 2 is among them


def test_a_cnn_lstm_is_written_as_it_was_before_there_were_others():
    written = msgspec.json.encode(PLAIN)
    assert b'"kind":"cnn_lstm"' not in written
    assert msgspec.json.decode(written, type=Trunk) == PLAIN
    other = msgspec.structs.replace(PLAIN, kind="cnn")
    assert msgspec.json.decode(msgspec.json.encode(other), type=Trunk) == other


def test_an_unknown_network_is_refused():
    with pytest.raises(msgspec.ValidationError, match="kind"):
        msgspec.json.decode(msgspec.json.encode(PLAIN)[:-1] + b',"kind":"transformer"}', type=Trunk)


def test_an_autoencoder_needs_a_place_for_its_score():
    with pytest.raises(ValueError, match="fit"):
        msgspec.structs.replace(PLAIN, kind="vae", units=1)
