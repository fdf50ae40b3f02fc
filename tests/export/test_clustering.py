"""Clustering leaves few values and all zeros, says so only if it did, and keeps the answers near."""

import zlib

import msgspec
import numpy as np
import pytest

import made_up
from nearsight.backends.reference import NumpyBackend
from nearsight_export.errors import ClusteringError
from nearsight_export.passes import clustering
from nearsight_export.passes.clustering import clustered
from nearsight_export.passes.model import Desk, Model
from nearsight_export.replay import replayed
from nearsight_training.run import load_histories, load_run, load_weights

CLUSTERS = 8
LARGE = ("conv_kernel", "lstm_kernel")


def parts(trunk, weights):
    return {
        "conv_kernel": weights["conv_kernel"],
        "lstm_kernel/input": weights["lstm_kernel"][: trunk.filters],
        "lstm_kernel/recurrent": weights["lstm_kernel"][trunk.filters :],
    }


@pytest.fixture(scope="module")
def pruned(run_path):
    """The made-up network with every third weight of its large layers at zero."""
    weights = load_weights(run_path)
    for name in LARGE:
        weights[name].flat[::3] = 0
    return Model(load_run(run_path).trunk, weights)


@pytest.fixture(scope="module")
def result(pruned, desk):
    return clustered(pruned, desk, CLUSTERS)


def test_values_are_few_and_counted(result, pruned):
    model, report = result
    found = parts(model.trunk, model.weights)
    assert set(report.tensors) == set(found)
    for name, part in found.items():
        assert 2 < len(set(part.ravel().tolist())) == report.tensors[name].distinct <= CLUSTERS
    assert set(report.skipped) == set(model.weights) - set(LARGE)


def test_zeros_stay_where_they_were_and_there_are_hardly_more(result, pruned):
    for name in LARGE:
        before, after = pruned.weights[name] == 0, result[0].weights[name] == 0
        assert after[before].all()
        assert after.mean() < before.mean() + 0.25


def test_clustered_weights_pack_into_fewer_bytes(result, pruned):
    def packed(model):
        return len(zlib.compress(b"".join(model.weights[name].tobytes() for name in LARGE)))

    assert packed(result[0]) < 0.35 * packed(pruned)


def test_fine_tuning_keeps_answers_nearer_than_even_values_alone(result, pruned, desk, run_path):
    even, test = dict(pruned.weights), load_histories(run_path).select(2)
    for name in LARGE:
        values = np.linspace(even[name].min(), even[name].max(), CLUSTERS, dtype=np.float32)
        even[name] = values[np.abs(even[name][..., np.newaxis] - values).argmin(-1)]

    def apart(weights):
        pair = (replayed(NumpyBackend(w, pruned.trunk), pruned.trunk, test) for w in (pruned.weights, weights))
        first, second = pair
        return np.abs(first.heads - second.heads).mean()

    assert apart(result[0].weights) < 0.8 * apart(even)


@pytest.mark.parametrize(("kind", "rank"), [("lstm", 0), ("mlp", 0), ("cnn_lstm", 3)])
def test_other_networks_are_clustered_too(desk, kind, rank):
    trunk = msgspec.structs.replace(made_up.trunk(made_up.spec(counts=()), made_up.heads()), kind=kind, rank=rank)
    few = Desk(desk.run, desk.training.limited(200, 1), desk.validation.limited(50, 1))
    model, report = clustered(Model(trunk, made_up.weights(trunk, 3)), few, 5)
    assert {name: array.shape for name, array in model.weights.items()} == trunk.weight_shapes
    assert {tensor.distinct for tensor in report.tensors.values()} <= {3, 4, 5}
    assert {name.partition("/")[0] for name in report.tensors} | set(report.skipped) == set(model.weights)


def unfitted(monkeypatch, model):
    """The pass goes on with this model's train graph and doesn't touch it."""
    monkeypatch.setattr(clustering.Lesson, "given", lambda *_: 0.0)
    monkeypatch.setattr(clustering, "_clusterable", lambda *_: model.graph())


def test_weights_that_were_not_clustered_are_an_error(pruned, desk, monkeypatch):
    unfitted(monkeypatch, pruned)
    with pytest.raises(ClusteringError, match=r"conv_kernel has \d+ values where 8 were asked for"):
        clustered(pruned, desk, CLUSTERS)


def test_zeros_that_were_lost_are_an_error(pruned, desk, monkeypatch):
    ones = {name: np.ones_like(array) for name, array in pruned.weights.items()}
    unfitted(monkeypatch, Model(pruned.trunk, ones))
    with pytest.raises(ClusteringError, match="conv_kernel lost zeros that were pruned before"):
        clustered(pruned, desk, CLUSTERS)
