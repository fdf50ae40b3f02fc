"""Contestants of another interpreter: tflite-runtime's where there is one, LiteRT in a second process elsewhere."""

import io
import os
import signal
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from nearsight.backends.reference import NumpyBackend
from nearsight.errors import InputError
from nearsight_benchmarks.bench import bench
from nearsight_benchmarks.config import BenchConfig
from nearsight_benchmarks.contestants import RUNTIMES, Candidate
from nearsight_benchmarks.device import Answer, Block, serve
from nearsight_benchmarks.material import gathered
from nearsight_benchmarks.remote import checked, devices
from nearsight_benchmarks.results import Entry
from nearsight_benchmarks.timing import Calls, Plan, interleaved
from nearsight_export.replay import replayed

CONFIG = BenchConfig(windows=(16,), tflite_python=Path(sys.executable))
PLANTED = {("broken", "window.tflite", 16): b"not a graph"}


@pytest.fixture(scope="module")
def material(run_path, bundle_path):
    return gathered(run_path, bundle_path, CONFIG)


@pytest.fixture(scope="module")
def graphs(material):
    made = {
        (path.parent.name, "window.tflite", 16): path.read_bytes()
        for path in material.artifacts.glob("*/window.tflite")
    }
    return made | PLANTED


@pytest.fixture(scope="module")
def found(device, material, bundle_path, graphs):
    with devices(*device, material, bundle_path, CONFIG, graphs) as those_there:
        yield those_there


@pytest.fixture(scope="module")
def candidates(found):
    return {each.entry.name: each for each in found if isinstance(each, Candidate)}


@pytest.fixture(scope="module")
def name(device):
    return RUNTIMES[device[1]]


def test_every_variant_takes_part_and_what_cannot_be_loaded_is_named(found, candidates, name):
    precisions = ("fp32", "fp16", "int8", "int8-full")
    expected = {f"{graph} {precision} · {name}" for graph in ("step", "window 16") for precision in precisions}
    expected -= {f"window 16 int8-full · {name}"}  # whose windows are int8's
    assert set(candidates) == expected | {f"observe · {name}, event {n}" for n in ("10", "100,000")}
    missing = dict(each for each in found if not isinstance(each, Candidate))
    assert list(missing) == [f"window 16 broken · {name}"]
    assert "can't be loaded" in missing[f"window 16 broken · {name}"]


def test_entries_weigh_what_their_files_do(candidates, material, name):
    size = (material.artifacts / "fp16" / "step.tflite").stat().st_size
    assert candidates[f"step fp16 · {name}"].entry.weight.raw == size


def test_the_exam_is_answered_as_numpy_does(candidates, material, name):
    exam = material.exam
    replay = replayed(NumpyBackend(material.weights, exam.trunk), exam.trunk, exam.histories)
    ask, event = exam.kinds
    given = candidates[f"step fp32 · {name}"].answer(exam)
    # The bound of an fp32 artifact in the certificate: the same sums in another order.
    np.testing.assert_allclose(given["ask"], replay.asked[ask.indices, exam.column], atol=1e-5)
    np.testing.assert_allclose(given["event"], replay.heads[event.events, exam.column], atol=1e-5)
    observed = candidates[f"observe · {name}, event 10"].answer(exam)
    assert np.array_equal(observed["ask"], candidates[f"step int8 · {name}"].answer(exam)["ask"])


def test_it_stands_in_line_with_contestants_of_this_process(candidates, name):
    waiting = [candidates[f"step fp32 · {name}"].contestant, candidates[f"observe · {name}, event 100,000"].contestant]
    times = interleaved([*waiting, Calls("here", lambda: None)], Plan(calls=30, rounds=3, warm_up=4))
    assert {each: len(taken) for each, taken in times.items()} == {
        **{contestant.name: 30 for contestant in waiting},
        "here": 30,
    }
    assert all((times[contestant.name] > 0).all() for contestant in waiting)


def test_each_line_is_answered_by_one():
    calls = []

    def call():
        calls.append(None)

    def answer(exam):
        return {"ask": np.array([0.1 + 0.2, 1 / 3])}

    candidate = Candidate(Entry(name="a", family="step", runtime="x"), Calls("a", call), answer)
    requests = [msgspec.json.encode(each) + b"\n" for each in (Block("a", 5), Answer("a"), Block("a", 2))]
    replies = io.BytesIO()
    serve({"a": candidate}, None, requests, replies)
    first, second, third = (msgspec.json.decode(line) for line in replies.getvalue().splitlines())
    assert (len(first), len(third), len(calls)) == (5, 2, 2 * 5 + 2 * 2)
    assert second == {"ask": [0.1 + 0.2, 1 / 3]}  # to the last bit


def test_a_process_that_ends_is_told_with_its_last_words(device, material, bundle_path):
    with devices(*device, material, bundle_path, CONFIG, {}) as found:
        contestant = next(each for each in found if isinstance(each, Candidate)).contestant
        nobody = msgspec.structs.replace(contestant, name="nobody")
        with pytest.raises(InputError, match="nobody"):
            nobody.block(1)
        with pytest.raises(InputError, match="ended early"):
            contestant.block(1)


def test_a_process_that_is_killed_is_told_by_its_signal(device, material, bundle_path):
    with devices(*device, material, bundle_path, CONFIG, {}) as found:
        contestant = next(each for each in found if isinstance(each, Candidate)).contestant
        os.kill(contestant.device.process_id, signal.SIGKILL)
        with pytest.raises(InputError, match="signal 9"):
            contestant.block(1)


@pytest.mark.parametrize(("python", "words"), [(sys.executable, "tflite_runtime"), ("no/such/python", "can't be run")])
def test_an_interpreter_without_it_is_refused_in_one_sentence(python, words, run_path, bundle_path, tmp_path):
    with pytest.raises(InputError, match=words) as refused:
        checked(Path(python))
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match=words):
        bench(run_path, bundle_path, BenchConfig(tflite_python=Path(python)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
