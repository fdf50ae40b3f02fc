import shutil

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

import nearsight
from nearsight.errors import InputError
from nearsight_benchmarks.bench import PAGE, RESULTS, answered, bench
from nearsight_benchmarks.config import BenchConfig
from nearsight_benchmarks.contestants import Candidate, Exam
from nearsight_benchmarks.material import gathered
from nearsight_benchmarks.results import Entry, read_results
from nearsight_benchmarks.timing import Calls, Plan
from nearsight_training.histories import SPLITS
from nearsight_training.questions import questions
from nearsight_training.run import load_histories, load_run

WINDOWS = (4, 16)


@pytest.fixture(scope="module")
def out(run_path, bundle_path, device, tmp_path_factory):
    python, runtime = device
    folder = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BenchConfig, "plan", property(lambda _: Plan(calls=20, fewest=2, seconds=0.1, rounds=2)))
        patch.setattr(BenchConfig, "processes", property(lambda _: 1))
        patch.setattr(BenchConfig, "resamples", property(lambda _: 30))
        patch.setattr("nearsight_benchmarks.observing.LATE", 300)
        patch.setattr("nearsight_benchmarks.conclusion.LATE", 300)
        patch.setattr("nearsight_benchmarks.bench.load_average", lambda: 1.25)
        config = BenchConfig(windows=WINDOWS, tflite_python=python if runtime == "tflite" else None)
        bench(run_path, bundle_path, config, folder)
    return folder


@pytest.fixture(scope="module")
def results(out):
    return read_results(out / RESULTS)


def test_everybody_takes_part(results, device):
    names = {entry.name for entry in results.entries if entry.runtime != "TFLite"}
    steps = {f"step {precision} · LiteRT" for precision in ("fp32", "fp16", "int8", "int8-full")}
    steps |= {f"step {precision} · ONNX Runtime" for precision in ("fp32", "int8")} | {"step fp32 · NumPy"}
    whole = {name for name in steps if "NumPy" not in name and "int8-full" not in name}  # both have steps alone
    windows = {name.replace("step", f"window {size}") for name in whole for size in WINDOWS}
    fused = {f"fused window {size} {precision} · LiteRT" for size in WINDOWS for precision in ("fp32", "int8")}
    keras = {f"Keras {call}, window {size}" for call in ("model(x)", "predict") for size in WINDOWS}
    observed = {f"observe · {name}, event {n}" for name in ("LiteRT", "ONNX Runtime", "NumPy") for n in ("10", "300")}
    rivals = {f"{graph} TFLite defaults · LiteRT" for graph in ("step", "window 16")}
    rivals |= {f"step quantize_{kind} · ONNX Runtime" for kind in ("dynamic", "static")}
    rivals |= {"step ai-edge-quantizer · LiteRT"}
    peers = {"LightGBM", "LightGBM in ONNX", "BG/NBD"}
    assert names == steps | windows | fused | keras | observed | rivals | peers
    assert set(results.skipped) == (set() if device[1] == "tflite" else {"TFLite"})
    assert {rate.runtime for rate in results.throughput} == {"LiteRT", "ONNX Runtime", "NumPy"}


def test_the_market_holds_every_test_user(results, run_path, out):
    """Each is on the map once, in the segment that the bundle gives after the last event."""
    market, users = results.market, results.protocol.users
    assert [kind.name for kind in market.kinds] == [
        each.name for each in load_run(run_path).beside.segmentation.segments
    ]
    assert sum(kind.test_share for kind in market.kinds) == pytest.approx(1)
    assert len(market.places) == users
    assert {place.kind for place in market.places} <= set(range(len(market.kinds)))
    assert 0 < market.explained <= 1
    assert "Market segmentation" in out.joinpath(PAGE).read_text()


def test_everybody_is_timed_weighed_and_scored(results):
    for entry in results.entries:
        assert entry.latency.calls >= 2
        assert 0 < entry.latency.p50_us <= entry.latency.p95_us <= entry.latency.p99_us
        assert entry.weight.gzipped > 0
        assert set(entry.quality) == {"ask", "event"}
    started = {entry.name for entry in results.entries if entry.footprint}
    assert started == {
        "observe · LiteRT, event 10",
        "observe · ONNX Runtime, event 10",
        "observe · NumPy, event 10",
        "window 16 fp32 · LiteRT",
        "window 16 fp32 · ONNX Runtime",
        "Keras model(x), window 16",
        "LightGBM",
        "LightGBM in ONNX",
        "BG/NBD",
    }
    heaviest = max(started, key=lambda name: results.entry(name).footprint.megabytes)
    assert heaviest == "Keras model(x), window 16"


def test_every_step_of_a_runtime_is_held_against_the_machine(results):
    """int8-full has no ONNX graph, and NumPy's steps are of no file."""
    assert {cost.entry for cost in results.costs} == {
        *(f"step {variant} · LiteRT" for variant in ("fp32", "fp16", "int8", "int8-full")),
        *(f"step {variant} · ONNX Runtime" for variant in ("fp32", "int8")),
    }
    for cost in results.costs:
        assert cost.p50_us == results.entry(cost.entry).latency.p50_us
        assert sum(cost.work.multiplications.values()) > 0
        assert cost.bound_us > 0
    assert set(results.machine.limits) == {"litert", "onnx"}


def test_scores_are_those_of_a_replay_through_the_sdk(results, run_path, bundle_path):
    """An oracle of another kind: each user's events one by one through a session, and the question put to it."""
    test = load_histories(run_path).select(SPLITS.index("test"))
    asked, after = questions(test, 0)
    insight = nearsight.load(bundle_path, runtime="numpy")
    at_events, at_asks = np.zeros(len(test.codes)), []
    for user in range(len(test)):
        session, span = insight.session(), test.span(user)
        for event in range(span.start, span.stop):
            reading = session.observe(test.names[event], test.times[event], price=test.fields["price"][event])
            at_events[event] = reading["purchase"]
        at_asks += [session.score(float(when))["purchase"] for when in asked.times[asked.users == user]]
    found = results.entry("step fp32 · NumPy").quality
    assert found["ask"]["auc"].value == pytest.approx(roc_auc_score(asked.answers, at_asks), abs=1e-6)
    expected = average_precision_score(after.answers, at_events[after.events])
    assert found["event"]["average_precision"].value == pytest.approx(expected, abs=1e-5)


def test_the_auc_is_the_one_that_training_printed(results, run_path):
    trained = load_run(run_path).metrics["purchase"]["auc"].value
    assert results.entry("step fp32 · NumPy").quality["ask"]["auc"].value == pytest.approx(trained, abs=1e-5)


def test_a_quick_benchmark_asks_as_many_questions(run_path, bundle_path):
    quick, full = (gathered(run_path, bundle_path, BenchConfig(quick=quick)).exam for quick in (True, False))
    assert len(quick.kinds[0]) == len(full.kinds[0]) > 0
    assert np.array_equal(quick.kinds[0].users, full.kinds[0].users)


def test_a_binary_is_asked_once_and_every_entry_has_its_answers():
    asked = []

    def shared(exam):
        asked.append(exam.column)
        return {"ask": np.array([0.5])}

    def own(exam):
        return {"ask": np.array([0.25])}

    candidates = [
        Candidate(Entry(name=name, family="step", runtime="x"), Calls(name, list), answer)
        for name, answer in (("a", shared), ("b", own), ("c", shared))
    ]
    exam = Exam(histories=None, kinds=(), trunk=None, column=3)
    answers = answered(candidates, exam)
    assert {name: given["ask"].tolist() for name, given in answers.items()} == {"a": [0.5], "b": [0.25], "c": [0.5]}
    assert asked == [3]


def test_a_window_that_holds_every_history_is_as_accurate_as_the_step(results, run_path):
    assert load_histories(run_path).lengths.max() > WINDOWS[-1]  # so that this can fail for events and the short window
    step = results.entry("step fp32 · LiteRT").quality["event"]["auc"].value
    for name in ("step fp32 · ONNX Runtime", "step fp32 · NumPy"):
        assert results.entry(name).quality["event"]["auc"].value == pytest.approx(step, abs=1e-5)
    window = results.entry("window 16 fp32 · LiteRT").quality["event"]["auc"].value
    for name in ("window 16 fp32 · ONNX Runtime", "Keras predict, window 16", "Keras model(x), window 16"):
        assert results.entry(name).quality["event"]["auc"].value == pytest.approx(window, abs=1e-5)
    assert results.entry("window 4 fp32 · LiteRT").quality["event"]["auc"].value != pytest.approx(window, abs=1e-5)


def test_what_other_tools_made_is_the_same_network(results):
    """Within what 8 bits cost: a file whose tensors were mixed up would rank by chance."""
    rivals = [entry for entry in results.entries if entry.family == "rival"]
    assert len(rivals) == 5
    for entry in rivals:
        source = results.entry(f"window {entry.window} fp32 · LiteRT" if entry.window else "step fp32 · LiteRT")
        assert entry.name in results.differences
        for kind, figures in entry.quality.items():
            assert figures["auc"].value == pytest.approx(source.quality[kind]["auc"].value, abs=0.01)
    trees, converted = (results.entry(name).quality["ask"]["auc"].value for name in ("LightGBM", "LightGBM in ONNX"))
    assert converted == pytest.approx(trees, abs=0.01)
    assert any(sentence.startswith("Of what other tools make of the same network") for sentence in results.verdict)


def test_the_host_and_its_load_are_told(results, device):
    assert results.protocol.load_average == 1.25
    assert ("tflite-runtime" in results.host.versions) == (device[1] == "tflite")
    assert any("tflite-runtime" in caveat for caveat in results.caveats) == (device[1] == "tflite")


def test_the_verdict_names_a_step_of_the_run(results):
    pick = results.entry(results.pick)
    assert pick.family == "step"
    assert results.verdict[0].startswith(f"Ship the {pick.precision} step graph and run it in {pick.runtime}")
    assert results.question == "will purchase happen within 30 days?"
    assert results.primary == "ask"
    assert set(results.front) <= {entry.name for entry in results.entries}
    assert set(results.differences) >= {"LightGBM", "BG/NBD"}


def test_ratios_are_medians_of_the_same_run(results):
    for ratio in results.ratios:
        fast, slow = results.entry(ratio.fast).latency.p50_us, results.entry(ratio.slow).latency.p50_us
        assert ratio.times == pytest.approx(slow / fast)
    picked = results.entry(results.pick).runtime
    streamed = "LiteRT" if picked == "TFLite" else picked  # the other process streams all of its 100,000 events
    assert {ratio.fast for ratio in results.ratios} == {f"observe · {streamed}, event 300"}


def test_the_page_is_written_beside(out, results):
    page = (out / PAGE).read_text()
    assert results.verdict[0] in page
    assert "nearsight bench" in page


def test_a_bundle_of_another_run_is_refused(run_path, bundle_path, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(run_path, other)
    text = (other / "run.json").read_text()
    (other / "run.json").write_text(text.replace('"look"', '"gaze"'))
    with pytest.raises(InputError, match="wasn't exported from"):
        gathered(other, bundle_path, BenchConfig())


def test_an_unknown_head_is_refused_with_those_there_are(run_path, bundle_path):
    with pytest.raises(InputError, match="choose one of purchase"):
        gathered(run_path, bundle_path, BenchConfig(head="churn"))


def test_a_run_without_artifacts_is_refused_and_nothing_is_written(run_path, bundle_path, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(run_path, bare, ignore=shutil.ignore_patterns("artifacts"))
    with pytest.raises(InputError, match="nearsight export"):
        bench(bare, bundle_path, BenchConfig(quick=True), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("windows", [(), (1,)])
def test_a_configuration_without_windows_is_refused(windows):
    with pytest.raises(ValueError, match="at least 2 events"):
        BenchConfig(windows=windows)
