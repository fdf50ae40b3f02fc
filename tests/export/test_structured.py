"""Structured pruning removes what nothing is read from without a trace, and what matters least first."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import made_up
from nearsight.backends.reference import NumpyBackend
from nearsight.bundle import read_bundle
from nearsight.errors import InputError
from nearsight_export.config import ExportConfig
from nearsight_export.export import export
from nearsight_export.passes import shares, structured
from nearsight_export.passes.cache import Cache
from nearsight_export.passes.channels import channels_of, narrowed, silenced
from nearsight_export.passes.model import Model
from nearsight_export.passes.shares import counted
from nearsight_export.passes.structured import importance, shrunk
from nearsight_export.recipe import Recipe, StructuredPruning
from nearsight_export.replay import replayed
from nearsight_export.source import through
from nearsight_export.tflite import converted
from nearsight_export.tracing import step_function
from nearsight_training.progress import SILENT
from nearsight_training.run import load_histories, load_run, load_weights, save_run

SPEC, HEADS = made_up.spec(counts=()), made_up.heads()
FILTERS, UNITS = 10, 14
ROUNDING = 1e-6  # sums of float32 numbers in another order
SIZES = [
    (kind, size)
    for kind, sizes in {
        "cnn_lstm": ("filters", "units"),
        "lstm": ("units",),
        "cnn": ("filters", "units"),
        "mlp": ("filters", "units"),
        "cnn_lstm of rank 4": ("filters", "units"),
        "lstm of rank 4": ("units",),
    }.items()
    for size in sizes
]


def model_of(kind, seed=2):
    name, _, rank = kind.partition(" of rank ")
    plain = made_up.trunk(SPEC, HEADS, FILTERS, UNITS, skip=True)
    trunk = msgspec.structs.replace(plain, kind=name, rank=int(rank or 0))
    return Model(trunk, made_up.weights(trunk, seed))


def stepped(model, turns=7):
    """Heads and embeddings of 5 histories, after every event."""
    rng, backend = np.random.default_rng(1), NumpyBackend(model.weights, model.trunk)
    state, found = np.zeros((5, model.trunk.state_size), np.float32), []
    for _ in range(turns):
        codes = np.stack([rng.integers(0, n, 5) for n in model.trunk.code_sizes], -1).astype(np.int32)
        heads, embeddings, state = backend.step(codes, rng.normal(size=(5, model.trunk.numbers)).astype("f4"), state)
        found.append((heads, embeddings))
    return tuple(np.stack(parts) for parts in zip(*found, strict=True))


@pytest.mark.parametrize(("kind", "size"), SIZES)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_nothing_reads_goes_without_a_trace(kind, size, data):
    model = model_of(kind)
    channels = channels_of(model.trunk)[size]
    gone = data.draw(st.sets(st.integers(0, channels.width - 1), max_size=channels.width - 1))
    weights = model.weights
    for channel in gone:
        weights = silenced(weights, channels, channel)
    kept = np.setdiff1d(np.arange(channels.width), list(gone))
    small = narrowed(Model(model.trunk, weights), size, kept)
    assert {name: array.shape for name, array in small.weights.items()} == small.trunk.weight_shapes
    assert getattr(small.trunk, size) == channels.width - len(gone)
    (heads, embeddings), (fewer_heads, fewer) = stepped(Model(model.trunk, weights)), stepped(small)
    assert np.abs(heads - fewer_heads).max() <= ROUNDING
    assert np.abs((embeddings[..., kept] if size == "units" else embeddings) - fewer).max() <= ROUNDING


@pytest.mark.parametrize(("kind", "size"), SIZES)
def test_what_is_read_leaves_a_trace(kind, size):
    model = model_of(kind)
    heads, _ = stepped(model)
    assert np.abs(heads - stepped(narrowed(model, size, np.arange(1, 10)))[0]).max() > 1e-3


@pytest.fixture(scope="module")
def dead(run_path):
    """The made-up network, of which two filters never fire and two units are read by nothing."""
    run, weights = load_run(run_path), load_weights(run_path)
    weights["conv_kernel"][:, [3, 11]], weights["conv_bias"][[3, 11]] = 0, 0
    for unit in (0, 17):
        weights["lstm_kernel"][run.trunk.filters + unit], weights["head_kernel"][unit] = 0, 0
    return Model(run.trunk, weights)


def test_what_is_dead_has_no_importance_and_the_rest_has_some(dead, desk):
    found = importance(dead, desk, ("filters", "units"))
    assert np.flatnonzero(found["filters"] == 0).tolist() == [3, 11]
    assert np.flatnonzero(found["units"] == 0).tolist() == [0, 17]


def test_importance_is_by_how_much_answers_move(dead, desk):
    """Of the network before calibration, in NumPy's step, on the same histories; questions there are drawn."""
    units, histories = range(1, dead.trunk.units, 4), desk.training.limited(1000, desk.run.seed)
    channels = channels_of(dead.trunk)["units"]

    def answered(weights):
        replay = replayed(NumpyBackend(weights, dead.trunk), dead.trunk, histories)
        return np.concatenate([replay.heads, replay.asked])

    whole = answered(dead.weights)
    expected = [np.abs(answered(silenced(dead.weights, channels, unit)) - whole).sum(1).mean() for unit in units]
    assert importance(dead, desk, ("units",))["units"][units] == pytest.approx(expected, rel=0.25)


def test_what_is_dead_goes_first(dead, desk, monkeypatch):
    monkeypatch.setattr(structured, "_ROUNDS", 1)
    monkeypatch.setattr(structured.Lesson, "given", lambda *_: 0.0)
    small, report = shrunk(dead, desk, StructuredPruning(filters=dead.trunk.filters - 2, units=dead.trunk.units - 2))
    conv = np.delete(dead.weights["conv_kernel"], [3, 11], 1)
    head = np.delete(dead.weights["head_kernel"], [0, 17], 0)
    assert (small.weights["conv_kernel"] == conv).all()
    assert (small.weights["head_kernel"] == head).all()
    assert report.said == "14 of 16 filters and 22 of 24 units are left"
    assert report.tensors["head_kernel"].numbers == head.size
    assert report.tensors["head_kernel"].before == dead.weights["head_kernel"].size
    assert set(report.tensors) | set(report.skipped) == set(dead.weights)
    assert not set(report.tensors) & set(report.skipped)


def test_each_round_removes_as_large_a_share():
    width, rungs = 64, []
    for left in (2, 1, 0):
        width = structured._rung(width, 24, left)
        rungs.append(width)
    assert rungs == [46, 33, 24]  # 64 · (24 / 64) ^ (k / 3)


@pytest.mark.parametrize(
    ("kind", "filters", "units", "said"),
    [
        ("lstm", 4, None, "structured_pruning can't remove filters from a lstm network, received filters = 4"),
        ("vae", None, 4, "structured_pruning can't remove units from a vae network"),
        ("cnn", FILTERS + 1, None, f"structured_pruning can leave {FILTERS} filters at most, .* received 11"),
        ("mlp", 4, UNITS + 9, f"structured_pruning can leave {UNITS} units at most, .* received 23"),
    ],
)
def test_what_is_impossible_is_refused_by_name(desk, kind, filters, units, said):
    with pytest.raises(InputError, match=said):
        shrunk(model_of(kind), desk, StructuredPruning(filters=filters, units=units))


@pytest.mark.parametrize("kind", ["cnn_lstm", "lstm", "cnn", "mlp"])
def test_a_share_is_an_even_number_of_what_the_network_has(kind, desk):
    model = model_of(kind)
    goals = {size: count for size, count in asked_of(model, desk, keep=0.66).items() if count is not None}
    assert set(goals) == set(channels_of(model.trunk))
    for size, goal in goals.items():
        assert goal % 2 == 0
        assert goal / channels_of(model.trunk)[size].width == pytest.approx(0.66, abs=0.15)


@pytest.mark.parametrize("asked", [{"keep": 0.5}, {"kilobytes": 5}])
def test_a_network_without_channels_is_refused(desk, asked):
    with pytest.raises(InputError, match="can't remove anything from a vae"):
        asked_of(model_of("vae"), desk, **asked)


def asked_of(model, desk, variant="int8", **asked):
    """How many filters and units are left, by what is asked for."""
    found = counted(StructuredPruning(**asked), model, desk, variant)
    assert found.keep is found.kilobytes is None
    return {"filters": found.filters, "units": found.units}


def sized(kind, filters, units):
    trunk = msgspec.structs.replace(made_up.trunk(SPEC, HEADS, filters, units), kind=kind)
    return Model(trunk, made_up.weights(trunk))


def step_of(trunk, weights, window, artifact, samples=None):
    """As `conversion.converted`, in this process."""
    rows = samples.steps() if samples else [any_rows(trunk)]
    return converted(step_function(trunk, weights), artifact.split("/")[0], rows)


def any_rows(trunk):
    rng = np.random.default_rng(0)
    widths = {"numbers": trunk.numbers, "state": trunk.state_size}
    rows = {name: rng.random((4, width)).astype(np.float32) for name, width in widths.items()}
    return rows | {"codes": np.zeros((4, len(trunk.code_sizes)), np.int32)}


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(shares, "converted", step_of)


def bytes_of(model, asked, variant):
    """The bytes of the step with as much left as is asked for."""
    trunk = msgspec.structs.replace(model.trunk, **{size: count for size, count in asked.items() if count is not None})
    return len(step_of(trunk, made_up.weights(trunk), 8, f"{variant}/step.tflite"))


@pytest.mark.parametrize(
    ("kind", "variant", "kilobytes"),
    [
        ("cnn_lstm", "int8", 20),
        ("cnn_lstm", "int8", 9),  # where matrices are so small that they stay floats
        ("cnn_lstm", "int4", 16.5),
        ("cnn_lstm", "int8-full", 24),
        ("cnn_lstm", "fp32", 60),
        ("lstm", "fp16", 21),
        ("cnn", "int8", 9),
        ("mlp", "int8", 8.5),
    ],
)
def test_the_largest_share_is_left_whose_step_fits(desk, here, kind, variant, kilobytes):
    model = sized(kind, 40, 64)
    found = asked_of(model, desk, variant, kilobytes=kilobytes)
    assert found != asked_of(model, desk, keep=0.01)
    assert bytes_of(model, found, variant) <= 1000 * kilobytes
    ladder = [asked_of(model, desk, keep=percent / 100) for percent in range(1, 100)]
    more = ladder[max(place for place, each in enumerate(ladder) if each == found) + 1]
    assert bytes_of(model, more, variant) > 1000 * kilobytes - 300  # alignment, and scales that small matrices lack


def test_integers_throughout_are_counted_as_they_are(made, desk):
    """Biases of 64 bits; the made-up network is converted with real rows."""
    trunk, content = made.run.trunk, made.files["int16x8/step.tflite"]
    graph = shares.Footprint.of(trunk, "int16x8", content)
    assert graph.bytes(trunk) == len(content)
    weights = trunk.weight_shapes
    numbers = sum(int(np.prod(shape)) for shape in weights.values())
    biases = sum(shape[0] for shape in weights.values() if len(shape) == 1)
    assert len(content) - graph.graph == pytest.approx(numbers + 7 * biases, abs=16 * len(weights))


def test_what_fits_already_stays_whole(desk, here, monkeypatch):
    monkeypatch.setattr(structured, "importance", None)
    odd = sized("cnn_lstm", 9, 13)
    asked = counted(StructuredPruning(kilobytes=38), odd, desk, "int8")
    assert (asked.filters, asked.units) == (9, 13)
    same, report = shrunk(odd, desk, asked)
    assert same is odd
    assert report.said == "9 of 9 filters and 13 of 13 units are left"
    assert set(report.skipped) == set(odd.weights)
    assert (report.tensors, report.steps, report.validation_difference) == ({}, 0, 0.0)


def test_what_cant_fit_says_how_many_kilobytes_are_the_least(desk, here):
    model = sized("cnn_lstm", 40, 64)
    with pytest.raises(InputError, match=r"takes (\d+\.\d) kB of int8 at least, .* received 1\.5") as caught:
        asked_of(model, desk, kilobytes=1.5)
    least = float(str(caught.value).split("takes ")[1].split(" kB")[0])
    assert asked_of(model, desk, kilobytes=least) == {"filters": 2, "units": 2}
    with pytest.raises(InputError, match=f"takes {least} kB"):
        asked_of(model, desk, kilobytes=least - 0.1)


def test_bytes_are_those_of_the_recipes_precision_whatever_was_kept_before(desk, here, tmp_path, monkeypatch):
    model, cache, asked = sized("cnn_lstm", 16, 24), Cache(tmp_path), (StructuredPruning(kilobytes=12),)

    def cut(of, desk, asked, progress):
        for size in ("filters", "units"):
            of = narrowed(of, size, np.arange(getattr(asked, size)))
        return of, structured.PassReport(name="cut", said="cut", tensors={})

    monkeypatch.setattr(structured, "shrunk", cut)
    units = {
        variant: through(Recipe(passes=asked, variant=variant), model, desk, SILENT, cache)[0].trunk.units
        for variant in ("fp32", "int8", "fp16")
    }
    assert units["fp32"] < units["fp16"] < units["int8"]


def test_a_shrunk_run_ends_in_a_smaller_bundle_that_is_proven(made, run_path, tmp_path, monkeypatch):
    monkeypatch.setattr(structured, "_ROUNDS", 2)
    monkeypatch.setattr(structured, "_STEPS", 60)
    folder = tmp_path / "run"
    save_run(folder, load_run(run_path), load_weights(run_path), load_histories(run_path))
    config = ExportConfig(variant="fp32", variants=("fp32",), passes=(StructuredPruning(filters=12, units=18),))
    done = export(folder, config, tmp_path / "small.nsight")
    trunk = read_bundle(tmp_path / "small.nsight").manifest.trunk
    assert trunk == done.index.trunk == msgspec.structs.replace(load_run(run_path).trunk, filters=12, units=18)
    for found in done.index.artifacts:
        assert found.bytes < 0.9 * len(made.files[found.artifact])
    [report] = done.certificate.passes
    assert report.tensors["conv_kernel"].numbers == 0.75 * report.tensors["conv_kernel"].before
    assert report.validation_difference < 0.05
