"""Consent, export, erasure, retention and audit: what the files hold, to the byte."""

import os
import sqlite3
import struct
import time

import msgspec
import numpy as np
import pytest

import nearsight
from nearsight import ConsentError, StoreError
from nearsight.cursor import Cursor
from nearsight.profile import PARTS, Tally
from nearsight.snapshot import Expected, freeze
from nearsight.store.database import Database
from shop import KEY, PRICE, START, insight, opened, raw

DAY = 86_400.0
BOTH = ("insight", "journal")
JOURNAL = nearsight.Journal(days=30, events=4)


def cells(path, where="1"):
    """Every value that tells of a user, in every row."""
    with sqlite3.connect(path / "state.db") as reader:
        rows = reader.execute(f"SELECT pseudonym, key, sealed FROM users JOIN states USING (id) WHERE {where}")
        found = {value for row in rows for value in row}
        found |= {row[0] for row in reader.execute(f"SELECT sealed FROM journal JOIN users USING (id) WHERE {where}")}
    reader.close()
    return found


def test_the_files_hold_no_name_no_event_and_no_value_in_the_clear(tmp_path):
    with opened(tmp_path, insight(beside=True), purposes=BOTH, journal=JOURNAL) as store:
        store.consent("ada.lovelace@example.org", "insight")
        store.consent("ada.lovelace@example.org", "journal")
        for turn in range(3):
            store.observe("ada.lovelace@example.org", "purchase", time=START + turn, price=123.456, device="phone")
        store.flush()
        held = store.export_user("ada.lovelace@example.org")
        content = raw(tmp_path)
        state = np.array(held["history"]["state"], np.float32)
        for secret in (
            b"ada", b"lovelace", b"purchase", b"phone", b"insight", KEY, struct.pack("<d", 123.456),
            struct.pack(">d", START), state[np.flatnonzero(state)[:2]].tobytes(),
        ):  # fmt: skip
            assert secret not in content
        assert len(cells(tmp_path)) == 3 + 3
        assert all(cell in content for cell in cells(tmp_path))  # so that a look for cells can find some
    assert all(secret not in raw(tmp_path) for secret in (b"ada", b"purchase", b"phone"))


def test_by_default_no_event_is_kept(tmp_path):
    with opened(tmp_path) as store:
        store.consent("ada", "insight")
        for turn in range(3):
            store.observe("ada", "view", time=START + turn, **PRICE)
        assert store.export_user("ada")["journal"] == []
        assert len(cells(tmp_path)) == 3


def erased(path, forget):
    """The cells that a user ever had in a store, those of two who stay, and all bytes after the user was forgotten."""
    with opened(path, purposes=BOTH, journal=JOURNAL, flush_events=2) as store:
        for user in ("grace", "ada", "edsger"):
            store.consent(user, "insight")
            store.consent(user, "journal")
        gone = set()
        for turn in range(9):
            for user in ("grace", "ada", "edsger"):
                store.observe(user, "view", time=START + turn, **PRICE)
            store.flush()
            gone |= cells(path, "id = 2")
        stay = cells(path, "id != 2")
        assert all(cell in raw(path) for cell in cells(path))
        forget(store)
        assert store.export_user("ada") == {}
        assert store.export_user("grace")["history"]["events"] == 9
        return gone, stay, raw(path)


@pytest.mark.parametrize(
    "forget", [lambda store: store.erase_user("ada"), lambda store: store.withdraw("ada", "insight")]
)
def test_whoever_is_erased_is_in_no_file(tmp_path, forget):
    gone, stay, content = erased(tmp_path, forget)
    assert len(gone) == 2 + 9 + 9  # the pseudonym, the key, and states and events after every turn
    assert [cell for cell in gone if cell in content] == []
    assert all(cell in content for cell in stay)


def test_the_look_into_the_files_finds_what_an_uncut_log_keeps(tmp_path, monkeypatch):
    monkeypatch.setattr(Database, "cut_log", lambda database, patience_seconds: True)
    gone, _, content = erased(tmp_path, lambda store: store.erase_user("ada"))
    assert [cell for cell in gone if cell in content] != []


def test_a_row_from_an_old_copy_opens_for_nobody_once_its_user_is_erased(tmp_path):
    """The state alone is put back, as a backup of some pages would have it; its key is gone with the user."""
    with opened(tmp_path) as store:
        store.consent("ada", "insight")
    with sqlite3.connect(tmp_path / "state.db") as copy:
        states = copy.execute("SELECT * FROM states").fetchall()
    with opened(tmp_path) as store:
        store.erase_user("ada")
        store.consent("ada", "insight")
    with sqlite3.connect(tmp_path / "state.db") as tampered:
        tampered.execute("UPDATE states SET sealed = ?", (states[0][1],))
    with opened(tmp_path) as store:
        assert store.consents("ada") == {}


def test_erasure_waits_for_nobody_but_says_what_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("nearsight.store.store._PATIENCE_SECONDS", 0.05)
    with opened(tmp_path) as store:
        store.consent("ada", "insight")
        reader = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM states").fetchall()
        with pytest.raises(StoreError, match="write-ahead log"):
            store.erase_user("ada")
        assert store.export_user("ada") == {}
        reader.execute("COMMIT")
        store.flush()
        assert (tmp_path / "state.db-wal").stat().st_size == 0
        assert store.erase_user("ada") is False
        reader.close()


def test_withdrawing_the_journal_deletes_the_journal_alone(tmp_path):
    with opened(tmp_path, purposes=BOTH, journal=JOURNAL) as store:
        for purpose in BOTH:
            store.consent("ada", purpose)
        store.observe("ada", "view", time=START)
        store.flush()
        store.observe("ada", "cart", time=START + 1)
        store.withdraw("ada", "journal")
        store.observe("ada", "purchase", time=START + 2)
        held = store.export_user("ada")
        assert (held["journal"], held["history"]["events"], list(held["consents"])) == ([], 3, ["insight"])


def test_a_journal_needs_its_own_consent_and_keeps_its_bounds(tmp_path):
    with opened(tmp_path, purposes=BOTH, journal=JOURNAL) as store:
        store.consent("grace", "insight")
        store.observe("grace", "view", time=START)
        for purpose in BOTH:
            store.consent("ada", purpose)
        for turn in range(7):
            store.observe("ada", "view", time=START + turn, price=turn, colour="red")
            if turn in (1, 2):
                store.flush()
        assert store.export_user("grace")["journal"] == []
        expected = [{"name": "view", "time": START + turn, "fields": {"price": float(turn)}} for turn in range(3, 7)]
        assert store.export_user("ada")["journal"] == expected
        assert store.audit()["journal events beyond their number"] == 3


def test_a_journal_tells_another_model_what_happened(tmp_path):
    options = {"purposes": BOTH, "journal": JOURNAL}
    with opened(tmp_path, **options) as store:
        for purpose in BOTH:
            store.consent("ada", purpose)
        for turn in range(3):
            store.observe("ada", "view", time=START + turn, **PRICE)
    other = insight(seed=1)
    session = other.session()
    for turn in range(3):
        session.observe("view", time=START + turn, **PRICE)
    with opened(tmp_path, other, **options) as store:
        assert dict(store.score("ada", START + 60)) == dict(session.score(START + 60))


def test_a_store_without_a_journal_deletes_the_one_that_is_there(tmp_path):
    with opened(tmp_path, purposes=BOTH, journal=JOURNAL) as store:
        for purpose in BOTH:
            store.consent("ada", purpose)
        store.observe("ada", "view", time=START)
    with opened(tmp_path) as store:
        assert store.export_user("ada")["journal"] == []
        assert store.audit() == {"journal events erased after retention": 1}


def test_an_export_is_all_there_is(tmp_path):
    """What was exported makes the very snapshot that is kept, so nothing is held back."""
    model = insight(beside=True)
    session = model.session()
    with opened(tmp_path, model) as store:
        store.consent("ada", "insight")
        for turn, name in enumerate(("view", "cart", "view", "nothing known", "purchase") * 3):
            store.observe("ada", name, time=START + 20_000 * turn, **PRICE)
            session.observe(name, time=START + 20_000 * turn, **PRICE)
        held = msgspec.json.decode(msgspec.json.encode(store.export_user("ada")))
    history, habits = held["history"], held["history"]["habits"]
    names = ("something unknown", *model.manifest.spec.event.vocabulary)
    assert habits["events"] == {"view": 6, "cart": 3, "something unknown": 3, "purchase": 3}
    tally = Tally(
        {names.index(name): count for name, count in habits["events"].items()},
        [habits["week"][day][part] for day in habits["week"] for part in PARTS],
        habits["visits"],
        habits["first_time"],
        habits["last_time"],
    )
    floats = {name: np.array(history[name], np.float32).tobytes() for name in ("state", "expected_next")}
    assert history["counts"] == {"view": 6, "purchase": 3}
    counts = {names.index(name): count for name, count in history["counts"].items()}
    cursor = Cursor(history["first_time"], history["last_time"], history["events"], counts)
    expected = Expected(floats["expected_next"], history["surprise_bits"])
    assert bytes.fromhex(held["pseudonym"]) in cells(tmp_path)
    assert set(held) == {"pseudonym", "consents", "last_written", "history", "journal", "reports"}
    assert freeze(history["model"], cursor, floats["state"], tally, expected) == session.snapshot()


def test_whoever_stays_away_is_erased(tmp_path, monkeypatch):
    clock = [START]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    with opened(tmp_path, retention_days=10) as store:
        store.consent("ada", "insight")
        store.consent("grace", "insight")
        clock[0] += 10 * DAY
        store.observe("grace", "view", time=clock[0])
        assert store.retention() == 0
        clock[0] += DAY
        store.observe("grace", "view", time=clock[0])
        store.flush()  # the first write of a day
        assert store.export_user("ada") == {}
        assert store.export_user("grace")["history"]["events"] == 2
        assert store.audit() == {"users erased after retention": 1}
    clock[0] += 11 * DAY
    with opened(tmp_path, retention_days=10) as store:
        assert store.export_user("grace") == {}


def test_whoever_comes_back_at_the_last_moment_stays(tmp_path, monkeypatch):
    clock = [START]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    with opened(tmp_path, retention_days=10) as store:
        store.consent("ada", "insight")
        clock[0] += 11 * DAY
        store.observe("ada", "view", time=clock[0])
        assert store.retention() == 0
        assert store.export_user("ada")["history"]["events"] == 1


def test_reading_what_is_held_makes_nobody_younger(tmp_path, monkeypatch):
    clock = [START]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    with opened(tmp_path, retention_days=10) as store:
        store.consent("ada", "insight")
        clock[0] += 6 * DAY
        assert store.export_user("ada")["last_written"] == "2023-11-14"
        store.score("ada", clock[0])
        clock[0] += 6 * DAY
        assert store.retention() == 1


def test_a_clock_that_ran_ahead_keeps_nobody_for_longer(tmp_path, monkeypatch):
    clock = [START]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    with opened(tmp_path, retention_days=10) as store:
        clock[0] += 4000 * DAY
        store.consent("ada", "insight")
        clock[0] = START - 100 * DAY
        store.consent("grace", "insight")
        assert store.retention() == 0
        clock[0] = START - 89 * DAY
        assert store.retention() == 2


def test_old_events_of_a_journal_go_and_young_ones_stay(tmp_path, monkeypatch):
    clock = [START]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    with opened(tmp_path, purposes=BOTH, journal=nearsight.Journal(days=3, events=100)) as store:
        for purpose in BOTH:
            store.consent("ada", purpose)
        for day in range(6):
            store.observe("ada", "view", time=START + day * DAY)
            store.flush()
            clock[0] += DAY
        store.retention()
        kept = [event["time"] for event in store.export_user("ada")["journal"]]
        assert kept == [START + day * DAY for day in (3, 4, 5)]


SWAPS = {
    "states": "UPDATE states SET sealed = (SELECT sealed FROM old_states AS old WHERE old.id = 3 - states.id)",
    "keys": "UPDATE users SET key = (SELECT key FROM old_users AS old WHERE old.id = 3 - users.id)",
    "users": "UPDATE users SET id = -id; UPDATE users SET id = 3 + id",
    "bits": "UPDATE states SET sealed = substr(sealed, 1, length(sealed) - 1) || x'00' || x'00'",
    "nothing left": "UPDATE states SET sealed = x''",
}


@pytest.mark.parametrize("swap", SWAPS)
def test_rows_that_were_swapped_or_altered_open_for_nobody(tmp_path, swap):
    with opened(tmp_path) as store:
        for turn, user in enumerate(("ada", "grace")):
            store.consent(user, "insight")
            store.observe(user, "view", time=START + turn)
    with sqlite3.connect(tmp_path / "state.db") as tampered:
        for table in ("states", "users"):
            tampered.execute(f"CREATE TEMP TABLE old_{table} AS SELECT * FROM {table}")
        tampered.executescript(SWAPS[swap])
    with opened(tmp_path) as store:
        for user in ("ada", "grace"):
            with pytest.raises(ConsentError):
                store.observe(user, "view", time=START)
        assert store.audit()["users whose rows were altered"] >= 2
        store.consent("ada", "insight")  # and life goes on
        assert store.export_user("ada")["history"]["events"] == 0


def test_rows_of_another_store_open_for_nobody_though_the_key_is_the_same(tmp_path):
    for name in ("one", "two"):
        with opened(tmp_path / name) as store:
            store.consent("ada", "insight")
    with sqlite3.connect(tmp_path / "two" / "state.db") as tampered:
        tampered.execute("ATTACH ? AS one", (str(tmp_path / "one" / "state.db"),))
        for table in ("users", "states"):
            tampered.execute(f"DELETE FROM main.{table}")
            tampered.execute(f"INSERT INTO main.{table} SELECT * FROM one.{table}")
    with opened(tmp_path / "two") as store:
        assert store.consents("ada") == {}


def test_events_of_a_journal_that_changed_places_are_left_out(tmp_path):
    options = {"purposes": BOTH, "journal": JOURNAL}
    with opened(tmp_path, **options) as store:
        for purpose in BOTH:
            store.consent("ada", purpose)
        for turn in range(4):
            store.observe("ada", "view", time=START + turn)
    with sqlite3.connect(tmp_path / "state.db") as tampered:
        first, second = tampered.execute("SELECT sealed FROM journal ORDER BY sequence LIMIT 2").fetchall()
        tampered.execute("UPDATE journal SET sealed = ? WHERE sequence = 1", second)
        tampered.execute("UPDATE journal SET sealed = ? WHERE sequence = 2", first)
    with opened(tmp_path, **options) as store:
        assert [event["time"] for event in store.export_user("ada")["journal"]] == [START + 2, START + 3]
        assert store.audit()["journal events whose rows were altered"] == 2


def test_no_sentence_names_a_user_or_a_value(tmp_path):
    user, sentences = "ada.lovelace@example.org", []
    with opened(tmp_path) as store:
        attempts = [
            lambda: store.observe(user, "view", time=START),
            lambda: store.score(user, START),
            lambda: store.consent(user, "adverts"),
            lambda: store.consent([user], "insight"),
        ]
        for attempt in attempts:
            with pytest.raises(nearsight.NearsightError) as refused:
                attempt()
            sentences.append(f"{refused.value!r} {refused.value.__cause__!r}")
        store.consent(user, "insight")
        for event, fields in (("view", {"price": "4111-1111"}), (["4111-1111"], {}), ("view", {"device": 4111.1})):
            with pytest.raises(nearsight.EventError) as refused:
                store.observe(user, event, time=START, **fields)
            sentences.append(repr(refused.value))
        sentences.append(repr(store.audit()))
    assert [sentence for sentence in sentences if "ada" in sentence or "4111" in sentence] == []


def test_a_new_key_opens_what_the_old_one_did(tmp_path):
    new = os.urandom(32)
    with opened(tmp_path) as store:
        store.consent("ada", "insight")
        store.observe("ada", "view", time=START)
        rows = cells(tmp_path)
        store.rekey(new)
        assert cells(tmp_path) == {*rows, *cells(tmp_path)}
        with pytest.raises(StoreError, match="32 random bytes"):
            store.rekey(b"short")
        store.observe("ada", "view", time=START + 1)
    with pytest.raises(StoreError, match="another key"):
        opened(tmp_path)
    with opened(tmp_path, key=new) as store:
        assert store.export_user("ada")["history"]["events"] == 2
