import itertools
import multiprocessing

import msgspec
import pytest

import made_up
import nearsight
from nearsight.bundle import write_bundle
from nearsight_benchmarks import backed, endurance, kills, soak
from nearsight_benchmarks.stream import START, Stream

FORKS = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="what is planted reaches a forked process alone"
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    path = tmp_path_factory.mktemp("soak") / "shop.nsight"
    write_bundle(path, made_up.bundle())
    return str(path)


def test_kills_lose_no_more_than_they_may(bundle, monkeypatch):
    monkeypatch.setattr(kills, "_WRITE_SECONDS", 60.0)  # no test measures time
    found = kills.kills(bundle, 10, 1)
    assert found.failures == ()
    assert found.events > 100
    assert 0 < found.most_lost_events <= found.flush_events


@FORKS
def test_a_store_that_keeps_its_bounds_for_itself_is_found_out(bundle, monkeypatch):
    """Both bounds of the planted store are wider than those that it is held to."""
    real = nearsight.open
    monkeypatch.setattr(
        nearsight, "open", lambda *names, key, **_: real(*names, key=key, flush_events=10**6, flush_seconds=3600.0)
    )
    monkeypatch.setattr(nearsight.Store, "flush", lambda store: None)
    monkeypatch.setattr(kills, "_FLUSH_EVENTS", 20)
    monkeypatch.setattr(kills, "_WRITE_SECONDS", 0.0)
    monkeypatch.setattr(kills, "_LONGEST_SECONDS", 0.4)
    failures = " ".join(kills.kills(bundle, 8, 2).failures)
    assert "events are lost" in failures
    assert "s old" in failures


@FORKS
def test_a_store_that_brings_the_erased_back_is_found_out(bundle, monkeypatch):
    monkeypatch.setattr(nearsight.Store, "erase_user", lambda store, user: True)
    monkeypatch.setattr(kills, "_RARELY", 0.2)
    found = kills.kills(bundle, 5, 3)
    assert found.erasures > 0
    assert any("whoever was erased is back" in failure for failure in found.failures)


def test_a_ledger_outlives_its_writer(tmp_path):
    with kills.Ledger(tmp_path / "ledger") as writer:
        writer.write(3, 2, 1)
        writer.acknowledge(70_000)
        with kills.Ledger(tmp_path / "ledger") as reader:
            assert reader.read() == (70_000, 2, 1)
            assert reader.moment(70_000) == writer.moment(70_000) > 0 == reader.moment(69_999)


def test_a_stream_is_the_same_for_a_seed_and_a_second_apart():
    spec = made_up.spec()
    stream, same, other = Stream(spec, 1), Stream(spec, 1), Stream(spec, 2)
    events = [stream.event(number) for number in range(2000)]
    assert events == [same.event(number) for number in range(2000)]
    assert events != [other.event(number) for number in range(2000)]
    assert [time for _, time, _ in events] == [START + number for number in range(2000)]
    assert {name for name, _, _ in events} == set(made_up.EVENTS)
    assert {*events[0][2]} == set(spec.fields)


def test_each_call_has_its_share_of_what_ends_the_block(monkeypatch):
    clock = itertools.count(0, 100)  # nanoseconds, a reading apart
    monkeypatch.setattr(backed.time, "perf_counter_ns", lambda: next(clock))
    block = backed._Block("store", lambda number: None, lambda: [next(clock) for _ in range(9)])
    assert block.block(10) == [100 + 1000 // 10] * 10


def test_both_kinds_of_observe_are_timed_as_often(bundle):
    found = backed.backed(bundle, 3, 60, 1)
    assert (found.users, found.plain.calls, found.store.calls) == (3, 60, 60)
    assert found.store.p50_us > 0


def test_loads_are_those_of_users_who_were_not_among_the_last():
    assert endurance._misses([1, 1, 2, 1, 3, 2, 1], 2) == 5 / 7


def test_a_tiny_endurance_has_its_tenths(bundle):
    found = endurance.endurance(bundle, 600, 9, 3, 1)
    assert len(found.tenths) == 10
    assert all(tenth.resident_megabytes > 10 and tenth.p99_us >= tenth.p50_us > 0 for tenth in found.tenths)
    assert 0 < found.loads_per_event < 1
    assert found.file_megabytes > 0


def test_memory_is_judged_once_it_is_warm():
    held = (50.0, 61.0, 60.5, *[61.5] * 6, 62.0)
    tenths = tuple(endurance.Tenth(p50_us=1.0, p99_us=2.0, resident_megabytes=each) for each in held)
    found = endurance.Endurance(
        events=10, users=1, live_users=1, loads_per_event=0, seconds=1, growth_megabytes=0, file_megabytes=1,
        tenths=tenths,
    )  # fmt: skip
    assert found.spread_megabytes == 1.5


def test_the_command_says_and_writes_what_it_found(bundle, tmp_path, capsys, monkeypatch):
    out = tmp_path / "soak.json"
    options = ["--kill", "0", "--calls", "40", "--events", "200", "--users", "5", "--out", str(out)]
    assert soak.main([bundle, *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 1 + 10
    found = msgspec.json.decode(out.read_bytes(), type=soak.Soak)
    assert found.kills is None
    assert f"store p50 {found.backed[0].store.p50_us:.1f}" in lines[0]
    failed = kills.Kills(
        trials=1,
        events=1,
        flush_events=1,
        most_lost_events=2,
        flush_seconds=1.0,
        oldest_lost_seconds=0.5,
        erasures=0,
        failures=("kill 1: planted",),
    )
    monkeypatch.setattr(soak, "kills", lambda *_: failed)
    assert soak.main([bundle, "--kill", "1", "--calls", "0", "--events", "0"]) == 1
    assert "kill 1: planted" in capsys.readouterr().out
