"""A kernel of low rank is the nearest one on real events, learns from the whole one, and ships in fewer bytes."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import made_up
from nearsight.backends import choose
from nearsight.backends.reference import NumpyBackend, NumpyOps
from nearsight.bundle import read_bundle
from nearsight.conformance import read_vectors, verify
from nearsight.errors import InputError
from nearsight.heads import calibrated
from nearsight.networks.lstm import kernel_of
from nearsight.trunk import embedded
from nearsight_export.config import ExportConfig
from nearsight_export.counting import work_of
from nearsight_export.export import export
from nearsight_export.grid import grids
from nearsight_export.inspection import inspect
from nearsight_export.passes import factorisation
from nearsight_export.passes.factorisation import factorised, highest_rank, thinned
from nearsight_export.passes.model import Model
from nearsight_export.recipe import LowRank, QuantisationAware
from nearsight_export.replay import replayed
from nearsight_export.tflite import converted
from nearsight_export.tracing import step_function
from nearsight_training.run import load_histories, load_run

SPEC, HEADS = made_up.spec(counts=()), made_up.heads()
RANK = 6
PARTS = {"lstm_down_kernel", "lstm_up_kernel"}
ROUNDING = 2e-6  # sums of float32 numbers in another order


def trunk_of(kind, rank=0, filters=10, units=14):
    return msgspec.structs.replace(made_up.trunk(SPEC, HEADS, filters, units), kind=kind, rank=rank)


def said(model, histories):
    replay = replayed(NumpyBackend(calibrated(model.weights, HEADS), model.trunk), model.trunk, histories)
    return np.concatenate([replay.heads, replay.asked])


def kernels_hold(trunk):
    return sum(np.prod(size) for name, size in trunk.weight_shapes.items() if name in PARTS or name == "lstm_kernel")


@pytest.fixture(scope="module")
def histories(run_path):
    return load_histories(run_path).take(np.arange(0, 240, 6))


@pytest.fixture(scope="module")
def learned(model, desk):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(factorisation, "_STEPS", 100)
        return factorised(model, desk, RANK)


@pytest.mark.parametrize("rank", [1, 3, 12])
def test_it_is_the_nearest_kernel_on_real_events_by_singular_values(histories, rank):
    """What meets the kernel is put together by hand; no kernel of that rank is nearer than what the values leave."""
    trunk = trunk_of("lstm")
    weights = made_up.weights(trunk, 2)
    replay = replayed(NumpyBackend(weights, trunk), trunk, histories, keep=True)
    codes = np.concatenate([histories.codes, histories.ask_codes])
    numbers = np.concatenate([histories.numbers, histories.ask_numbers])
    rows = embedded(NumpyOps, trunk, weights, codes, numbers)
    states = np.concatenate([replay.states, replay.asked_states])
    met = np.concatenate([rows, states[:, : trunk.units]], 1).astype(np.float64)
    energies = np.linalg.svd(met @ weights["lstm_kernel"], compute_uv=False) ** 2
    thin, share = thinned(Model(trunk, weights), histories, rank)
    assert thin.trunk == trunk_of("lstm", rank)
    assert {name: array.shape for name, array in thin.weights.items()} == thin.trunk.weight_shapes
    assert share == pytest.approx(energies[:rank].sum() / energies.sum(), abs=1e-4)
    lost = ((met @ (kernel_of(thin.weights) - weights["lstm_kernel"])) ** 2).sum()
    assert lost == pytest.approx(energies[rank:].sum(), rel=1e-3)
    read, made = (thin.weights[name] for name in ("lstm_down_kernel", "lstm_up_kernel"))
    shares = np.linalg.norm(met @ read, axis=0) / np.linalg.norm(made, axis=1)
    assert shares == pytest.approx(shares[0], rel=1e-3), "both matrices take the same share of each axis"


@pytest.mark.parametrize("kind", ["cnn_lstm", "lstm"])
def test_a_kernel_that_has_a_low_rank_is_found_and_answers_stay(histories, kind):
    planted = Model(trunk_of(kind, 3), made_up.weights(trunk_of(kind, 3), 5))
    weights = {name: array for name, array in planted.weights.items() if name not in PARTS}
    full = Model(trunk_of(kind), {**weights, "lstm_kernel": kernel_of(planted.weights)})
    thin, share = thinned(full, histories, 3)
    assert share == pytest.approx(1, abs=1e-6)
    assert np.abs(said(thin, histories) - said(full, histories)).max() <= ROUNDING
    assert thinned(full, histories, 2)[1] < 0.999
    again, share = thinned(planted, histories, 2)
    assert again.trunk.rank == 2
    assert share == pytest.approx(thinned(full, histories, 2)[1], abs=1e-4)


def test_learning_brings_answers_nearer_than_the_nearest_kernel(learned, model, desk, histories):
    thin, report = learned
    taught = said(model, histories)
    nearest, share = thinned(model, desk.training.limited(5000, desk.run.seed), RANK)
    before, after = (np.abs(said(each, histories) - taught).mean() for each in (nearest, thin))
    assert after < 0.8 * before
    assert f"rank {RANK}, which holds {100 * share:.1f} % of its energy" in report.said
    assert set(report.tensors) == PARTS
    assert set(report.skipped) == set(thin.weights) - PARTS
    assert sum(tensor.numbers for tensor in report.tensors.values()) == kernels_hold(thin.trunk)
    assert thin.trunk == msgspec.structs.replace(model.trunk, rank=RANK)


@given(st.sampled_from(["cnn_lstm", "lstm"]), st.integers(1, 40), st.integers(1, 40))
def test_the_highest_rank_is_the_last_that_holds_fewer_numbers(kind, filters, units):
    trunk = trunk_of(kind, filters=filters, units=units)
    highest, whole = highest_rank(trunk), kernels_hold(trunk)
    if highest:
        thin = msgspec.structs.replace(trunk, rank=highest)
        assert kernels_hold(thin) < whole
        assert highest_rank(thin) == highest - 1
    assert kernels_hold(msgspec.structs.replace(trunk, rank=highest + 1)) >= whole


@pytest.mark.parametrize("kind", ["cnn", "mlp", "vae"])
def test_a_network_without_such_a_kernel_is_refused_by_name(desk, kind):
    assert highest_rank(trunk_of(kind)) == 0
    model = Model(trunk_of(kind), made_up.weights(trunk_of(kind)))
    with pytest.raises(InputError, match=f"low_rank needs an LSTM, received a {kind} network: leave it out"):
        factorised(model, desk, 2)


@pytest.mark.parametrize(("had", "most"), [(0, 16), (5, 4), (1, 0)])
def test_a_rank_that_saves_nothing_is_refused(desk, had, most):
    trunk = trunk_of("cnn_lstm", had)  # 24 by 56 numbers
    model = Model(trunk, made_up.weights(trunk))
    with pytest.raises(InputError, match=f"a rank of {most} at most, .* received {most + 1}: (leave|ask)"):
        factorised(model, desk, most + 1)


def test_a_step_reads_as_many_bytes_fewer_as_there_are_fewer_numbers(learned, model):
    def work(each):
        content = converted(step_function(each.trunk, calibrated(each.weights, HEADS)), "fp32")
        return work_of("step.tflite", content)

    before, after, saved = work(model), work(learned[0]), kernels_hold(model.trunk) - kernels_hold(learned[0].trunk)
    assert before.weight_bytes["fp32"] - after.weight_bytes["fp32"] == 4 * saved
    assert before.multiplications["fp32"] - after.multiplications["fp32"] == saved
    assert after.operators == before.operators + 1


def test_it_learns_to_live_with_four_bits_and_ships_proven(run_path, tmp_path, monkeypatch):
    monkeypatch.setattr(factorisation, "_STEPS", 1)
    chosen = ExportConfig(
        variant="int4",
        variants=("int4",),
        passes=(LowRank(rank=12), QuantisationAware(bits=4)),
        members=("step.tflite",),
        largest_loss=0.49,  # the made-up network's random kernel has no low rank
    )
    done = export(run_path, chosen, tmp_path / "thin.nsight")
    bundle = read_bundle(tmp_path / "thin.nsight")
    trunk = bundle.manifest.trunk
    assert trunk == done.index.trunk == msgspec.structs.replace(load_run(run_path).trunk, rank=12)
    assert grids(trunk, 4)["lstm_up_kernel"].bits == 4
    backend = choose("litert", {"step.tflite": bundle.members["step.tflite"]}, trunk)
    verify(read_vectors(bundle.members["vectors.json"]), bundle.manifest, backend, "int4")
    assert [report.name for report in done.certificate.passes] == ["low_rank", "quantisation_aware"]
    assert "the LSTM's kernel has rank 12" in str(inspect(tmp_path / "thin.nsight"))
    assert "an LSTM of 24 units whose kernel has rank 12" in bundle.members["MODEL_CARD.md"].decode()
