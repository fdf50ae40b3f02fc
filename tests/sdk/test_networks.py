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
    kernel = w["lstm_kernel"] if "lstm_kernel" in w else w["lstm_down_kernel"] @ w["lstm_up_kernel"]
    for row in rows:
        i, f, o, g = np.split(np.concatenate([row, h]) @ kernel + w["lstm_bias"], 4)
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


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(("whole", "rank"), [(lstm, 0), (lstm, 3), (cnn, 0), (mlp, 0), (vae, 0)])
def test_streamed_equals_whole_at_every_prefix(whole, rank, skip):
    trunk, rng = msgspec.structs.replace(PLAIN, kind=whole.__name__, rank=rank, skip=skip), np.random.default_rng(1)
    weights = made_up.weights(trunk)
    codes = np.stack([rng.integers(0, size, EVENTS) for size in trunk.code_sizes], 1).astype(np.int32)
    numbers = rng.normal(size=(EVENTS, trunk.numbers)).astype(np.float32)
    w = {name: array.astype(np.float64) for name, array in weights.items()}
    rows = np.concatenate([*(w[f"embedding_{k}"][codes[:, k]] for k in range(codes.shape[1])), numbers], 1)
    backend, state = NumpyBackend(weights, trunk), np.zeros((1, trunk.state_size), np.float32)
    for event in range(EVENTS):
        answer, embedding, state = backend.step(codes[event : event + 1], numbers[event : event + 1], state)
        given, expected = whole(w, rows[: event + 1])
        read = np.concatenate([given, rows[event]]) if skip else given
        yes = sigmoid(read @ w["head_kernel"] + w["head_bias"])[:2]
        assert answer[0, :2] == pytest.approx(yes, abs=2e-6)  # float32 against float64
        assert embedding[0] == pytest.approx(expected, abs=5e-6)  # an anomaly score of about 2 is among them


def test_a_cnn_lstm_is_written_as_it_was_before_there_were_others():
    written = msgspec.json.encode(PLAIN)
    assert b'"kind":"cnn_lstm"' not in written
    assert msgspec.json.decode(written, type=Trunk) == PLAIN
    other = msgspec.structs.replace(PLAIN, kind="cnn")
    assert msgspec.json.decode(msgspec.json.encode(other), type=Trunk) == other


@pytest.mark.parametrize("kind", ["cnn_lstm", "lstm"])
def test_a_kernel_of_two_matrices_says_what_their_product_says(kind):
    thin, rng = msgspec.structs.replace(PLAIN, kind=kind, rank=4), np.random.default_rng(5)
    weights = made_up.weights(thin)
    full = {name: array for name, array in weights.items() if "_down_" not in name and "_up_" not in name}
    full["lstm_kernel"] = weights["lstm_down_kernel"] @ weights["lstm_up_kernel"]
    wide = msgspec.structs.replace(thin, rank=0)
    assert {name: array.shape for name, array in full.items()} == wide.weight_shapes
    assert thin.state_size == wide.state_size
    pair = NumpyBackend(weights, thin), NumpyBackend(full, wide)
    states = [np.zeros((4, thin.state_size), np.float32) for _ in pair]
    for _ in range(9):
        codes = np.stack([rng.integers(0, size, 4) for size in thin.code_sizes], 1).astype(np.int32)
        numbers = rng.normal(size=(4, thin.numbers)).astype(np.float32)
        found = [backend.step(codes, numbers, state) for backend, state in zip(pair, states, strict=True)]
        states = [state for _, _, state in found]
        for first, second in zip(*found, strict=True):
            assert first == pytest.approx(second, abs=2e-6)  # float32 sums in another order


def test_a_full_kernel_is_written_as_it_was_before_there_were_others():
    assert b"rank" not in msgspec.json.encode(PLAIN)
    thin = msgspec.structs.replace(PLAIN, rank=4)
    assert msgspec.json.decode(msgspec.json.encode(thin), type=Trunk) == thin


@pytest.mark.parametrize(("kind", "rank"), [("cnn", 1), ("mlp", 4), ("vae", 2), ("lstm", -1), ("cnn_lstm", 10**7)])
def test_a_rank_that_no_kernel_has_is_refused(kind, rank):
    with pytest.raises(ValueError, match="rank"):
        msgspec.structs.replace(PLAIN, kind=kind, rank=rank)


def test_an_unknown_network_is_refused():
    with pytest.raises(msgspec.ValidationError, match="kind"):
        msgspec.json.decode(msgspec.json.encode(PLAIN)[:-1] + b',"kind":"transformer"}', type=Trunk)


def test_an_autoencoder_needs_a_place_for_its_score():
    with pytest.raises(ValueError, match="fit"):
        msgspec.structs.replace(PLAIN, kind="vae", units=1)
