import msgspec
import pytest

from benchmarks import invented
from nearsight_benchmarks import verdict
from nearsight_benchmarks.pareto import front
from nearsight_training.gate import ENOUGH
from nearsight_training.metrics import Interval

AGAINST = {
    "step fp32 · LiteRT": Interval(-0.0003, -0.001, 0.001),
    "LightGBM": Interval(-0.002, -0.006, 0.003),
    "BG/NBD": Interval(0.005, 0.001, 0.009),
}


def sentences(entries=invented.ENTRIES, against=AGAINST, users=ENOUGH):
    chosen = verdict.pick(entries, "ask")
    found = verdict.ratios(entries, invented.OBSERVED[1], (32, 128))
    return chosen, verdict.sentences(entries, chosen, "ask", found, against, users)


def test_the_smallest_of_the_good_and_quick_is_picked():
    assert verdict.pick(invented.ENTRIES, "ask").name == "step int8 · LiteRT"


def test_a_small_artifact_that_lost_accuracy_is_not_picked():
    broken = invented.step("int4", invented.LITERT, 3.0, 0.7655, 40_000)
    assert verdict.pick((*invented.ENTRIES, broken), "ask").name == "step int8 · LiteRT"


def test_a_small_artifact_that_is_slow_is_not_picked():
    slow = invented.step("int4", invented.LITERT, 40.0, 0.7690, 40_000)
    assert verdict.pick((*invented.STEPS, slow), "ask").name == "step int8 · LiteRT"


def test_windows_and_peers_are_never_picked():
    tempting = invented.window("fp32", "Wish", 128, 0.1, 0.9)
    assert verdict.pick((*invented.ENTRIES, tempting), "ask").family == "step"


def test_a_planted_contestant_that_is_slow_and_inaccurate_is_dominated():
    planted = invented.entry("planted", "window", "Keras", 90_000.0, 0.70, window=128)
    entries = (*invented.ENTRIES, planted)
    best = front([e.latency.p50_us for e in entries], [e.quality["ask"]["auc"].value for e in entries])
    assert planted.name not in {entries[place].name for place in best}
    assert verdict.pick(entries, "ask").name == "step int8 · LiteRT"


def test_the_first_sentence_names_the_pick_and_its_figures():
    _, said = sentences()
    assert said[0] == (
        "Ship the int8 step graph and run it in LiteRT (81 kB, 65 kB gzipped): it reads one event in 4.6 µs."
    )
    assert said[1] == "Its AUC is 0.768 (0.761 to 0.775), 0.0003 below the fp32 graph's."


def test_ratios_are_against_the_fastest_window_of_each_length():
    found = verdict.ratios(invented.ENTRIES, invented.OBSERVED[1], (32, 128))
    times = {ratio.slow: ratio.times for ratio in found}
    assert times["window 128 fp32 · ONNX Runtime"] == pytest.approx(180 / 9.9)
    assert times["window 32 fp32 · ONNX Runtime"] == pytest.approx(180 * 0.28 / 9.9)
    assert "window 128 fp32 · LiteRT" not in times
    assert times["Keras predict, T=128"] == pytest.approx(37_000 / 9.9)


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (Interval(0.005, 0.001, 0.009), "The network ranks better than LightGBM"),
        (Interval(-0.005, -0.009, -0.001), "LightGBM ranks better than the network"),
        (Interval(0.001, -0.003, 0.005), "The network can't be told apart from LightGBM"),
    ],
)
def test_a_peer_is_compared_as_far_as_the_interval_allows(interval, words):
    _, said = sentences(against={**AGAINST, "LightGBM": interval})
    assert sum(words in sentence for sentence in said) == 1


def test_what_other_tools_make_is_told_by_its_best():
    rivals = {entry.name: Interval(0.0001, 0, 0) for entry in invented.RIVALS}
    _, said = sentences(against={**AGAINST, **rivals})
    assert (
        "Of what other tools make of the same network, step ai-edge-quantizer · LiteRT (4.7 µs, 85.4 kB, AUC −0.0001) "
        "is the fastest, step quantize_dynamic · ONNX Runtime (15.7 µs, 76.9 kB, AUC −0.0001) the smallest."
    ) in said
    del rivals["step quantize_dynamic · ONNX Runtime"]
    _, said = sentences(against={**AGAINST, **rivals})
    assert sum(sentence.endswith("is the fastest and the smallest.") for sentence in said) == 1


def test_few_users_are_no_ground_for_a_claim():
    _, said = sentences(users=ENOUGH - 1)
    assert sum("Nothing is claimed about the network and" in sentence for sentence in said) == 2
    assert not any("ranks better" in sentence or "told apart" in sentence for sentence in said)


def test_a_run_without_peers_or_keras_still_has_a_verdict():
    _, said = sentences((*invented.STEPS, *invented.OBSERVED), {})
    assert len(said) == 2


@pytest.mark.parametrize(
    ("microseconds", "text"), [(4.56, "4.6 µs"), (180.2, "180 µs"), (1500.0, "1.5 ms"), (250_000.0, "250 ms")]
)
def test_durations_are_said_in_their_unit(microseconds, text):
    assert verdict.duration(microseconds) == text


def test_bytes_are_said_in_thousands():
    assert [verdict.kilobytes(each) for each in (90, 76_712, 1_234_567)] == ["0.1", "76.7", "1,234.6"]


def test_ratios_have_the_digits_that_they_deserve():
    assert [verdict.times(each) for each in (3.14, 18.18, 3737.0)] == ["3.1 times", "18 times", "3,700 times"]


def test_entries_without_latency_are_not_picked():
    untimed = msgspec.structs.replace(invented.STEPS[2], latency=None)
    others = [each for each in invented.STEPS if each.name != untimed.name]
    assert verdict.pick([*others, untimed], "ask").name != untimed.name
