"""Pruning reaches the sparsity that was asked for, says so only if it did, and keeps the answers near."""

import numpy as np
import pytest

from nearsight.backends.reference import NumpyBackend
from nearsight_export.errors import SparsityError
from nearsight_export.passes import magnitude
from nearsight_export.passes.magnitude import pruned
from nearsight_export.passes.model import Desk, Model
from nearsight_export.replay import replayed
from nearsight_training.run import load_histories, load_run, load_weights

TARGET = 0.7
LARGE = ("conv_kernel", "lstm_kernel")


def pruned_run(run_path):
    run = load_run(run_path)
    model, report = pruned(Model(run.trunk, load_weights(run_path)), Desk.of(run, load_histories(run_path)), TARGET)
    return model.weights, report


@pytest.fixture(scope="module")
def result(run_path):
    return pruned_run(run_path)


def test_the_sparsity_of_the_stripped_weights_is_counted(result, run_path):
    weights, report = result
    filters = load_run(run_path).trunk.filters
    parts = {
        "conv_kernel": weights["conv_kernel"],
        "lstm_kernel/input": weights["lstm_kernel"][:filters],
        "lstm_kernel/recurrent": weights["lstm_kernel"][filters:],
    }
    assert set(report.tensors) == set(parts)
    for name, part in parts.items():
        zeros = sum(1 for number in part.ravel().tolist() if number == 0)
        assert zeros / part.size == pytest.approx(TARGET, abs=0.005)
        assert report.tensors[name].sparsity == zeros / part.size
        assert report.tensors[name].numbers == part.size


def test_what_is_left_alone_is_named_with_a_reason(result, run_path):
    weights, report = result
    assert set(report.skipped) == set(weights) - set(LARGE)
    assert all(report.skipped.values())
    assert all((weights[name] != 0).all() for name in ("embedding_0", "head_kernel"))


def test_fine_tuning_keeps_answers_nearer_than_dropping_weights_alone(result, run_path):
    run, source, test = load_run(run_path), load_weights(run_path), load_histories(run_path).select(2)
    cut = dict(source)
    for name in LARGE:
        cut[name] = np.where(np.abs(source[name]) < np.quantile(np.abs(source[name]), TARGET), 0, source[name])

    def apart(weights):
        first, second = (replayed(NumpyBackend(w, run.trunk), run.trunk, test) for w in (source, weights))
        return np.abs(first.heads - second.heads).mean()

    assert apart(result[0]) < 0.8 * apart(cut)


def test_a_schedule_too_slow_for_a_short_fit_is_an_error(run_path, monkeypatch):
    """tfmot's default looks at the weights every 100 steps: this fit has fewer and would prune nothing."""
    tools = magnitude.sparsity_tools
    monkeypatch.setattr(magnitude, "_schedule", lambda target, ramp: tools.PolynomialDecay(0.0, target, 1, 1000))
    with pytest.raises(SparsityError, match=r"conv_kernel has a sparsity of 0\.000 where 0\.700 was asked for"):
        pruned_run(run_path)
