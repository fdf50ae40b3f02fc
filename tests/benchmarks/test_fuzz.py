"""A short run of the long one: damage and strange input end in errors of ours; and what a fault looks like."""

import random
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import made_up
from nearsight.bundle import Bundle, sealed, write_bundle
from nearsight.errors import BundleError, NearsightError
from nearsight.session import Session
from nearsight.store import Store
from nearsight_benchmarks import fuzz
from nearsight_benchmarks.fuzz import Tally, acts, fuzzed
from nearsight_benchmarks.mutation import Fed, altered_bytes, altered_tree

CASES = 4800
STORES = {"bytes of a store", "bytes of a store's log", "rows of a store"}


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "shop.nsight"
    write_bundle(path, made_up.beside(made_up.bundle()))
    return acts(path.read_bytes())


def test_thousands_of_cases_end_in_errors_of_ours(known):
    found = fuzzed(known, CASES, seed=7)
    assert found.faults == ()
    assert found.grown_megabytes < 100
    assert set(found.counts) == set(known)
    assert set(found.counts.values()) == {CASES // len(known)}
    for kind in set(known) - STORES:  # a damaged store is moved aside, which is no error
        assert found.refused[kind] / found.counts[kind] > 0.3
    for kind in ("a manifest that fits", "weights that fit", "parts of a snapshot", "events, one by one"):
        assert found.refused[kind] < found.counts[kind]  # some damage is none, and what loads is used


def test_a_seed_repeats_a_run(known):
    first, again, other = (fuzzed(known, 80, seed) for seed in (1, 1, 2))
    assert (first.refused, first.errors) == (again.refused, again.errors)
    assert first.errors != other.errors


@pytest.mark.filterwarnings("ignore:the store was damaged")
@given(st.binary(max_size=200), st.data())
@settings(max_examples=200)
def test_whatever_bits_draw_the_damage_it_ends_in_errors_of_ours(known, drawn, data):
    act = known[data.draw(st.sampled_from(list(known)))]
    try:
        act(Fed(drawn))
    except NearsightError as error:
        assert str(error)


@pytest.mark.parametrize("fault", [ZeroDivisionError("planted"), MemoryError(), AssertionError("planted")])
def test_another_error_is_a_fault(fault):
    def fails(rng):
        raise fault

    tally = Tally({"planted": fails}, seed=0)
    tally.run("planted", "seed 3", random.Random(3))
    (found,) = tally.told().faults
    assert (found.kind, found.case) == ("planted", "seed 3")
    assert type(fault).__name__ in found.said


def test_an_event_that_is_refused_and_yet_counted_is_a_fault(known, monkeypatch):
    observe = Session.observe

    def counting(self, event, time=None, **fields):
        try:
            return observe(self, event, time, **fields)
        except NearsightError:
            self._cursor.advance(2e9)
            raise

    monkeypatch.setattr(Session, "observe", counting)
    tally = Tally(known, seed=0)
    for seed in range(20):
        tally.run("events, one by one", f"seed {seed}", random.Random(seed))
    assert "changed the session" in tally.told().faults[0].said


def test_a_store_that_says_of_a_user_what_is_anothers_is_found_out(known, monkeypatch):
    real = Store.export_user
    monkeypatch.setattr(Store, "export_user", lambda store, user: real(store, "grace"))
    tally = Tally(known, seed=0)
    for seed in range(5):
        tally.run("rows of a store", f"seed {seed}", random.Random(seed))
    assert any("never was" in fault.said for fault in tally.told().faults)


def test_without_atheris_it_says_what_to_install(tmp_path, monkeypatch, capsys):
    write_bundle(tmp_path / "a.nsight", made_up.bundle())
    monkeypatch.setitem(sys.modules, "atheris", None)
    monkeypatch.setattr(fuzz, "_bounded", lambda: None)
    with pytest.raises(SystemExit) as ended:
        fuzz.main([str(tmp_path / "a.nsight"), "--guided"])
    assert ended.value.code == 2
    assert "pip install atheris" in capsys.readouterr().err


def test_a_bundle_without_weights_for_numpy_is_refused(tmp_path):
    made = made_up.bundle()
    members = {"step.tflite": b"TFL3"}
    write_bundle(tmp_path / "a.nsight", Bundle(replace(made.manifest, members=sealed(members, {})), members))
    with pytest.raises(BundleError, match="--numpy"):
        acts((tmp_path / "a.nsight").read_bytes())


def test_damage_is_damage():
    rng = random.Random(1)
    content, tree = bytes(range(256)), {"a": [1, 2, {"b": "c"}], "d": None}
    assert sum(altered_bytes(content, rng) != content for _ in range(100)) > 90
    assert sum(altered_tree(tree, rng) != tree for _ in range(100)) > 80
    assert tree == {"a": [1, 2, {"b": "c"}], "d": None}


def test_fed_bits_are_those_given_and_then_zeros():
    fed = Fed(b"\x05\xff")
    assert [fed.getrandbits(8), fed.getrandbits(4), fed.getrandbits(64), fed.random()] == [5, 15, 0, 0.0]
