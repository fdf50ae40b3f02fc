"""The step against an independent oracle: the whole network over a whole history, written the slow way in float64."""

import numpy as np
import pytest

import made_up
from nearsight.backends.reference import NumpyBackend
from nearsight.heads import activations, calibrated
from nearsight.trunk import Activation, Trunk

SPEC, HEADS = made_up.spec(), made_up.heads()
TRUNK = made_up.trunk(SPEC, HEADS, skip=True)
WEIGHTS = made_up.weights(TRUNK)


def rows(events, seed=1):
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.integers(0, size, events) for size in TRUNK.code_sizes], 1).astype(np.int32)
    return codes, rng.normal(size=(events, TRUNK.numbers)).astype(np.float32)


def whole_network(codes, numbers):
    """Causal convolution, `same` pooling, LSTM and heads over one history; the answer at its end."""
    w = {name: array.astype(np.float64) for name, array in WEIGHTS.items()}
    embedded = np.concatenate([*(w[f"embedding_{k}"][codes[:, k]] for k in range(codes.shape[1])), numbers], 1)
    padded = np.concatenate([np.zeros((2, embedded.shape[1])), embedded])
    taps = w["conv_kernel"].reshape(3, TRUNK.row_size, TRUNK.filters)
    frames = sum(padded[k : k + len(codes)] @ taps[k] for k in range(3)) + w["conv_bias"]
    frames = np.maximum(frames, 0)
    pooled = [frames[k : k + 2].max(0) for k in range(0, len(frames), 2)]
    h = c = np.zeros(TRUNK.units)
    for frame in pooled:
        i, f, o, g = np.split(np.concatenate([frame, h]) @ w["lstm_kernel"] + w["lstm_bias"], 4)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
    logits = np.concatenate([h, embedded[-1]]) @ w["head_kernel"] + w["head_bias"]
    powers = np.exp(logits[2:])
    return np.concatenate([1 / (1 + np.exp(-logits[:2])), powers / powers.sum()]), h


def test_streamed_equals_whole_at_every_prefix():
    codes, numbers = rows(33)
    backend, state = NumpyBackend(WEIGHTS, TRUNK), np.zeros((1, TRUNK.state_size), np.float32)
    for event in range(33):
        answer, embedding, state = backend.step(codes[event : event + 1], numbers[event : event + 1], state)
        expected, h = whole_network(codes[: event + 1], numbers[: event + 1])
        assert answer[0] == pytest.approx(expected, abs=1e-6)  # float32 against float64
        assert embedding[0] == pytest.approx(h, abs=1e-6)


def test_a_batch_equals_its_rows():
    codes, numbers = rows(9)
    state = np.abs(np.random.default_rng(2).normal(size=(9, TRUNK.state_size))).astype(np.float32)
    backend = NumpyBackend(WEIGHTS, TRUNK)
    together = backend.step(codes, numbers, state)
    for row in range(9):
        one = slice(row, row + 1)
        for batch, single in zip(together, backend.step(codes[one], numbers[one], state[one]), strict=True):
            assert batch[one] == pytest.approx(single, abs=1e-6)


def test_calibration_in_the_weights_equals_calibrated_logits():
    codes, numbers = rows(1)
    state = np.zeros((1, TRUNK.state_size), np.float32)
    plain = NumpyBackend(WEIGHTS, TRUNK).step(codes, numbers, state)[0][0]
    kept = {name: array.copy() for name, array in WEIGHTS.items()}
    folded = NumpyBackend(calibrated(WEIGHTS, HEADS), TRUNK).step(codes, numbers, state)[0][0]
    logit = np.log(plain[0] / (1 - plain[0]))
    assert folded[0] == pytest.approx(1 / (1 + np.exp(-(1.2 * logit - 0.3))), abs=1e-6)
    sharpened = plain[2:] ** (1 / 1.5)
    assert folded[2:] == pytest.approx(sharpened / sharpened.sum(), abs=1e-6)
    assert all(np.array_equal(WEIGHTS[name], kept[name]) for name in kept)


def test_neighbouring_yes_no_questions_are_one_operation():
    assert activations(HEADS) == (
        Activation(kind="sigmoid", start=0, size=2),
        Activation(kind="softmax", start=2, size=3),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"embedding_sizes": (3,)},
        {"units": 0},
        {"numbers": 0},
        {"activations": (Activation(kind="sigmoid", start=1, size=4),)},
    ],
)
def test_networks_that_cannot_be_are_refused(change):
    fields = {name: getattr(TRUNK, name) for name in TRUNK.__struct_fields__}
    with pytest.raises(ValueError, match=r"fit|cover"):
        Trunk(**{**fields, **change})


def test_answers_of_one_kind_have_one_product_and_every_softmax_its_own():
    kinds = ("sigmoid", "sigmoid", "linear", "linear", "softmax", "softmax", "sigmoid")
    sizes = (1, 1, 1, 3, 5, 4, 1)
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    parts = [Activation(kind=k, start=at, size=n) for k, at, n in zip(kinds, starts, sizes, strict=True)]
    trunk = Trunk(
        code_sizes=(3,), embedding_sizes=(2,), numbers=1, filters=4, units=6, activations=tuple(parts), kind="lstm"
    )
    found = [(part.kind, part.start, part.size) for part in trunk.answers]
    assert found == [("sigmoid", 0, 2), ("linear", 2, 4), ("softmax", 6, 5), ("softmax", 11, 4), ("sigmoid", 15, 1)]
    weights = made_up.weights(trunk)
    pieces = trunk.cut(weights)
    assert pieces["head_kernel_3"].shape == (6, 4)
    together = np.concatenate([pieces[f"head_kernel_{at}"] for at in range(5)], 1)
    assert (together == weights["head_kernel"]).all()
    assert set(weights) - set(pieces) == {"head_kernel", "head_bias"}
    codes, numbers, state = np.zeros((1, 1), np.int32), np.ones((1, 1), np.float32), np.zeros((1, 12), np.float32)
    heads, h, _ = NumpyBackend(weights, trunk).step(codes, numbers, state)
    logits = h @ weights["head_kernel"] + weights["head_bias"]
    for part in parts:
        columns = slice(part.start, part.start + part.size)
        powers = np.exp(logits[:, columns])
        by_hand = {"sigmoid": powers / (1 + powers), "linear": logits[:, columns], "softmax": powers / powers.sum()}
        assert heads[:, columns] == pytest.approx(by_hand[part.kind], abs=1e-6)


def test_one_kind_of_answer_is_cut_nowhere():
    trunk = Trunk(
        code_sizes=(3,), embedding_sizes=(2,), numbers=1, filters=4, units=6,
        activations=tuple(Activation(kind="sigmoid", start=at, size=1) for at in range(3)),
    )  # fmt: skip
    assert set(trunk.pieces) == set(trunk.weight_shapes)
