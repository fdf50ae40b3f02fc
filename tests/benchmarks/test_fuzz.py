"""A short run of the long one: damage and strange input end in errors of ours; and what a fault looks like."""

import random
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import made_up
from nearsight.bundle import Bundle, sealed, write_bundle
from nearsight.errors import BundleError, NearsightError
from nearsight.session import Session
from nearsight_benchmarks.fuzz import Tally, Victim, fuzzed
from nearsight_benchmarks.mutation import Fed, altered_bytes, altered_tree

CASES = 4000


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "shop.nsight"
    write_bundle(path, made_up.beside(made_up.bundle()))
    return Victim(path.read_bytes())


def test_thousands_of_cases_end_in_errors_of_ours(victim):
    found = fuzzed(victim, CASES, seed=7)
    assert found.faults == ()
    assert found.grown_megabytes < 100
    assert set(found.counts) == set(victim.acts)
    assert set(found.counts.values()) == {CASES // len(victim.acts)}
    for kind, refused in found.refused.items():
        assert refused / found.counts[kind] > 0.3
    for kind in ("a manifest that fits", "weights that fit", "parts of a snapshot", "events, one by one"):
        assert found.refused[kind] < found.counts[kind]  # some damage is none, and what loads is used


def test_a_seed_repeats_a_run(victim):
    first, again, other = (fuzzed(victim, 80, seed) for seed in (1, 1, 2))
    assert (first.refused, first.errors) == (again.refused, again.errors)
    assert first.errors != other.errors


@given(st.binary(max_size=200), st.data())
@settings(max_examples=200)
def test_whatever_bits_draw_the_damage_it_ends_in_errors_of_ours(victim, drawn, data):
    act = victim.acts[data.draw(st.sampled_from(list(victim.acts)))]
    try:
        act(Fed(drawn))
    except NearsightError as error:
        assert str(error)


@pytest.mark.parametrize("fault", [ZeroDivisionError("planted"), MemoryError(), AssertionError("planted")])
def test_another_error_is_a_fault(victim, fault):
    def fails(rng):
        raise fault

    tally = Tally(SimpleNamespace(acts={"planted": fails}), seed=0)
    tally.run("planted", "seed 3", random.Random(3))
    (found,) = tally.told().faults
    assert (found.kind, found.case) == ("planted", "seed 3")
    assert type(fault).__name__ in found.said


def test_an_event_that_is_refused_and_yet_counted_is_a_fault(victim, monkeypatch):
    observe = Session.observe

    def counting(self, event, time=None, **fields):
        try:
            return observe(self, event, time, **fields)
        except NearsightError:
            self._cursor.advance(2e9)
            raise

    monkeypatch.setattr(Session, "observe", counting)
    tally = Tally(victim, seed=0)
    for seed in range(20):
        tally.run("events, one by one", f"seed {seed}", random.Random(seed))
    assert "changed the session" in tally.told().faults[0].said


def test_a_bundle_without_weights_for_numpy_is_refused(tmp_path):
    made = made_up.bundle()
    members = {"step.tflite": b"TFL3"}
    write_bundle(tmp_path / "a.nsight", Bundle(replace(made.manifest, members=sealed(members, {})), members))
    with pytest.raises(BundleError, match="--numpy"):
        Victim((tmp_path / "a.nsight").read_bytes())


def test_damage_is_damage():
    rng = random.Random(1)
    content, tree = bytes(range(256)), {"a": [1, 2, {"b": "c"}], "d": None}
    assert sum(altered_bytes(content, rng) != content for _ in range(100)) > 90
    assert sum(altered_tree(tree, rng) != tree for _ in range(100)) > 80
    assert tree == {"a": [1, 2, {"b": "c"}], "d": None}


def test_fed_bits_are_those_given_and_then_zeros():
    fed = Fed(b"\x05\xff")
    assert [fed.getrandbits(8), fed.getrandbits(4), fed.getrandbits(64), fed.random()] == [5, 15, 0, 0.0]
