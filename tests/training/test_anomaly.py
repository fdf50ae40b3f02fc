"""The autoencoder's anomaly score: low for events like the training's, high for planted ones, and told in the run."""

import msgspec
import numpy as np
import pytest

from nearsight.backends.reference import NumpyBackend
from nearsight.errors import InputError
from nearsight_training.anomaly import anomalies
from nearsight_training.columns import Table
from nearsight_training.config import Size
from nearsight_training.learning import learn, trunk_of
from nearsight_training.log import log_of
from nearsight_training.metrics import auc
from nearsight_training.network import assign, build
from nearsight_training.preparation import prepare
from nearsight_training.split import TEST


@pytest.fixture(scope="module")
def taught(quarter, small_config):
    """A small autoencoder after four epochs, and what it was trained on."""
    fitting = msgspec.structs.replace(small_config.fitting, epochs=4, teach=False)
    size = Size(network="vae", filters=16, units=6)
    config = msgspec.structs.replace(small_config, fitting=fitting, size=size)
    prepared = prepare(log_of(Table.read(quarter), config), config)
    return prepared, learn(prepared, config)


def test_planted_events_score_higher_than_real_ones(taught):
    prepared, learned = taught
    test, rng = prepared.histories.select(TEST), np.random.default_rng(0)
    backend = NumpyBackend(learned.weights, learned.trunk)
    empty = np.zeros((len(test.starts), learned.trunk.state_size), np.float32)
    codes, numbers = test.codes[test.starts], test.numbers[test.starts]
    strange = numbers + rng.choice([-3.0, 3.0], numbers.shape).astype(np.float32)
    scores = [backend.step(codes, each, empty)[1][:, -1] for each in (numbers, strange)]
    assert auc(np.repeat([0, 1], len(codes)), np.concatenate(scores).astype(np.float64)) > 0.95


def test_an_autoencoder_expects_more_than_the_mean_row(taught):
    prepared, learned = taught
    test = prepared.histories.select(TEST)
    model = build(learned.trunk, asks=True)
    assign(model, learned.weights)
    scores = anomalies(model, test)
    rows = np.concatenate([learned.weights["embedding_0"][test.codes[:, 0]], test.numbers], 1)
    assert scores.mean() < 0.7 * rows.var(0).mean()


def test_scores_are_those_of_the_streamed_step(taught):
    prepared, learned = taught
    test = prepared.histories.select(TEST).take(np.arange(20))
    model = build(learned.trunk, asks=True)
    assign(model, learned.weights)
    scores, backend = anomalies(model, test), NumpyBackend(learned.weights, learned.trunk)
    for history in range(20):
        state, span = np.zeros((1, learned.trunk.state_size), np.float32), test.span(history)
        for at in range(span.start, span.stop):
            _, embedding, state = backend.step(test.codes[at : at + 1], test.numbers[at : at + 1], state)
            assert scores[at] == pytest.approx(embedding[0, -1], abs=1e-5)  # float32 in another order


def test_the_run_says_what_is_usual(taught):
    (note,) = [note for note in taught[1].notes if note.startswith("anomaly: ")]
    half, most = (float(word.rstrip(",")) for word in note.split() if word[0].isdigit() and "." in word)
    assert 0 < half < most


def test_an_autoencoder_needs_room_for_its_score(taught):
    prepared, _ = taught
    with pytest.raises(InputError, match="at least 2 units"):
        trunk_of(prepared.spec, prepared.heads, Size(network="vae", units=1))
