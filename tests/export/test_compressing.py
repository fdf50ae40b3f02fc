"""A search for a recipe: what a budget says, what is kept between calls, and how it ends."""

import tomllib

import msgspec
import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nearsight
from nearsight.bundle import read_bundle
from nearsight.errors import InputError
from nearsight_export import compressing, source
from nearsight_export.budget import Budget
from nearsight_export.compressing import compress
from nearsight_export.cookbook import Cookbook
from nearsight_export.errors import ConversionError
from nearsight_export.making import Maker
from nearsight_export.passes import distillation, structured
from nearsight_export.passes.cache import Cache
from nearsight_export.passes.factorisation import highest_rank
from nearsight_export.passes.model import Desk, Model
from nearsight_export.recipe import LowRank, MagnitudePruning, Recipe, StructuredPruning, read_recipe
from nearsight_export.reports import PassReport, Tensor
from nearsight_export.samples import Samples
from nearsight_export.source import through
from nearsight_export.tuning import Limits
from nearsight_training.progress import SILENT
from nearsight_training.run import load_histories, load_run, load_weights


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("32kB, 10us, -0.002 auc", Budget(bytes=32_000, p50_us=10, lost=0.002)),
        ("−0.01 nats,0.5 MB", Budget(bytes=500_000, lost=0.01, unit="nats")),
        ("3 µs", Budget(p50_us=3)),
        ("0.01 ms, 900 B", Budget(bytes=900, p50_us=10)),
        ("0 auc", Budget(lost=0)),
    ],
)
def test_a_budget_is_read_as_it_is_said(text, budget):
    assert Budget.of(text) == budget


@pytest.mark.parametrize("text", ["", "32", "-32kB", "0.002 auc", "5 parsecs", "-0.5 auc", "1kB, 2kB", "kB", "1e3 kB"])
def test_what_isnt_a_budget_is_refused(text):
    with pytest.raises(InputError, match="budget"):
        Budget.of(text)


@given(st.tuples(*[st.floats(0.1, 1e6)] * 3), st.tuples(*[st.floats(0.1, 1e6)] * 3))
def test_a_limit_is_exceeded_where_the_figure_lies_above_it(limits, figures):
    budget = Budget(bytes=limits[0], p50_us=limits[1], lost=limits[2])
    found = list(budget.exceeded(*figures))
    assert len(found) == sum(figure > limit for figure, limit in zip(figures, limits, strict=True))
    assert all(each.times > 1 for each in found)


@pytest.fixture(scope="module")
def desk(run_path):
    return Desk.of(load_run(run_path), load_histories(run_path).take(np.arange(0, 240, 8)))


def test_recipes_that_begin_alike_share_the_beginning(desk, run_path, tmp_path, monkeypatch):
    model, cache, ran = Model(desk.run.trunk, load_weights(run_path)), Cache(tmp_path), []

    def scaled(each, given, *_):
        ran.append(each)
        weights = {name: array * np.float32(each.sparsity) for name, array in given.weights.items()}
        tensors = {name: Tensor.of(array) for name, array in weights.items()}
        return Model(given.trunk, weights), PassReport(name="scaled", said=f"by {each.sparsity}", tensors=tensors)

    monkeypatch.setattr(source, "passed", scaled)
    first, second, third = (MagnitudePruning(sparsity=share) for share in (0.3, 0.6, 0.7))
    whole, reports = through(Recipe(passes=(first, second)), model, desk, SILENT, cache)
    other, _ = through(Recipe(passes=(first, third)), model, desk, SILENT, cache)
    assert ran == [first, second, third]
    again, repeated = through(Recipe(passes=(first, second)), model, desk, SILENT, cache)
    assert ran == [first, second, third]
    assert repeated == reports
    assert [report.said for report in reports] == ["by 0.3", "by 0.6"]
    for name, array in whole.weights.items():
        assert np.array_equal(array, again.weights[name])
    assert not np.array_equal(whole.weights["lstm_kernel"], other.weights["lstm_kernel"])
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    through(Recipe(passes=(first,)), model, desk, SILENT, cache)
    assert ran[3:] == [first]


@pytest.fixture(scope="module", autouse=True)
def hurried():
    """Passes of few steps, and artifacts made in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distillation, "_STEPS", 30)
        patch.setattr(distillation, "_FEWEST_EPOCHS", 1)
        patch.setattr(structured, "_STEPS", 20)
        patch.setattr(compressing, "converted", made)
        yield


def made(trunk, weights, window, artifact, samples=None):
    return Maker(trunk, dict(weights), window, samples or Samples.none(trunk)).make(artifact)


@pytest.fixture(scope="module")
def searched(run_path, tmp_path_factory):
    out = tmp_path_factory.mktemp("search") / "small"
    return compress(run_path, Budget.of("0.2 MB, -0.45 auc"), out, Limits(600, 2), command="again"), out


def test_a_search_ends_in_the_bundle_of_what_it_recommends(searched, run_path):
    found, out = searched
    assert found.obstacles == ()
    assert [trial.state for trial in found.trials] == ["done", "done"]
    assert found.trial(found.reference).choices == Cookbook(load_run(run_path)).untouched
    assert set(found.lost) == set(found.front)
    chosen = found.trial(found.recommended)
    assert (
        read_bundle(found.bundle).members["step.tflite"]
        == (out / "trials" / f"{chosen.number:04d}.tflite").read_bytes()
    )
    assert nearsight.load(found.bundle).session().observe("view", time=1.6e9)["purchase"] >= 0
    assert read_recipe(str(out / "recipe.toml")) == found.recipe
    assert msgspec.json.decode((out / "compression.json").read_bytes(), type=type(found)) == found


def test_an_impossible_budget_ends_with_the_closest_trial(searched, run_path):
    _, out = searched
    (out / "model.nsight").unlink(missing_ok=True)
    found = compress(run_path, Budget.of("1 kB"), out, Limits(600, 1))
    assert len(found.trials) == 3, "the folder was gone on with"
    assert found.bundle is None
    assert not (out / "model.nsight").exists()
    smallest = min(found.trial(number).bytes for number in found.front)
    assert found.obstacles == (f"{smallest / 1000:.1f} kB where 1 are allowed",)
    assert found.trial(found.recommended).bytes == smallest
    assert tomllib.loads((out / "recipe.toml").read_text())["variant"] == found.recipe.variant


def test_a_converter_that_fails_is_named_and_the_search_goes_on(run_path, tmp_path, monkeypatch):
    def failing(trunk, weights, window, artifact, samples=None):
        if artifact.startswith("fp16"):
            raise ConversionError(f"{artifact} couldn't be converted (signal 11)")
        return made(trunk, weights, window, artifact, samples)

    monkeypatch.setattr(compressing, "converted", failing)
    first = tuple({**Cookbook(load_run(run_path)).untouched, "variant": name} for name in ("int8", "fp16", "int8"))
    monkeypatch.setattr(Cookbook, "first", first)
    found = compress(run_path, Budget.of("1 kB"), tmp_path / "out", Limits(600, 3))
    assert [trial.state for trial in found.trials] == ["done", "failed", "done"]
    assert found.trials[1].reason == "fp16/step.tflite couldn't be converted (signal 11)"


def test_a_trial_that_outlives_the_time_is_ended(run_path, tmp_path):
    found = compress(run_path, Budget.of("1 kB"), tmp_path / "out", Limits(0.001, 4))
    assert [trial.state for trial in found.trials] == ["done"], "the first is free, and no other begins"


def test_a_budget_in_another_unit_is_refused(run_path, tmp_path):
    with pytest.raises(InputError, match="judged by AUC, received a budget in nats"):
        compress(run_path, Budget.of("-0.01 nats"), tmp_path / "out", Limits(600, 1))


def test_a_search_that_was_interrupted_in_its_first_trial_begins_with_it_again(run_path, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(compressing, "converted", interrupted)
        with pytest.raises(KeyboardInterrupt):
            compress(run_path, Budget.of("1 MB"), tmp_path / "out", Limits(600, 1))
    found = compress(run_path, Budget.of("1 kB"), tmp_path / "out", Limits(600, 1))
    assert [trial.state for trial in found.trials] == ["failed", "done"]
    assert found.reference == 1


def test_another_run_is_refused(run_path, searched, tmp_path):
    other = tmp_path / "run"
    other.mkdir()
    for name in ("run.json", "histories.npz"):
        (other / name).write_bytes((run_path / name).read_bytes())
    weights = load_weights(run_path)
    np.savez(other / "weights.npz", **{name: array + 1 for name, array in weights.items()})
    with pytest.raises(InputError, match="another run: pass the same"):
        compress(other, Budget.of("1 kB"), searched[1], Limits(600, 1))


@pytest.mark.parametrize(
    ("kind", "rank"), [("cnn_lstm", 0), ("lstm", 0), ("cnn", 0), ("mlp", 0), ("vae", 0), ("cnn_lstm", 6)]
)
def test_what_is_drawn_makes_a_recipe_that_the_network_can_take(run_path, kind, rank):
    run = load_run(run_path)
    trunk = msgspec.structs.replace(run.trunk, kind=kind, rank=rank)
    cookbook = Cookbook(msgspec.structs.replace(run, trunk=trunk))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    drawn = [*cookbook.first, *(cookbook.drawn(study.ask()) for _ in range(40))]
    assert {choices["way"] for choices in drawn} == set(cookbook.ways)
    for choices in drawn:
        for each in cookbook.recipe(choices).passes:
            if isinstance(each, StructuredPruning):
                assert (each.filters or 1) <= run.trunk.filters
                assert (each.units or 1) <= run.trunk.units
                assert kind != "vae"
                assert kind != "lstm" or each.filters is None
            if isinstance(each, LowRank):
                assert 1 <= each.rank <= highest_rank(trunk)
    assert cookbook.recipe(cookbook.untouched) == Recipe()
