"""From a run to a bundle: proven or not written at all, with no user's event inside."""

import io
import re
import subprocess
import sys

import msgspec
import numpy as np
import pytest

import made_up
from nearsight.backends import choose
from nearsight.bundle import Bundle, read_bundle, sealed, write_bundle
from nearsight.conformance import read_vectors, verify
from nearsight.errors import BundleError, InputError
from nearsight.heads import BinaryHead, calibrated
from nearsight.manifest import model_id
from nearsight.spec import Category, Reset, Spec, Steps
from nearsight_export import production
from nearsight_export.card import card
from nearsight_export.config import ExportConfig
from nearsight_export.disclosure import told
from nearsight_export.errors import CertificateError, ConversionError
from nearsight_export.export import export
from nearsight_export.flatbuffer import foreign_operators
from nearsight_export.index import gzipped, read_index
from nearsight_export.inspection import inspect
from nearsight_export.packing import manifest_of
from nearsight_export.recipe import MagnitudePruning, Recipe
from nearsight_export.reports import Certificate
from nearsight_export.source import SourceModel, compressed
from nearsight_export.variants import MEMBERS, USUAL, artifacts
from nearsight_training.config import Privacy
from nearsight_training.guarantee import Guarantee
from nearsight_training.metrics import binary_metrics, next_event_metrics
from nearsight_training.progress import SILENT
from nearsight_training.run import load_histories, load_run, load_weights

RUNTIMES = {"litert": "step.tflite", "onnx": "step.onnx", "numpy": "step.npz"}


@pytest.fixture(scope="module")
def exported(run_path, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "shop.nsight"
    return export(run_path, ExportConfig(members=(*MEMBERS, "step.npz"), name="shop"), out)


@pytest.fixture(scope="module")
def bundle(exported):
    return read_bundle(exported.bundle)


def test_the_bundle_holds_what_was_asked_for(exported, bundle):
    assert set(bundle.members) == {*MEMBERS, "step.npz", "vectors.json", "certificate.json", "MODEL_CARD.md"}
    precisions = {name: member.precision for name, member in bundle.manifest.members.items() if member.precision}
    assert precisions == {**dict.fromkeys(MEMBERS, "int8"), "step.npz": "fp32"}
    assert exported.model == bundle.manifest.model
    assert bundle.manifest.name == "shop"


def test_every_runtime_keeps_the_vectors_of_the_bundle(bundle):
    vectors = read_vectors(bundle.members["vectors.json"])
    for runtime, member in RUNTIMES.items():
        backend = choose(runtime, {member: bundle.members[member]}, bundle.manifest.trunk)
        verify(vectors, bundle.manifest, backend, bundle.manifest.members[member].precision)


def test_the_run_keeps_every_variant_with_an_index(exported, run_path):
    index, folder = read_index(run_path), run_path / "artifacts"
    assert index == exported.index
    assert {found.artifact for found in index.artifacts} == set(artifacts(USUAL))
    assert index.failures == {}
    for found in index.artifacts:
        content = (folder / found.artifact).read_bytes()
        assert found.bytes == len(content)
        assert found.gzipped == gzipped(content)
        assert found.sparsity == pytest.approx(0.5, abs=0.005)
        if found.artifact.endswith("tflite"):
            assert foreign_operators(content) == []
    smaller = {found.artifact: found.bytes for found in index.artifacts}
    assert smaller["int8/step.tflite"] < smaller["fp16/step.tflite"] < smaller["fp32/step.tflite"]


def test_the_source_beside_the_artifacts_is_the_model_of_the_bundle(exported, bundle, run_path):
    with np.load(run_path / "artifacts" / "weights.npz", allow_pickle=False) as file:
        weights = {name: file[name] for name in file.files}
    folded = calibrated(weights, exported.index.heads)
    assert model_id(folded) == bundle.manifest.model
    assert exported.index.heads == bundle.manifest.heads
    with np.load(io.BytesIO(bundle.members["step.npz"]), allow_pickle=False) as file:
        assert all((file[name] == folded[name]).all() for name in folded)


def test_calibration_was_fitted_anew_after_pruning(exported, run_path):
    for old, new in zip(load_run(run_path).heads, exported.index.heads, strict=True):
        assert old.name == new.name
        if isinstance(new, BinaryHead):
            assert (old.scale, old.offset, old.threshold) != (new.scale, new.offset, new.threshold)
        else:
            assert old.temperature != new.temperature


def test_the_certificate_tells_figures_bounds_and_reasons(exported, bundle):
    found = msgspec.json.decode(bundle.members["certificate.json"], type=Certificate)
    assert found == exported.certificate
    assert [entry.artifact for entry in found.artifacts] == [
        "int8/step.tflite",
        "int8/step.onnx",
        "int8/window.tflite",
        "int8/window.onnx",
    ]
    for entry in found.artifacts:
        assert 0 < entry.largest_error <= entry.bound.error
        assert len(entry.bound.reason) > 80
    assert found.source_error <= 1e-5
    assert set(found.lost_auc) == {"purchase", "cart"}
    assert found.largest_loss == 0.002
    assert found.groups == ()  # 80 test users are too few to tell
    assert [report.name for report in found.passes] == ["magnitude_pruning", "quantisation_aware"]


def test_no_users_event_is_in_the_bundle(exported, bundle, run_path):
    histories = load_histories(run_path)
    vectors = read_vectors(bundle.members["vectors.json"])
    lived = set(np.concatenate([histories.times, histories.ask_time]).tolist())
    invented = [moment for history in vectors.histories for moment in history.moments]
    assert lived.isdisjoint(moment.time for moment in invented)
    prices = {f"{price:.4f}" for price in histories.fields["price"] if price == price}
    assert prices.isdisjoint(f"{moment.fields['price']:.4f}" for moment in invented if "price" in moment.fields)
    with open(exported.bundle, "rb") as file:
        content = file.read()
    gap = histories.numbers[:, list(bundle.manifest.spec.number_names).index("gap")]
    for event in np.flatnonzero(np.abs(gap) > 0.1)[:300]:
        assert histories.numbers[event].tobytes() not in content
        assert f"{histories.times[event]:.3f}".encode() not in content


def test_inspect_says_it_in_words_without_tensorflow(exported):
    text = str(inspect(exported.bundle))
    assert "purchase: will purchase happen within 7 days?" in text
    assert "next_event: which of 3 events comes next?" in text
    assert "price, a number from 0 to 500, by its logarithm" in text
    assert re.search(r"step\.tflite, [\d.]+ kB, int8: 8-bit weights", text)
    assert re.search(r"int8/step\.tflite lies within 0\.\d+ \(allowed 0\.1\)", text)
    assert re.search(r"the strongest of 3 attacks .* with an AUC of 0\.\d{3} \(", text)
    assert re.search(r"tells, of [\d,]+ held-out states .* the last event in [\d.]+ %", text)
    assert re.search(r"10,000 steps without an end stay within 0\.\d+, the last 1,000 of them within 0\.\d+; ", text)
    assert re.search(r"the noisiest weight and tensor keep \w+ \d{2,3} dB and \w+ \d{2,3} dB\n", text)
    assert re.search(r"changed the AUC of cart by [+-][\d.]+ \(.+\), where -0\.002 is allowed", text)
    assert "50 % of the weights of the convolution and the LSTM are zero" in text
    code = (
        "import sys; from nearsight_export.inspection import inspect; print(inspect(sys.argv[1])); "
        "strange = {'tensorflow', 'onnxruntime', 'ai_edge_litert', 'polars', 'sklearn'} & set(sys.modules); "
        "sys.exit(str(strange) if strange else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, exported.bundle], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == text + "\n"


def described(path, members, **changes):
    """What `inspect` says of a bundle with a manifest that is invented but for its `changes`."""
    manifest = msgspec.structs.replace(
        made_up.bundle().manifest, members=sealed(members, {"step.npz": "fp32"}), **changes
    )
    write_bundle(path, Bundle(manifest, members))
    return str(inspect(path))


def test_inspect_says_of_a_table_what_its_steps_are_called(tmp_path):
    steps = Steps(name="value", lows=(0.0,) * 5, highs=(1.0,) * 5)
    spec = Spec(event=Category(name="event", vocabulary=("step",)), steps=steps)
    trunk = made_up.trunk(spec, made_up.heads())
    members = {"step.npz": made_up.npz(made_up.weights(trunk))}
    text = described(tmp_path / "table.nsight", members, spec=spec, trunk=trunk)
    assert "It reads\n  event, always step\n  value, a number with bounds for each of 5 positions\n" in text


@pytest.mark.parametrize(
    ("gap_seconds", "words"), [(1800, "30 minutes"), (3600, "1 hour"), (2_592_000, "30 days"), (0.5, "0.5 seconds")]
)
def test_inspect_says_after_what_gap_a_history_begins_anew(tmp_path, gap_seconds, words):
    made = made_up.bundle(Reset(gap_seconds=gap_seconds, max_events=500))
    text = described(tmp_path / "shop.nsight", made.members, spec=made.manifest.spec)
    assert f"; it begins anew after a gap of more than {words} or after 500 events\n" in text


def test_inspect_says_what_is_counted(tmp_path):
    made = made_up.bundle()
    text = described(tmp_path / "shop.nsight", made.members, spec=made.manifest.spec)
    counts = "each of these has happened so far: purchase (up to 3), view (up to 2.5)"
    assert f"  event, 3 known names, of which it sees how often {counts}\n" in text


def test_inspect_says_what_each_figure_means(tmp_path):
    asked, who = np.array([0, 1, 0, 1]), np.arange(4)
    binary = binary_metrics(asked, np.array([0.1, 0.9, 0.6, 0.4]), who)
    following = next_event_metrics(np.array([1, 2, 3, 1]), np.full((4, 3), 1 / 3), who)
    figures = {f"buys.again.{name}": found.value for name, found in binary.items()}
    figures |= {f"next_event.{name}": found.value for name, found in following.items()}
    text = described(tmp_path / "shop.nsight", made_up.bundle().members, metrics=figures)
    lines = text.partition("never saw\n")[2].splitlines()
    assert "  buys.again, AUC (how often a yes ranks above a no): 0.75" in lines
    assert len(lines) == len(figures)
    assert all(re.fullmatch(r"  \S+, [\w @]+ \(.+\): [\d.]+", line) for line in lines)


def test_inspect_refuses_what_is_no_bundle(tmp_path):
    with pytest.raises(BundleError, match="there is no file"):
        inspect(tmp_path / "nothing.nsight")
    (tmp_path / "text.nsight").write_text("not a zip")
    with pytest.raises(BundleError):
        inspect(tmp_path / "text.nsight")


def test_the_card_is_for_people(exported, bundle):
    card = bundle.members["MODEL_CARD.md"].decode()
    assert [line.removeprefix("## ") for line in card.splitlines() if line.startswith("## ")] == [
        "What it answers",
        "What it reads",
        "What it learned from",
        "How well it answers",
        "What it gives away",
        "Differential privacy",
        "Limits",
        "How it was made",
    ]
    assert re.search(r"\| purchase \| auc \| 0\.\d{4} \| 0\.\d{4} to 0\.\d{4} \|", card)
    assert "mustn't decide alone" in card
    assert all(f"- {line}\n" in card for line in told(exported.certificate.audit))


def test_card_and_inspection_say_what_was_promised_to_the_users(bundle, exported, run_path):
    assert "It was trained without differential privacy: nothing bounds" in bundle.members["MODEL_CARD.md"].decode()
    assert "privacy: trained without differential privacy" in str(inspect(exported.bundle))
    promise = Guarantee(
        epsilon=2.0, delta=1e-5, noise_multiplier=1.25, clip_norm=0.5, sampling_rate=0.125, steps=80, users=100
    )
    run = msgspec.structs.replace(load_run(run_path), guarantee=promise)
    certificate = msgspec.json.decode(bundle.members["certificate.json"], type=Certificate)
    text = card(run, bundle.manifest, certificate)
    assert "It was trained with (2, 1e-05)-differential privacy per user, by DP-SGD: 80 steps, each over users" in text
    assert "clipped to a norm of 0.5 and summed with noise of 1.25 times that" in text
    said = manifest_of(SourceModel(run, load_weights(run_path)), ExportConfig()).data
    assert said["privacy"] == "trained with (2, 1e-05)-differential privacy per user"


def privately(run):
    fitting = msgspec.structs.replace(run.config.fitting, private=Privacy(epsilon=2.0))
    return msgspec.structs.replace(run, config=msgspec.structs.replace(run.config, fitting=fitting))


def test_what_compresses_a_private_run_never_looks_at_the_users_trained_on(run_path, monkeypatch):
    run, weights, histories = privately(load_run(run_path)), load_weights(run_path), load_histories(run_path)
    unknown = histories.take(np.flatnonzero(histories.split != 0))
    source = compressed(run, weights, unknown, Recipe(passes=(MagnitudePruning(),)), SILENT)
    assert source.reports[0].steps > 0
    assert source.reports[0].tensors["conv_kernel"].sparsity == pytest.approx(0.5, abs=0.005)
    seen = []
    monkeypatch.setattr(production, "collected", lambda *given: seen.append(given[3]) or {}["stop"])
    with pytest.raises(KeyError):
        production.Production(run_path, run, weights, histories, QUICK, SILENT)._converted(run_path, source)
    assert set(seen[0].split.tolist()) == {1}


QUICK = ExportConfig(variant="fp32", variants=("fp32",), passes=(), members=("step.onnx", "step.npz"))


def listed(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_an_artifact_that_fails_leaves_nothing_behind(exported, run_path, tmp_path, monkeypatch):
    """A weight altered between conversion and proof."""
    sound = production.convert

    def altered(folder, progress):
        failures = sound(folder, progress)
        path, bias = folder / "fp32/step.tflite", load_weights(run_path)["lstm_bias"]
        path.write_bytes(path.read_bytes().replace(bias.tobytes(), (bias + np.float32(0.01)).tobytes()))
        return failures

    monkeypatch.setattr(production, "convert", altered)
    before, out = listed(run_path), tmp_path / "model.nsight"
    with pytest.raises(CertificateError, match=r"fp32/step\.tflite .* is .* where at most 1e-05 is allowed"):
        export(run_path, QUICK, out)
    assert not list(tmp_path.iterdir())
    assert listed(run_path) == before


def test_a_missing_variant_is_told_unless_the_bundle_needs_it(run_path, tmp_path, monkeypatch):
    sound = production.convert

    def broken(folder, progress):
        return sound(folder, progress) | {"fp32/window.tflite": "signal 11"}

    monkeypatch.setattr(production, "convert", broken)
    found = export(run_path, QUICK, tmp_path / "model.nsight")
    assert found.index.failures == {"fp32/window.tflite": "signal 11"}
    needs = msgspec.structs.replace(QUICK, members=("step.onnx", "window.tflite"))
    with pytest.raises(ConversionError, match=r"fp32/window\.tflite couldn't be converted \(signal 11\)"):
        export(run_path, needs, tmp_path / "other.nsight")
    assert [path.name for path in tmp_path.iterdir()] == ["model.nsight"]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"variant": "int3"}, r"one of fp32, fp16, int8, int8-full, int16x8, int4, received 'int3'"),
        ({"variant": "fp16", "variants": ("fp32",)}, "must be among those that are made"),
        ({"largest_loss": 0.5}, r"0 or lie below 0\.5, received 0\.5"),
        ({"members": ("window.tflite",)}, "needs a step graph"),
        ({"members": ("step.tflite", "step.exe")}, "members are among"),
    ],
)
def test_a_choice_that_cannot_be_used(run_path, tmp_path, choice, message):
    with pytest.raises(InputError, match=message):
        export(run_path, ExportConfig(**choice), tmp_path / "model.nsight")


def test_a_folder_is_no_bundle_and_no_run(run_path, tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        export(run_path, QUICK, tmp_path)
    with pytest.raises(InputError, match="isn't a run"):
        export(tmp_path, QUICK, tmp_path / "model.nsight")
    with pytest.raises(InputError, match="run nearsight export on it first"):
        read_index(tmp_path)
