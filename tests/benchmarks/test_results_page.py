import re

import msgspec
import pytest

from benchmarks import invented
from nearsight_benchmarks.cdnow import CrossFit
from nearsight_benchmarks.exposure import Exposure
from nearsight_benchmarks.fuzz import Fuzzed
from nearsight_benchmarks.groups import grouped
from nearsight_benchmarks.kills import Kills
from nearsight_benchmarks.networks import Compared, Networks
from nearsight_benchmarks.recipes import Cooked, Moved, Recipes, RunRecipes
from nearsight_benchmarks.results import Weight, write_results
from nearsight_benchmarks.results_page import main, render
from nearsight_benchmarks.scale import Epochs, Parted, Scale, Sequences
from nearsight_benchmarks.sections.markdown import difference
from nearsight_benchmarks.soak import Soak
from nearsight_benchmarks.timing import Latency
from nearsight_export.pace import Pace
from nearsight_training.gate import verdict
from nearsight_training.metrics import Interval
from nearsight_training.run import load_run

CROSSFIT = CrossFit(
    customers=20_000, yes_share=0.3, folds=5, seed=1, resamples=1000, by_fold={}, seconds=1.0, host=invented.HOST,
    command="python -m nearsight_benchmarks.cdnow --out cdnow.json",
    auc={"network": Interval(0.77, 0.76, 0.78), "LightGBM": Interval(0.771, 0.76, 0.78),
         "BG/NBD": Interval(0.76, 0.75, 0.77)},
    network_less={"LightGBM": Interval(-0.001, -0.003, 0.002), "BG/NBD": Interval(0.01, 0.002, 0.02)},
    pooled_less={"LightGBM": Interval(-0.002, -0.004, -0.001), "BG/NBD": Interval(0.01, 0.002, 0.02)},
)  # fmt: skip


def compared(**changes):
    return render(invented.results(), msgspec.structs.replace(CROSSFIT, **changes))


def test_every_entry_is_shown_in_its_group_and_the_pick_is_bold():
    page = compared()
    shown = [row.strip("* ") for row in re.findall(r"^\| ([^|]*) \|", page, re.MULTILINE)]
    for title, entries in grouped(invented.ENTRIES):
        start = shown.index(title)
        assert shown[start + 2 : start + 2 + len(entries)] == [entry.name for entry in entries]
    assert (
        "| **step int8 · LiteRT** | 4.6 µs | 6.0 µs | 9.2 µs | 1,000 | 81.0 | 64.8 | 0.768 (0.761 to 0.775) |" in page
    )


def test_every_row_has_as_many_cells_as_its_table():
    for table in re.findall(r"(?:^\|.*\n)+", compared(), re.MULTILINE):
        assert len({line.count(" | ") for line in table.splitlines()}) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Interval(0.01, 0.002, 0.02), "The network ranks better than LightGBM."),
        (Interval(-0.01, -0.02, -0.002), "LightGBM ranks better than the network."),
        (Interval(0.001, -0.002, 0.004), "The network can't be told apart from LightGBM."),
    ],
)
def test_models_are_compared_as_far_as_the_intervals_allow(change, words):
    assert words in compared(network_less={"LightGBM": change})


def test_a_difference_that_is_too_small_to_show_has_no_sign():
    assert difference(Interval(-0.00001, -0.0, 0.00004)) == "0.0000 (0.0000 to 0.0000)"
    assert difference(Interval(-0.00006, -0.5, 0.00005)) == "−0.0001 (−0.5000 to +0.0001)"


def test_the_load_is_told_as_it_was_measured_or_not_at_all():
    assert "load average" not in compared()
    loaded = msgspec.structs.replace(invented.PROTOCOL, load_average=0.31)
    assert "The load average was 0.3 when the benchmark began." in render(invented.results(protocol=loaded), CROSSFIT)


def test_it_is_one_command(tmp_path):
    results, crossfit, page = (tmp_path / name for name in ("results.json", "cdnow.json", "RESULTS.md"))
    write_results(results, invented.results())
    crossfit.write_bytes(msgspec.json.encode(CROSSFIT))
    main([str(results), str(crossfit), "--out", str(page)])
    assert page.read_text() == compared()


def test_a_run_stands_beside_simpler_models_in_every_question(run_path):
    run = load_run(run_path)
    page = render(invented.results(), CROSSFIT, [run])
    assert page.count(f"| {run.source.name} | ") == sum(len(gate.rivals) for gate in run.gates.values()) >= 2
    for name, gate in run.gates.items():
        for sentence in verdict(name, gate):
            assert f"- {run.source.name}: {sentence}" in page


@pytest.mark.parametrize("content", [None, b"[]", b"\xff"])
def test_other_files_are_refused_in_words_and_nothing_is_written(content, tmp_path, capsys):
    results, crossfit = tmp_path / "results.json", tmp_path / "cdnow.json"
    write_results(results, invented.results())
    if content is not None:
        crossfit.write_bytes(content)
    with pytest.raises(SystemExit) as end:
        main([str(results), str(crossfit), "--out", str(tmp_path / "RESULTS.md")])
    assert end.value.code == 2
    assert "nearsight_benchmarks.cdnow" in capsys.readouterr().err
    assert not (tmp_path / "RESULTS.md").exists()


def test_a_large_log_is_told_by_its_stages_and_an_epoch_by_its_seconds():
    read = Sequences(
        events=5_000_000, users=150_000, questions=9_900_000, file_megabytes=230.2,
        seconds={"read": 1.25, "prepare": 6.0},
        cpu_seconds=14.7, process_seconds=9.0, peak_megabytes=1591.3, processes=3,
    )  # fmt: skip
    trained = Epochs(
        histories=25_000,
        length=32,
        seconds=(12.0,),
        median_seconds=12.0,
        cpu_seconds_per_epoch=20.5,
        peak_megabytes=1437.8,
    )
    large = Parted(
        events=20_000_000, users=600_000, file_megabytes=920.7, memory="2GB", parts=12,
        whole_seconds=50.4, whole_megabytes=5600.2, parts_seconds=71.2, parts_megabytes=801.3,
    )  # fmt: skip
    scale = Scale(
        sequences=read,
        epochs=trained,
        parted=large,
        seed=1,
        load_average=(0.1, 0.2),
        host=invented.HOST,
        command="python -m scale",
    )  # fmt: skip
    page = render(invented.results(), CROSSFIT, more=[scale])
    assert "5,000,000 events of 150,000 users (230 MB)" in page
    assert (
        "as a whole: 50 s, 5,600 MB at the peak of the process; in the 12 parts of `--memory 2GB`: 71 s, 801 MB" in page
    )
    assert "read 1.2 s, prepare 6.0 s; 14.7 s of all cores together, 1,591 MB" in page
    assert "25,000 histories of 32 events, the check of validation included: 12.0 s, 20.5 s of all cores" in page


def test_a_store_over_a_long_time_is_told_where_it_was_measured():
    killed = Kills(
        trials=500, events=90_000, flush_events=200, most_lost_events=17, flush_seconds=0.05,
        oldest_lost_seconds=0.0612, erasures=33, failures=("kill 7: planted",),
    )  # fmt: skip
    soak = Soak(
        kills=killed, backed=(), endurance=None, seed=1, load_average=(0.1, 0.2), host=invented.HOST,
        command="python -m soak shop.nsight",
    )  # fmt: skip
    page = render(invented.results(), CROSSFIT, more=[soak])
    assert "$ python -m soak shop.nsight\n500 kills, 90,000 events, 33 erasures: 1 failures; at most 17 events" in page
    assert "the oldest 0.061 s old (bound 0.05 s and a write)\nkill 7: planted\n```" in page
    assert "A store over a long time" not in render(invented.results(), CROSSFIT)


def test_damage_and_exposure_are_told_as_their_commands_tell_them(tmp_path):
    fuzz = Fuzzed(
        cases=240, seed=1, seconds=3.0, counts={"bytes of a store": 240}, refused={"bytes of a store": 7},
        errors={"StoreError: …": 7}, slowest_seconds=0.1, slowest="bytes of a store, seed 3", grown_megabytes=5.0,
        faults=(),
    )  # fmt: skip
    exposure = Exposure(
        runtime="litert", cases=200, seed=1, seconds=2.0, refused=150, used=40, crashed={"SIGSEGV": 8}, hung=2,
        strange={}, examples={}, host=invented.HOST, command="python -m exposure shop.nsight",
    )  # fmt: skip
    page = render(invented.results(), CROSSFIT, more=[fuzz, exposure])
    assert "--cases 240\n240 cases in 3 s:\n  240 bytes of a store, 7 of them refused\n1 distinct errors" in page
    assert "8 (4.0%) crashed the process (SIGSEGV 8), 2 hung, 0 gave another error; 2 s" in page
    paths = {name: tmp_path / f"{name}.json" for name in ("results", "crossfit", "fuzz", "exposure")}
    write_results(paths["results"], invented.results())
    for name, figures in (("crossfit", CROSSFIT), ("fuzz", fuzz), ("exposure", exposure)):
        paths[name].write_bytes(msgspec.json.encode(figures))
    out = tmp_path / "RESULTS.md"
    options = ["--fuzz", str(paths["fuzz"]), "--exposure", str(paths["exposure"]), "--out", str(out)]
    main([str(paths["results"]), str(paths["crossfit"]), *options])
    assert out.read_text() == page


def test_networks_and_recipes_are_told_by_their_own_tables(tmp_path):
    latency, size = Latency(p50_us=3.7, p95_us=4.0, p99_us=5.0, calls=1000), Weight(raw=37_300, gzipped=30_000)
    networks = [
        Networks(
            data=data, question="will purchase happen?", questions=40, users=30, seed=1, resamples=500,
            load_average=None, host=invented.HOST, command=f"python -m networks --data {data}",
            networks=(
                Compared(
                    network="cnn_lstm", auc=Interval(0.77, 0.76, 0.78), more=None, size=size, latency=latency,
                    weights=900, state=70, training_seconds=12.0, epochs=3,
                ),
            ),
        )
        for data in ("cdnow", "bpic2012")
    ]  # fmt: skip
    moved = Moved(more=Interval(-0.0007, -0.0051, 0.0034), over_trees=Interval(0.02, 0.01, 0.03), flipped=0.0048)
    cooked = Cooked(
        recipe="balanced", seconds=81.0, network="cnn_lstm", filters=28, units=44, size=size,
        pace=Pace(p50_us=2.7, reference_us=2.9, ratio=0.914),
        heads={"ends": moved, "silent": Moved(more=None, over_trees=None, flipped=0.0)},
    )  # fmt: skip
    runs = RunRecipes(
        data="eshop2008", users=4658, trees={"ends": Interval(0.01, 0.002, 0.03)}, cooked=(cooked,),
        failures={"smallest": "ends loses 0.1 of AUC"},
    )  # fmt: skip
    recipes = Recipes(runs=(runs,), load_average=1.23, host=invented.HOST, command="python -m recipes runs/eshop2008")
    page = render(invented.results(), CROSSFIT, more=[*networks, recipes])
    for each in networks:
        assert f"```\n{each.command}\n```\n\n{each.data}: will purchase happen? 40 questions about 30 test" in page
    assert page.count("| cnn_lstm | 0.7700 (0.7600 to 0.7800) |") == 2
    assert (
        "| balanced | cnn_lstm, 28 filters, 44 units | 37.3 | 0.91 | −0.0007 (−0.0051 to +0.0034); "
        "+0.0200 (+0.0100 to +0.0300); 0.48 % | –; –; 0.00 % | 81 |" in page
    )
    assert "- ends: the trained network's AUC less LightGBM's is +0.0100 (+0.0020 to +0.0300).\n- smallest made" in page
    assert "The load average was 1.2 at the end." in page
    paths = {name: tmp_path / f"{name}.json" for name in ("results", "crossfit", "cdnow", "bpic2012", "recipes")}
    write_results(paths["results"], invented.results())
    for name, figures in zip(list(paths)[1:], (CROSSFIT, *networks, recipes), strict=True):
        paths[name].write_bytes(msgspec.json.encode(figures))
    out = tmp_path / "RESULTS.md"
    options = ["--networks", str(paths["cdnow"]), str(paths["bpic2012"]), "--recipes", str(paths["recipes"])]
    main([str(paths["results"]), str(paths["crossfit"]), *options, "--out", str(out)])
    assert out.read_text() == page
