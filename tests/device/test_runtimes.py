"""Every installed runtime gives the bundle's own answers; where none is installed, a sentence says what to install."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

import made_up
import nearsight
from device.conftest import DISTRIBUTIONS, INSTALLED
from nearsight.archive import packed
from nearsight.backends import RUNTIMES, choose
from nearsight.bundle import MANIFEST, Bundle, read_bundle, sealed, write_bundle
from nearsight.conformance import read_vectors, verify

TOLERANCE = 0.02  # the TFLite graph has 8-bit weights, and here they are random ones

WITHOUT = """
import sys
for package in sys.argv[2].split(","):
    sys.modules[package] = None
import nearsight
try:
    insight = nearsight.load(sys.argv[1])
except nearsight.RuntimeMissingError as error:
    print(error)
else:
    print(insight.runtime, insight.session().observe("view", time=0.0)["purchase"])
"""


FORKED = """
import os, sys, nearsight
session = nearsight.load(sys.argv[1], runtime=sys.argv[2]).session()
session.observe("view", time=1.7e9)
child = os.fork()
for turn in range(20):
    reading = session.observe("cart", time=1.7e9 + turn, price=turn)
os.write(1, f"{sorted(reading.items())}\\n".encode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else 0)
"""


GREETED = """
import os, threading
from nearsight.backends.greeting import without_greeting
inside, leave, left = threading.Event(), threading.Event(), threading.Event()
def first():
    with without_greeting():
        inside.set()
        leave.wait(0.5)
    left.set()
def second():
    inside.wait()
    with without_greeting():
        leave.set()
        left.wait(0.5)
        os.write(2, b"kept\\n")
threads = [threading.Thread(target=each, daemon=True) for each in (first, second)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(5)
os.write(2, b"after\\n")
os._exit(sum(thread.is_alive() for thread in threads))
"""


def without_runtimes(bundle: Path) -> str:
    packages = ",".join(package for package in DISTRIBUTIONS.values() if package != "numpy")
    command = [sys.executable, "-c", WITHOUT, str(bundle), packages]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_without_a_runtime_numpy_answers(bundle: Path) -> None:
    expected = nearsight.load(bundle, runtime="numpy").session().observe("view", time=0.0)["purchase"]
    assert without_runtimes(bundle) == f"numpy {expected}\n"


def test_without_any_way_to_run_it_says_what_to_install(tmp_path: Path) -> None:
    whole = made_up.bundle()
    members = {"step.tflite": b"TFL3", "step.onnx": b"onnx"}
    path = tmp_path / "graphs-only.nsight"
    write_bundle(path, Bundle(replace(whole.manifest, members=sealed(members, {})), members))
    sentence = without_runtimes(path)
    assert sentence.count("\n") == 1
    for extra in ("nearsight[litert]", "nearsight[tflite]", "nearsight[onnx]"):
        assert extra in sentence
    assert "step.npz" in sentence


@pytest.mark.parametrize("runtime", INSTALLED)
def test_every_runtime_gives_the_answers_that_the_bundle_expects(runtime: str, bundle: Path) -> None:
    opened = read_bundle(bundle)
    backend = choose(runtime, opened.members, opened.manifest.trunk)
    precision = opened.manifest.members[RUNTIMES[runtime][1]].precision
    verify(read_vectors(opened.members["vectors.json"]), opened.manifest, backend, precision)


@pytest.mark.parametrize("runtime", INSTALLED)
def test_a_runtime_that_has_other_weights_is_found_out(runtime: str, bundle: Path) -> None:
    opened = read_bundle(bundle)
    backend = choose(runtime, opened.members, opened.manifest.trunk)
    vectors = read_vectors(opened.members["vectors.json"])
    moment = vectors.histories[-1].moments[-1]
    wrong = replace(moment, heads=(moment.heads[0] + 0.1, *moment.heads[1:]))
    history = replace(vectors.histories[-1], moments=(*vectors.histories[-1].moments[:-1], wrong))
    with pytest.raises(nearsight.BundleError, match="readings"):
        verify(replace(vectors, histories=(history,)), opened.manifest, backend, "fp32")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system can't fork")
@pytest.mark.parametrize("runtime", INSTALLED)
def test_a_fork_answers_as_its_parent_does(runtime: str, bundle: Path) -> None:
    command = [sys.executable, "-c", FORKED, str(bundle), runtime]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == second
    assert "purchase" in first


@pytest.mark.parametrize("runtime", INSTALLED)
def test_threads_that_load_a_model_each_answer_as_one_alone(runtime: str, bundle: Path) -> None:
    def answers(first: int) -> list[dict[str, float]]:
        session = nearsight.load(bundle, runtime=runtime).session()
        events = [(("view", "cart", "purchase")[(first + turn) % 3], 1.7e9 + first * turn) for turn in range(60)]
        return [dict(session.observe(name, time, price=first)) for name, time in events]

    alone = [answers(first) for first in range(4)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(answers, range(4))) == alone


def test_threads_that_load_at_once_leave_the_process_its_standard_error() -> None:
    done = subprocess.run([sys.executable, "-c", GREETED], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "kept\nafter\n")


@pytest.mark.parametrize("runtime", INSTALLED)
def test_a_manifest_with_more_names_than_its_graph_has_is_refused_before_an_event(runtime: str, bundle: Path) -> None:
    opened = read_bundle(bundle)
    spec = opened.manifest.spec
    more = tuple(replace(each, vocabulary=(*each.vocabulary, "one more")) for each in spec.categories)
    wider = replace(spec, categories=more)
    trunk = replace(opened.manifest.trunk, code_sizes=wider.code_sizes)
    manifest = replace(opened.manifest, spec=wider, trunk=trunk)
    content = packed({MANIFEST: msgspec.json.encode(manifest), **opened.members})
    with pytest.raises(nearsight.BundleError, match="export it again"):
        nearsight.load(content, runtime=runtime)


@pytest.mark.parametrize("runtime", INSTALLED)
def test_a_runtime_goes_on_from_another_ones_snapshot(runtime: str, bundle: Path) -> None:
    reference = nearsight.load(bundle, runtime="numpy").session()
    session = nearsight.load(bundle, runtime=runtime).session()
    for turn, event in enumerate(("view", "cart", "view", "purchase", "never seen")):
        expected = reference.observe(event, time=3600.0 * turn, price=10.0 * turn)
        reading = session.observe(event, time=3600.0 * turn, price=10.0 * turn)
        np.testing.assert_allclose(list(reading.values()), list(expected.values()), atol=TOLERANCE)
        session = nearsight.load(bundle, runtime=runtime).session(reference.snapshot())


@pytest.mark.parametrize("runtime", INSTALLED)
def test_sessions_and_batches_share_a_runtimes_memory_without_mixing(runtime: str, bundle: Path) -> None:
    """Events of two sessions in turn, and batches of changing sizes between them, read as each session alone does."""
    shared, names = nearsight.load(bundle, runtime=runtime), ("view", "cart", "purchase")
    users = [
        [(names[(turn + user) % 3], 60.0 * turn * (user + 1), {"price": turn}) for turn in range(9)] for user in (0, 1)
    ]
    sessions = [shared.session(), shared.session()]
    alone = [nearsight.load(bundle, runtime=runtime).session() for _ in users]
    for turn in range(9):
        for session, own, events in zip(sessions, alone, users, strict=True):
            name, time, fields = events[turn]
            mixed, expected = session.observe(name, time, **fields), own.observe(name, time, **fields)
            assert dict(mixed) == dict(expected)
            assert mixed.embedding.tolist() == expected.embedding.tolist()
            shared.score_many([events] * (1 + turn % 3))
            session.score(time + 3600)
    for session, own in zip(sessions, alone, strict=True):
        assert session.snapshot() == own.snapshot()
