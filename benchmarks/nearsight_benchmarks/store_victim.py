"""What is damaged of a store: its file, its write-ahead log, its rows and its key, each beside the others whole."""

import contextlib
import random
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nearsight
from nearsight import Insight, Store, StoreError
from nearsight_benchmarks.mutation import altered_bytes
from nearsight_benchmarks.usage import Event
from nearsight_benchmarks.victim import Act

__all__ = ["StoreVictim"]

_FILE = "state.db"
_TABLES = ("meta", "users", "states", "journal", "audit")
_USERS = ("ada", "grace")
_PURPOSES = ("insight", "journal")
_KEY = bytes(range(32))
_ODD = (None, 0, -1, 2**63 - 1, -(2**63), 1.5, float("inf"), "", "x", "\0", b"", b"\xff" * 12, bytes(64))
_MEMORY = Path("/dev/shm")  # noqa: S108 - what is damaged isn't the disk


class StoreVictim:
    """A store of two users, and the ways to damage it: `acts` by kind; each uses the store and raises what comes of it.

    What a store says of a user must be what it said at one of its writes, or nothing; else `AssertionError` is raised.
    """

    def __init__(self, insight: Insight, events: Sequence[Event]) -> None:
        self._insight, self._events = insight, events
        self._said: dict[str, list[dict[str, Any]]] = {user: [] for user in _USERS}
        with _folder() as folder:
            with self._opened(folder) as store:
                for user in _USERS:
                    self._live(store, user)
                self._log = {name: (folder / name).read_bytes() for name in (_FILE, f"{_FILE}-wal")}
            self._file = (folder / _FILE).read_bytes()
        self.acts: dict[str, Act] = {
            "bytes of a store": self._bytes,
            "bytes of a store's log": self._log_bytes,
            "rows of a store": self._rows,
            "a store's key": self._key,
        }

    def _bytes(self, rng: random.Random) -> None:
        self._used({_FILE: altered_bytes(self._file, rng)})

    def _log_bytes(self, rng: random.Random) -> None:
        log = f"{_FILE}-wal"
        self._used(self._log | {log: altered_bytes(self._log[log], rng)})

    def _rows(self, rng: random.Random) -> None:
        with _folder() as folder:
            (folder / _FILE).write_bytes(self._file)
            with contextlib.closing(sqlite3.connect(folder / _FILE)) as file:
                for _ in range(rng.randint(1, 3)):
                    _alter_rows(file, rng.choice(_TABLES), rng)
                file.commit()
            self._use(folder, _KEY)

    def _key(self, rng: random.Random) -> None:
        self._used({_FILE: self._file, f"{_FILE}.key": altered_bytes(_KEY, rng)}, None)

    def _used(self, files: dict[str, bytes], key: bytes | None = _KEY) -> None:
        with _folder() as folder:
            for name, content in files.items():
                path = folder / name
                path.write_bytes(content)
                path.chmod(0o600)
            self._use(folder, key)

    def _use(self, folder: Path, key: bytes | None) -> None:
        """Use the store; one that says that it was damaged must be as good as new when it is opened again."""
        try:
            self._open_and_use(folder, key, self._said)
        except StoreError as error:
            if "was damaged" in str(error):
                self._open_and_use(folder, key, {})
            raise

    def _open_and_use(self, folder: Path, key: bytes | None, said: Mapping[str, list[dict[str, Any]]]) -> None:
        with self._opened(folder, key) as store:
            for user in _USERS:
                now = store.export_user(user)
                if now and said and not any(_is_part(now, before) for before in said[user]):
                    raise AssertionError("the store says of a user what never was")
                for purpose in _PURPOSES:
                    store.consent(user, purpose)
                self._observe(store, user, self._events[-1])
                store.score(user, 1.8e9)
                store.profile(user)
            store.erase_user(_USERS[0])
            if store.export_user(_USERS[0]):
                raise AssertionError("a user who was erased is there")
            store.audit()

    def _live(self, store: Store, user: str) -> None:
        for purpose in _PURPOSES:
            store.consent(user, purpose)
            self._said[user].append(store.export_user(user))
        for event in self._events[:-1]:
            self._observe(store, user, event)
            self._said[user].append(store.export_user(user))

    def _observe(self, store: Store, user: str, event: Event) -> None:
        name, time, fields = event
        store.observe(user, name, time, **fields)

    def _opened(self, folder: Path, key: bytes | None = _KEY) -> Store:
        journal = nearsight.Journal(days=10**6, events=100)
        return nearsight.open(self._insight, folder / _FILE, key=key, purposes=_PURPOSES, journal=journal)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as name:
        yield Path(name)


def _alter_rows(file: sqlite3.Connection, table: str, rng: random.Random) -> None:
    """A value of a table altered, exchanged with another row's or replaced, or a row left out."""
    rows = [list(row) for row in file.execute(f"SELECT * FROM {table}")]  # noqa: S608 - names of our own
    if not rows:
        return
    row = rng.choice(rows)
    place = rng.randrange(len(row))
    kind = rng.randrange(4)
    if kind == 0:
        rows.remove(row)
    elif kind == 1:
        other = rng.choice(rows)
        row[place], other[place] = other[place], row[place]
    elif kind == 2 and isinstance(row[place], bytes):
        row[place] = altered_bytes(row[place], rng)
    else:
        row[place] = rng.choice(_ODD)
    file.execute(f"DELETE FROM {table}")  # noqa: S608
    for each in rows:
        with contextlib.suppress(sqlite3.Error):  # what the table itself refuses
            file.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(each))})", each)  # noqa: S608


def _is_part(now: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether all that is said was said before; a day isn't sealed, and of a journal events may be missing."""
    same = all(now[name] == before[name] for name in ("pseudonym", "consents", "history"))
    return same and all(event in before["journal"] for event in now["journal"])
