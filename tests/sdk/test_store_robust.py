"""A store survives kills, forks, other processes, full disks, power cuts and damage, or says in a sentence why not."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nearsight
from nearsight import StoreError
from nearsight.store.database import FORMAT
from shop import KEY, PRICE, START, insight, opened

POSIX = pytest.mark.skipif(os.name != "posix", reason="the test asks the system for what only POSIX has")
MODEL = insight()
NOBODY = 65_534
HOLD = """
import sys, nearsight
from nearsight.testing import scripted
store = nearsight.open(scripted([{"buys": 0.5}]), sys.argv[1], key=bytes(range(32)), flush_events=3)
store.consent("ada", "insight")
store.observe("ada", "view", time=1.7e9)
print("open", flush=True)
sys.stdin.read()
"""


def filled(folder, events=6, users=("ada", "grace")):
    """A closed store in which each user has so many events; what `export_user` says of each."""
    with opened(folder, MODEL) as store:
        for user in users:
            store.consent(user, "insight")
            for turn in range(events):
                store.observe(user, "view", time=START + turn, **PRICE)
        return {user: store.export_user(user) for user in users}


def test_one_process_at_a_time_and_a_killed_one_leaves_no_lock(tmp_path):
    path = tmp_path / "state.db"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreError, match="open already"):
            opened(tmp_path)
        holder.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    with opened(tmp_path) as store:
        with pytest.raises(StoreError, match="open already"):
            opened(tmp_path)
        assert list(store.consents("ada")) == ["insight"]


@POSIX
def test_a_fork_is_told_to_open_the_store_anew_and_harms_nothing(tmp_path):
    with opened(tmp_path) as store:
        store.consent("ada", "insight")
        store.observe("ada", "view", time=START)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # for forking beside a thread, which is the point
            child = os.fork()
        if not child:
            try:
                store.observe("ada", "view", time=START)
            except StoreError as error:
                store.close()
                os._exit(0 if "forked" in str(error) else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        store.observe("ada", "view", time=START + 1)
    with opened(tmp_path) as store:
        assert store.export_user("ada")["history"]["events"] == 2


@POSIX
def test_a_full_disk_stops_observing_at_its_bound_and_nothing_else(tmp_path):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(tmp_path, flush_events=4) as store:
        store.consent("ada", "insight")
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "state.db-wal").stat().st_size, before[1]))
        try:
            for turn in range(4):
                store.observe("ada", "view", time=START + turn)
            with pytest.raises(StoreError, match="what waits will be written"):
                store.observe("ada", "view", time=START + 4)
            with pytest.raises(StoreError):
                store.flush()
            with pytest.raises(StoreError):
                store.consent("grace", "insight")
            assert store.consents("grace") == {}
            assert 0 <= store.score("ada", START + 5)["purchase"] <= 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        store.observe("ada", "view", time=START + 5)
        store.consent("grace", "insight")
    with opened(tmp_path) as store:
        assert store.export_user("ada")["history"]["events"] == 5
        assert list(store.consents("grace")) == ["insight"]


def test_clocks_may_jump(tmp_path, monkeypatch):
    """The system's clock and an event's own: a time before the last event's counts as that one."""
    clock, expected = [START], MODEL.session()
    monkeypatch.setattr(time, "time", lambda: clock[0])
    with opened(tmp_path, MODEL, retention_days=30) as store:
        store.consent("ada", "insight")
        for jump in (0, 86_400, -3 * 86_400, 5, -1e9, 1e9 + 7):
            clock[0] += jump
            wanted = expected.observe("view", time=clock[0])
            assert dict(store.observe("ada", "view", time=clock[0])) == dict(wanted)
            store.flush()


def test_a_power_cut_leaves_what_a_write_had_finished(tmp_path):
    """The write-ahead log, cut at any byte: the store opens and holds what one of the writes left."""
    with opened(tmp_path, MODEL) as store:
        store.consent("ada", "insight")
        for turn in range(5):
            store.observe("ada", "view", time=START + turn)
            store.flush()
        assert store._vault.database._writer.execute("PRAGMA synchronous").fetchall() == [(2,)]
        base, log = (tmp_path / "state.db").read_bytes(), (tmp_path / "state.db-wal").read_bytes()
    found = []
    for cut in (*range(0, len(log), len(log) // 30), len(log)):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "state.db").write_bytes(base)
            Path(folder, "state.db-wal").write_bytes(log[:cut])
            with opened(Path(folder), MODEL) as store:
                held = store.export_user("ada")
            found.append(held["history"]["events"] if held else -1)
    assert found == sorted(found)
    assert set(found) == {-1, 0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize("content", [b"no database at all" * 400, b"SQLite format 3\0" + bytes(5000)])
def test_what_is_no_database_is_moved_aside_once(tmp_path, content):
    (tmp_path / "state.db").write_bytes(content)
    with pytest.warns(RuntimeWarning, match=r"begins anew; what is left of it is .*state\.db\.damaged-\d+") as told:
        store = opened(tmp_path)
    assert len(told) == 1
    with store:
        store.consent("ada", "insight")
        assert [file.read_bytes() for file in tmp_path.glob("*.damaged-*")] == [content]
        assert store.audit() == {"damaged stores moved aside": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with opened(tmp_path) as store:
            assert list(store.consents("ada")) == ["insight"]
            store.erase_user("ada")
    assert list(tmp_path.glob("*.damaged-*")) == []  # it might hold them as well


def test_a_truncated_store_is_moved_aside(tmp_path):
    filled(tmp_path)
    content = (tmp_path / "state.db").read_bytes()
    (tmp_path / "state.db").write_bytes(content[: len(content) // 2])
    with pytest.warns(RuntimeWarning), opened(tmp_path) as store:
        assert store.export_user("ada") == {}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Gives what two users of a store export, and the bytes of its file."""
    folder = tmp_path_factory.mktemp("whole")
    held = filled(folder), (folder / "state.db").read_bytes()
    return lambda: held


@settings(max_examples=40)
@given(st.data())
def test_damage_anywhere_is_found_out_and_never_believed(whole, data):
    """Bytes overwritten at random: an export is what it was or empty, and life goes on, at the latest when reopened."""
    before, content = whole()[0], bytearray(whole()[1])
    place = data.draw(st.integers(0, len(content) - 1) | st.integers(0, 100))
    length = data.draw(st.sampled_from([1, 8, 200, 5000]))
    content[place : place + length] = data.draw(st.binary(min_size=length, max_size=length))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        Path(folder, "state.db").write_bytes(content)
        try:
            outlive(Path(folder), before)
        except StoreError as error:
            if "update nearsight" not in str(error):  # the one number that nothing vouches for
                assert "was damaged" in str(error)
                outlive(Path(folder), before)


def outlive(folder, before):
    with opened(folder, MODEL) as store:
        for user, held in before.items():
            now = store.export_user(user)
            assert not now or {**now, "last_written": ""} == {**held, "last_written": ""}  # the day isn't sealed
            store.consent(user, "insight")
            store.observe(user, "view", time=START + 60)


def test_a_newer_or_foreign_database_is_left_alone(tmp_path):
    filled(tmp_path)
    with sqlite3.connect(tmp_path / "state.db") as newer:
        newer.execute(f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(StoreError, match=f"format {FORMAT + 1} where this SDK reads up to {FORMAT}: update nearsight"):
        opened(tmp_path)
    with sqlite3.connect(tmp_path / "state.db") as same:
        same.execute(f"PRAGMA user_version = {FORMAT}")
    with opened(tmp_path) as store:
        assert store.export_user("ada")["history"]["events"] == 6
    (tmp_path / "other").mkdir()
    with sqlite3.connect(tmp_path / "other" / "state.db") as foreign:
        foreign.execute("CREATE TABLE recipes (name TEXT)")
    content = (tmp_path / "other" / "state.db").read_bytes()
    with pytest.raises(StoreError, match="something else"):
        opened(tmp_path / "other")
    assert (tmp_path / "other" / "state.db").read_bytes() == content


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    (tmp_path / "state.db").mkdir()
    with pytest.raises(StoreError, match=r"state\.db can't be used"):
        opened(tmp_path)


@POSIX
def test_a_place_that_cant_be_written_is_named():
    """Whoever may do everything isn't refused, so root becomes nobody for a while."""
    folder, user = Path(tempfile.mkdtemp()), os.geteuid()
    folder.chmod(0o555)
    try:
        if not user:
            os.seteuid(NOBODY)
        with pytest.raises(StoreError, match=r"state\.db can't be used \(Permission denied\)"):
            opened(folder)
    finally:
        os.seteuid(user)
        folder.rmdir()


def test_what_was_moved_aside_and_cant_be_removed_is_named(tmp_path):
    with opened(tmp_path) as store:
        store.consent("ada", "insight")
        (tmp_path / "state.db.damaged-1").mkdir()
        with pytest.raises(StoreError, match=r"state\.db\.damaged-1 was moved aside and can't be removed"):
            store.erase_user("ada")
        (tmp_path / "state.db.damaged-1").rmdir()
        assert store.erase_user("ada") is False


@POSIX
def test_nobody_else_may_read_the_files(tmp_path):
    with opened(tmp_path) as store:
        store.consent("ada", "insight")
        assert {file.stat().st_mode & 0o077 for file in tmp_path.iterdir() if "lock" not in file.name} == {0}


def test_another_key_is_refused_and_harms_nothing(tmp_path):
    before = filled(tmp_path)
    with pytest.raises(StoreError, match="another key"):
        opened(tmp_path, key=KEY[::-1])
    with opened(tmp_path) as store:
        assert store.export_user("ada") == before["ada"]


ROWS = {
    "a number that is none": "UPDATE journal SET sequence = x'00ff' WHERE id = 1 AND sequence = 2",
    "a number below all": "UPDATE journal SET sequence = -5 WHERE id = 1 AND sequence = 2",
    "a place that is taken": "UPDATE journal SET sequence = sequence + 1 WHERE id = 1 AND sequence = 6",
    "a user who is nobody": "UPDATE users SET pseudonym = x'00' WHERE id = 2; DELETE FROM users WHERE id = 1",
    "a day that is none": "UPDATE states SET day = -9223372036854775808; UPDATE journal SET day = 9223372036854775807",
    "a day that is no number": "UPDATE states SET day = x'ff'; UPDATE journal SET day = 'x'",
    "a nameless value": "INSERT INTO meta VALUES (NULL, x'00')",
}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.filterwarnings("ignore:the store was damaged")
def test_an_altered_row_costs_what_it_held_and_the_app_goes_on(tmp_path, row):
    """What comes of it is at most a history that begins anew; events are taken and written as ever."""
    options = {"purposes": ("insight", "journal"), "journal": nearsight.Journal(days=10**6, events=50)}
    with opened(tmp_path, MODEL, **options) as store:
        for user in ("ada", "grace"):
            for purpose in ("insight", "journal"):
                store.consent(user, purpose)
            for turn in range(6):
                store.observe(user, "view", time=START + turn)
    with sqlite3.connect(tmp_path / "state.db") as tampered:
        tampered.executescript(ROWS[row])
    tampered.close()
    for _ in range(2):
        with opened(tmp_path, MODEL, **options) as store:
            for user in ("ada", "grace"):
                before = store.export_user(user)
                for purpose in ("insight", "journal"):
                    store.consent(user, purpose)
                for turn in range(3):
                    store.observe(user, "cart", time=START + 60 + turn)
                after = store.export_user(user)
                assert after["history"]["events"] == (before["history"]["events"] if before else 0) + 3
                assert [event["name"] for event in after["journal"]][-3:] == ["cart"] * 3
