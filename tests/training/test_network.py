"""Three graphs, one set of weights: the train graph, the window graph and the streamed step agree."""

import numpy as np
import pytest

from nearsight.backends.reference import NumpyOps
from nearsight.heads import activations
from nearsight.trunk import Activation, Trunk, embedded, step
from nearsight_training.answers import answers
from nearsight_training.config import Size
from nearsight_training.learning import trunk_of
from nearsight_training.network import assign, build, canonical, window_model

# Float32 has 1.2e-7 per operation; gates saturate, so that errors don't grow with length. 1e-5 is the promise.
CLOSE = 1e-5
TRUNK = Trunk(
    code_sizes=(5, 4),
    embedding_sizes=(3, 2),
    numbers=4,
    filters=12,
    units=10,
    activations=(Activation(kind="sigmoid", start=0, size=2), Activation(kind="softmax", start=2, size=3)),
)


def drawn_weights(trunk, seed=0):
    generator = np.random.default_rng(seed)
    return {name: generator.normal(0, 0.4, shape).astype(np.float32) for name, shape in trunk.weight_shapes.items()}


def drawn_rows(trunk, batch, length, seed):
    generator = np.random.default_rng(seed)
    codes = np.stack([generator.integers(0, size, (batch, length)) for size in trunk.code_sizes], -1).astype(np.int32)
    return codes, generator.normal(size=(batch, length, trunk.numbers)).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(("length", "batch", "seed"), [(1, 1, 0), (2, 3, 1), (3, 2, 2), (8, 1, 3), (19, 3, 4)])
def test_every_prefix_and_every_question_equals_the_streamed_step(length, batch, seed):
    weights = drawn_weights(TRUNK, seed)
    (codes, numbers), (ask_codes, ask_numbers) = (drawn_rows(TRUNK, batch, length, seed + k) for k in (0, 1))
    plain, asking = build(TRUNK), build(TRUNK, asks=True)
    assign(plain, weights)
    assign(asking, weights)
    _, embedding = plain([codes, numbers])
    logits, both = asking([np.concatenate([codes, ask_codes], 1), np.concatenate([numbers, ask_numbers], 1)])
    state = np.zeros((batch, TRUNK.state_size), np.float32)
    for t in range(length):
        _, h, state = step(NumpyOps(), TRUNK, weights, codes[:, t], numbers[:, t], state)
        heads, asked, _ = step(NumpyOps(), TRUNK, weights, ask_codes[:, t], ask_numbers[:, t], state)
        assert embedding.numpy()[:, t] == pytest.approx(h, abs=CLOSE)
        assert both.numpy()[:, t] == pytest.approx(h, abs=CLOSE)
        assert both.numpy()[:, length + t] == pytest.approx(asked, abs=CLOSE)
        assert sigmoid(logits.numpy()[:, length + t, :2]) == pytest.approx(heads[:, :2], abs=CLOSE)


@pytest.mark.parametrize("window", [1, 2, 7, 16])
def test_the_window_graph_reads_the_answer_at_the_true_length(window):
    weights = drawn_weights(TRUNK, 5)
    codes, numbers = drawn_rows(TRUNK, 3, window, 6)
    model = window_model(TRUNK, weights, window, batch=3)
    state = np.zeros((3, TRUNK.state_size), np.float32)
    for t in range(window):
        heads, h, state = step(NumpyOps(), TRUNK, weights, codes[:, t], numbers[:, t], state)
        found, embedding = model([codes, numbers, np.full(3, t + 1, np.int32)])
        assert found.numpy() == pytest.approx(heads, abs=CLOSE)
        assert embedding.numpy() == pytest.approx(h, abs=CLOSE)


def test_padding_changes_nothing():
    weights = drawn_weights(TRUNK, 7)
    codes, numbers = drawn_rows(TRUNK, 2, 9, 8)
    model = build(TRUNK)
    assign(model, weights)
    logits, _ = model([codes, numbers])
    behind = [(0, 0), (0, 7), (0, 0)]
    longer, _ = model([np.pad(codes, behind), np.pad(numbers, behind, constant_values=9)])
    assert longer[:, :9].numpy() == pytest.approx(logits.numpy(), abs=1e-6)


def test_weights_come_back_as_they_went_in():
    weights = drawn_weights(TRUNK, 9)
    model = build(TRUNK, asks=True)
    assign(model, weights)
    back = canonical(model)
    assert {name: array.shape for name, array in back.items()} == TRUNK.weight_shapes
    assert all(np.array_equal(back[name], weights[name]) for name in weights)


def test_the_articles_network_has_its_weights():
    """Conv1D(64, 3) on one number, LSTM(100), Dense(1): the event's embedding is one column that stays zero."""
    trunk = Trunk(
        code_sizes=(3,),
        embedding_sizes=(1,),
        numbers=1,
        filters=64,
        units=100,
        activations=(Activation(kind="sigmoid", start=0, size=1),),
    )
    model = build(trunk, train_embeddings=False)
    assert not canonical(model)["embedding_0"].any()
    assert [tuple(v.shape) for v in model.trainable_variables] == [
        (3, 2, 64), (64,), (64, 400), (100, 400), (400,), (100, 1), (1,)
    ]  # fmt: skip


def streamed(trunk, weights, histories, history):
    """The embedding after each event of one history, (n, U), and its state after each, (n, S)."""
    state, embeddings, states = np.zeros((1, trunk.state_size), np.float32), [], []
    span = histories.span(history)
    for t in range(span.start, span.stop):
        _, h, state = step(NumpyOps(), trunk, weights, histories.codes[t : t + 1], histories.numbers[t : t + 1], state)
        embeddings.append(h[0])
        states.append(state[0])
    return np.array(embeddings), np.array(states)


@pytest.mark.parametrize("data", ["cdnow_prepared", "bpic_prepared"])
def test_on_real_histories_stream_train_graph_and_window_agree_at_every_prefix(data, request):
    prepared = request.getfixturevalue(data)
    trunk = trunk_of(prepared.spec, prepared.heads, Size())
    weights = drawn_weights(trunk, 11)
    weights["lstm_kernel"] *= 0.5
    histories = prepared.histories
    longest = np.argsort(-histories.lengths, kind="stable")
    chosen = np.sort(np.concatenate([longest[:2], longest[:: len(longest) // 6]]))
    some = histories.take(np.unique(chosen))
    model = build(trunk, asks=True)
    assign(model, weights)
    given = answers(model, some)
    window = window_model(trunk, weights, int(some.lengths.max()), batch=None)
    for history in range(len(some)):
        span = some.span(history)
        embeddings, states = streamed(trunk, weights, some, history)
        logits = logits_of(trunk, weights, embeddings, some.codes[span], some.numbers[span])
        assert given.events[span] == pytest.approx(logits, abs=5 * CLOSE)
        _check_window(window, some, span, embeddings)
        _check_questions(trunk, weights, some, history, states, given.asks)


def logits_of(trunk, weights, embeddings, codes, numbers):
    """What the heads make of the embeddings and, as by default they read them too, the newest rows."""
    read = np.concatenate([embeddings, embedded(NumpyOps(), trunk, weights, codes, numbers)], 1)
    return read @ weights["head_kernel"] + weights["head_bias"]


def _check_window(window, some, span, embeddings):
    size = span.stop - span.start
    prefixes = np.unique(np.linspace(1, size, min(size, 40)).astype(int))
    pad = window.inputs[0].shape[1] - size
    codes = np.pad(some.codes[span], [(0, pad), (0, 0)])[np.newaxis].repeat(len(prefixes), 0)
    numbers = np.pad(some.numbers[span], [(0, pad), (0, 0)])[np.newaxis].repeat(len(prefixes), 0)
    _, found = window([codes, numbers, prefixes.astype(np.int32)])
    assert found.numpy() == pytest.approx(embeddings[prefixes - 1], abs=CLOSE)


def _check_questions(trunk, weights, some, history, states, found):
    for question in np.flatnonzero(some.ask_history == history)[:40]:
        state = states[some.ask_after[question] - 1][np.newaxis]
        codes, numbers = some.ask_codes[question][np.newaxis], some.ask_numbers[question][np.newaxis]
        _, h, _ = step(NumpyOps(), trunk, weights, codes, numbers, state)
        logits = logits_of(trunk, weights, h, codes, numbers)
        assert found[question] == pytest.approx(logits[0], abs=5 * CLOSE)


def test_neighbouring_yes_no_heads_share_one_sigmoid(cdnow_prepared):
    trunk = trunk_of(cdnow_prepared.spec, cdnow_prepared.heads, Size())
    assert trunk.activations == activations(cdnow_prepared.heads) == (Activation(kind="sigmoid", start=0, size=1),)
