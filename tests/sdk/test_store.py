"""A store answers as sessions do, whatever is written, evicted or opened again between two events."""

import contextlib
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import made_up
import nearsight
from nearsight import ConsentError, EventError, StoreError
from nearsight.bundle import write_bundle
from nearsight.store.live import Live, LiveUsers
from nearsight.store.record import Event, Trimmer
from nearsight.store.writer import Writer
from shop import KEY, PRICE, START, insight, opened, raw
from strategies import FIELDS, NAMES

USERS = st.sampled_from(["ada", "grace", "edsger"])
STEPS = st.one_of(
    st.tuples(st.just("observe"), USERS, NAMES, FIELDS),
    st.tuples(st.just("consent"), USERS),
    st.tuples(st.just("withdraw"), USERS),
    st.tuples(st.just("erase"), USERS),
    st.tuples(st.just("flush")),
    st.tuples(st.just("reopen")),
)


def play(store, sessions, model, step, moment):
    """One step for the store and for plain sessions, which are those of the users who consent."""
    what, *rest = step
    if what == "flush":
        store.flush()
        return
    user, *event = rest
    if what == "consent":
        store.consent(user, "insight")
        sessions.setdefault(user, model.session())
    elif what == "withdraw":
        store.withdraw(user, "insight")
        sessions.pop(user, None)
    elif what == "erase":
        assert store.erase_user(user) == (user in sessions)
        sessions.pop(user, None)
    elif user not in sessions:
        with pytest.raises(ConsentError):
            store.observe(user, event[0], time=moment, **event[1])
    else:
        expected = sessions[user].observe(event[0], time=moment, **event[1])
        assert dict(store.observe(user, event[0], time=moment, **event[1])) == dict(expected)
        assert dict(store.score(user, moment + 60)) == dict(sessions[user].score(moment + 60))
        assert store.profile(user) == sessions[user].profile()


@settings(max_examples=40)
@given(st.lists(STEPS, max_size=25), st.integers(1, 5), st.integers(1, 3))
def test_a_store_answers_as_sessions_do(steps, flush_events, live_users):
    model, sessions, options = insight(beside=True), {}, {"flush_events": flush_events, "live_users": live_users}
    steps = [("consent", "ada"), ("consent", "grace"), *steps]
    with tempfile.TemporaryDirectory() as folder:
        store = opened(Path(folder), model, **options)
        for turn, step in enumerate(steps):
            if step[0] == "reopen":
                store.close()
                store = opened(Path(folder), model, **options)
            else:
                play(store, sessions, model, step, START + 3600 * turn)
        kept = {user: store.export_user(user) for user in ("ada", "grace", "edsger")}
        store.close()
    assert {user for user, held in kept.items() if held} == set(sessions)
    assert all(kept[user]["history"]["events"] == session.count for user, session in sessions.items())


def test_nothing_is_computed_or_kept_without_consent(tmp_path):
    with opened(tmp_path, purposes=("insight", "offers")) as store:
        for ask in (
            lambda: store.observe("ada", "view", time=START),
            lambda: store.score("ada", START),
            lambda: store.profile("ada"),
        ):
            with pytest.raises(ConsentError, match="'insight'"):
                ask()
        assert store.export_user("ada") == {}
        store.consent("ada", "insight")
        store.observe("ada", "view", time=START)
        with pytest.raises(ConsentError, match="'offers'"):
            store.score("ada", START, purpose="offers")
        store.consent("ada", "offers")
        assert set(store.score("ada", START, purpose="offers")) == {"purchase", "cart"}
        store.withdraw("ada", "offers")
        assert set(store.consents("ada")) == {"insight"}
        assert store.export_user("ada")["history"]["events"] == 1
        assert store.audit() == {"events and questions without consent": 4}


def test_a_consent_says_since_when(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: START)
    with opened(tmp_path) as store:
        store.consent("ada", "insight")
    with opened(tmp_path) as store:
        assert store.consents("ada") == {"insight": START}
        assert store.export_user("ada")["consents"] == {"insight": "2023-11-14T22:13:20Z"}


def test_an_event_that_cant_be_read_leaves_the_history_as_it_was(tmp_path):
    with opened(tmp_path) as store:
        store.consent("ada", "insight")
        before = store.export_user("ada")
        for time_, fields in ((None, {}), (START, {"price": "dear"}), (START, {"device": 1.5})):
            with pytest.raises(EventError):
                store.observe("ada", "view", time=time_, **fields)
        assert store.export_user("ada") == before
        assert store.audit() == {"events that can't be read": 3}


@pytest.mark.parametrize("user", [None, 7, b"ada", ["ada"]])
def test_a_user_is_a_string(tmp_path, user):
    with opened(tmp_path) as store, pytest.raises(EventError, match="must be a string") as refused:
        store.observe(user, "view", time=START)
    assert "ada" not in str(refused.value)


def test_the_model_may_change(tmp_path):
    """Another model can't read an old state, so its history begins anew; the consent stays."""
    with opened(tmp_path) as store:
        store.consent("ada", "insight")
        store.observe("ada", "view", time=START)
    other = insight(seed=1)
    with opened(tmp_path, other) as store:
        found = store.observe("ada", "cart", time=START + 60)
        assert dict(found) == dict(other.session().observe("cart", time=START + 60))
        assert store.audit()["histories of another model"] == 1


def test_an_event_is_written_after_its_seconds_without_a_further_call(tmp_path):
    """The figure is generous on purpose: what is tested is that it happens at all, with nobody calling."""
    with opened(tmp_path, flush_seconds=0.05) as store:
        store.consent("ada", "insight")
        log = tmp_path / "state.db-wal"
        before = log.stat().st_size
        store.observe("ada", "view", time=START)
        deadline = time.monotonic() + 20
        while log.stat().st_size == before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert log.stat().st_size > before


def test_never_do_more_events_wait_than_may(tmp_path):
    with opened(tmp_path, flush_events=5) as store:
        store.consent("ada", "insight")
        for turn in range(23):
            store.observe("ada", "view", time=START + turn)
            copy = tmp_path / f"copy-{turn}"
            copy.mkdir()
            for name in ("state.db", "state.db-wal"):  # what a kill at this moment leaves
                (copy / name).write_bytes((tmp_path / name).read_bytes())
    for turn in range(23):
        with opened(tmp_path / f"copy-{turn}") as left:
            assert turn + 1 - 5 <= left.export_user("ada")["history"]["events"] <= turn + 1


def test_the_writer_hurries_and_tries_again():
    calls, done = [], threading.Event()

    def write():
        calls.append(len(calls))
        if len(calls) < 3:
            raise StoreError("planted")
        done.set()

    writer = Writer(0.01, write)
    writer.begin()
    assert done.wait(20)
    writer.stop()
    assert len(calls) == 3
    hurried = threading.Event()
    writer = Writer(3600, hurried.set)
    writer.begin()
    writer.hurry()
    assert hurried.wait(20)
    writer.stop()


def test_only_users_with_nothing_to_write_leave_the_memory():
    users = LiveUsers(2)
    lives = {name: Live(name.encode(), insight().session()) for name in "abcd"}
    lives["a"].changes = 1
    for name, live in lives.items():
        users.put(name, live)
    assert len(users) == 4  # the oldest waits, and whoever is younger with it
    lives["a"].saved = 1
    assert users.get("b") is lives["b"]
    users.trim()
    assert [users.get(name) is not None for name in "abcd"] == [False, True, False, True]


def test_many_threads_lose_nothing(tmp_path):
    with opened(tmp_path, flush_events=7, flush_seconds=0.01, live_users=2) as store:
        for user in ("ada", "grace", "edsger"):
            store.consent(user, "insight")

        def work(user):
            for turn in range(60):
                store.observe(user, "view", time=START + turn, **PRICE)
                if turn % 20 == 0:
                    store.flush()

        threads = [threading.Thread(target=work, args=(user,)) for user in ("ada", "grace", "edsger") * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with opened(tmp_path) as store:
        assert [store.export_user(user)["history"]["events"] for user in ("ada", "grace", "edsger")] == [120] * 3
        assert store.audit() == {"fields that the model doesn't know": 360}


def test_threads_that_erase_and_threads_that_observe_leave_no_row_of_nobody(tmp_path):
    users = ("ada", "grace", "edsger")
    with opened(tmp_path, flush_events=5, flush_seconds=0.005, live_users=2) as store:

        def observe(user):
            for turn in range(60):
                with contextlib.suppress(ConsentError):
                    store.observe(user, "view", time=START + turn)

        def erase():
            for _ in range(15):
                for user in users:
                    store.consent(user, "insight")
                    store.erase_user(user)

        threads = [threading.Thread(target=observe, args=(user,)) for user in users] + [threading.Thread(target=erase)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [store.export_user(user) for user in users] == [{}, {}, {}]
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as left:
        tables = ("users", "states", "journal")
        assert [left.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables] == [(0,)] * 3


def test_no_event_is_acknowledged_that_a_close_leaves_behind(tmp_path):
    """Threads observe until the store closes under them: what they were told was taken is there."""
    store, taken = opened(tmp_path, flush_events=9), []
    store.consent("ada", "insight")

    def work():
        with contextlib.suppress(StoreError):
            while True:
                store.observe("ada", "view", time=START)
                taken.append(1)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(taken) < 100:
        time.sleep(0.001)
    store.close()
    for thread in threads:
        thread.join()
    with opened(tmp_path) as left:
        assert left.export_user("ada")["history"]["events"] == len(taken)


def test_a_closed_store_says_so(tmp_path):
    store = opened(tmp_path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.flush()


@pytest.mark.parametrize(
    "options",
    [
        {"flush_events": 0},
        {"flush_events": 1.5},
        {"flush_seconds": 0},
        {"flush_seconds": float("nan")},
        {"live_users": 0},
        {"retention_days": 0},
        {"purposes": ()},
        {"purposes": ("a", "a")},
        {"purposes": ("journal",), "journal": nearsight.Journal(days=1, events=1)},
        {"purposes": ("a", "journal")},
        {"journal": nearsight.Journal(days=1, events=1)},
        {"purposes": ("a", "journal"), "journal": nearsight.Journal(days=0, events=1)},
        {"key": b"short"},
        {"key": "0" * 32},
    ],
)
def test_options_that_cant_be_are_refused_before_there_is_a_file(tmp_path, options):
    with pytest.raises(StoreError):
        opened(tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_purpose_must_be_declared(tmp_path):
    with opened(tmp_path) as store:
        for ask in (store.consent, store.withdraw, lambda user, name: store.score(user, START, purpose=name)):
            with pytest.raises(StoreError, match="one of 'insight', received 'adverts'"):
                ask("ada", "adverts")


def test_a_bundles_path_is_enough(tmp_path):
    write_bundle(tmp_path / "shop.nsight", made_up.bundle())
    with nearsight.open(tmp_path / "shop.nsight", tmp_path / "new folder" / "state.db", key=KEY) as store:
        store.consent("ada", "insight")
        reading = store.observe("ada", "view", time=START, **PRICE)
    session = nearsight.load(tmp_path / "shop.nsight").session()
    assert dict(reading) == pytest.approx(dict(session.observe("view", time=START, **PRICE)), abs=1e-6)


def test_an_event_keeps_what_the_model_reads():
    trimmer = Trimmer(made_up.spec())
    event = trimmer.event(7, 5, {"device": 3, "price": 2, "balance": None, "colour": "red"})
    assert (event.name, event.time) == ("7", 5.0)
    assert event.fields == {"device": "3", "price": 2.0, "balance": None}
    timeless = Trimmer(msgspec.structs.replace(made_up.spec(), clock=None))
    assert timeless.event("\ud83d", "noon", {}) == Event("?", None, {})


def test_importing_nearsight_loads_neither_sqlite_nor_cryptography():
    code = "import sys, {}; print({{'sqlite3', 'cryptography', 'keyring', 'ssl', 'hashlib'}} & {{*sys.modules}})"
    found = [
        subprocess.run([sys.executable, "-c", code.format(names)], capture_output=True, text=True, check=True).stdout
        for names in ("numpy, msgspec, nearsight", "numpy, msgspec")
    ]
    assert found[0] == found[1]


def test_without_cryptography_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    monkeypatch.delitem(sys.modules, "nearsight.store.cipher", raising=False)
    monkeypatch.delattr("nearsight.store.cipher", raising=False)
    with pytest.raises(StoreError, match=r"pip install 'nearsight\[store\]'"):
        opened(tmp_path)
    assert raw(tmp_path) == b""
