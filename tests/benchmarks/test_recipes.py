"""What a recipe costs is counted from the files that ship, and an export is made once."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from nearsight.bundle import Bundle, read_bundle, sealed, write_bundle
from nearsight.errors import NearsightError
from nearsight.manifest import model_id
from nearsight_benchmarks import exports, recipes
from nearsight_benchmarks.exports import Made, made
from nearsight_benchmarks.recipes import Recipes, compared, main, notes, table
from nearsight_export.errors import CertificateError
from nearsight_export.replay import replayed
from nearsight_training.run import load_run, load_weights, save_run


def bundled(bundle_path, run_path, variant, threshold):
    """The fixture's bundle with the step of a variant alone, and another threshold."""
    bundle = read_bundle(bundle_path)
    content = (run_path / "artifacts" / variant / "step.tflite").read_bytes()
    heads = tuple(msgspec.structs.replace(head, threshold=threshold) for head in bundle.manifest.heads[:1])
    manifest = msgspec.structs.replace(
        bundle.manifest,
        heads=(*heads, *bundle.manifest.heads[1:]),
        members=sealed({"step.tflite": content}, {"step.tflite": variant}),
    )
    return Bundle(manifest, {"step.tflite": content})


@pytest.fixture
def oven(run_path, bundle_path, monkeypatch):
    """Exports of no work: `fastest` fails its proof, and `exact` says yes to everything."""
    calls, own = [], load_run(run_path).heads[0].threshold

    def export(copy, config, out, progress):
        calls.append((copy, config))
        if config.passes == recipes.RECIPES["fastest"].passes:
            raise CertificateError("purchase loses 0.1 of AUC")
        threshold = 0.0 if config.variant == "fp32" else own
        write_bundle(out, bundled(bundle_path, run_path, config.variant, threshold))

    monkeypatch.setattr(exports, "export", export)
    return calls


@pytest.fixture
def found(run_path, oven, tmp_path):
    names = ("quick", "exact", "fastest")
    return compared(run_path, {name: made(run_path, name, tmp_path) for name in names})


def test_an_export_is_made_once_and_so_is_a_failure(run_path, oven, tmp_path):
    first = [made(run_path, name, tmp_path) for name in ("quick", "fastest")]
    assert [made(run_path, name, tmp_path) for name in ("quick", "fastest")] == first
    assert [config.variant for _, config in oven] == ["int8", "int8"]
    assert [each.failure for each, _ in first] == ["", "purchase loses 0.1 of AUC"]
    assert [path.exists() for _, path in first] == [True, False]
    assert all(copy.name == run_path.name and copy != run_path and not copy.exists() for copy, _ in oven)


def test_an_interrupted_export_and_another_network_are_made_anew(run_path, oven, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(exports, "export", interrupted)
        with pytest.raises(KeyboardInterrupt):
            made(run_path, "quick", tmp_path)
    assert list(tmp_path.iterdir()) == []
    made(run_path, "quick", tmp_path)
    weights = {name: 2 * array for name, array in load_weights(run_path).items()}
    other = tmp_path / "other" / run_path.name
    save_run(other, load_run(run_path), weights, exports.load_histories(run_path))
    made(other, "quick", tmp_path)
    assert len(oven) == 2
    assert model_id(weights) != model_id(load_weights(run_path))


def test_heads_are_held_to_the_trained_networks(found, run_path):
    quick, exact = found.cooked
    exam = recipes._exam(run_path)
    [paper] = exam.papers
    before = replayed(exam.reference, exam.trunk, exam.histories)
    given = np.concatenate([before.heads, before.asked])
    backend = recipes.choose(
        "litert", {"step.tflite": (run_path / "artifacts/int8/step.tflite").read_bytes()}, exam.trunk
    )
    rounded = replayed(backend, exam.trunk, exam.histories)
    rounded = np.concatenate([rounded.heads, rounded.asked])
    areas = [roc_auc_score(paper.labels, each[paper.decisions, 0]) for each in (given, rounded)]
    assert quick.heads["purchase"].more.value == pytest.approx(areas[1] - areas[0], abs=1e-9)
    assert quick.heads["purchase"].more.low <= quick.heads["purchase"].more.value
    sides = [each[:, 0] >= paper.head.threshold for each in (given, rounded)]
    assert quick.heads["purchase"].flipped == np.mean(sides[0] != sides[1])
    assert exact.heads["purchase"].more.value == pytest.approx(0, abs=1e-4)
    assert exact.heads["purchase"].flipped == np.mean(~sides[0]) > 0


def test_steps_are_those_that_ship_and_times_are_multiples_of_the_default(found, run_path):
    quick, exact = found.cooked
    for each, variant in ((quick, "int8"), (exact, "fp32")):
        assert each.size.raw == (run_path / "artifacts" / variant / "step.tflite").stat().st_size
        assert (each.network, each.filters, each.units) == ("cnn_lstm", 8, 12)
        assert each.pace.ratio == pytest.approx(each.pace.p50_us / each.pace.reference_us, rel=0.5)
        assert 0 < each.pace.reference_us < 1000


def test_what_failed_and_what_trees_do_stands_below_the_table(found, run_path):
    lines = table(found).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| quick", "| exact"]
    assert len({line.count(" | ") for line in lines}) == 1
    assert list(found.failures) == ["fastest"]
    assert "fastest made no bundle: purchase loses 0.1 of AUC." in list(notes(found))
    gate = load_run(run_path).gates["purchase"]
    trees = [rival.ahead["auc"] for rival in gate.rivals if rival.name == "LightGBM"]
    assert list(found.trees.values()) == trees
    exact = found.cooked[1].heads["purchase"].over_trees  # the same network, the same trees, the same resamples
    for mine, its in zip(msgspec.structs.astuple(exact), msgspec.structs.astuple(trees[0]), strict=True):
        assert mine == pytest.approx(its, abs=1e-4)


def test_without_the_default_there_is_nothing_to_time_against(run_path, tmp_path):
    failed = {"quick": (Made(seconds=1.0, failure="it broke"), tmp_path / "none.nsight")}
    with pytest.raises(NearsightError, match=r"needs an export by quick \(it broke\)"):
        compared(run_path, failed)


def test_it_is_one_command_that_goes_on_where_it_was(run_path, oven, tmp_path, capsys):
    out, folder = tmp_path / "recipes.json", tmp_path / "kept"
    for _ in range(2):
        main([str(run_path), "--recipe", "exact", "--folder", str(folder), "--out", str(out)])
    assert len(oven) == 2
    written = msgspec.json.decode(out.read_bytes(), type=Recipes)
    assert [each.recipe for each in written.runs[0].cooked] == ["quick", "exact"]
    assert table(written.runs[0]) in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        main([str(Path(tmp_path, "none"))])
    assert end.value.code == 2
    assert "none" in capsys.readouterr().err
