"""The store's file: SQLite with a write-ahead log, for one process at a time.

Times appear in it as days, names as pseudonyms, and everything else but counts is sealed. Deleted rows are overwritten
(`secure_delete`); they live on in the log until it is cut, which `cut_log` does.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from nearsight.digest import sha256
from nearsight.errors import StoreError
from nearsight.store.quarantine import move_aside

__all__ = ["FORMAT", "Database", "Found", "open_database"]

FORMAT = 1
_APPLICATION = 0x4E534754  # "NSGT", in the file's header
_BUSY_SECONDS = 2.0
_FULL, _BUSY = (sqlite3.SQLITE_FULL,), (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_ERRORS = (sqlite3.Error, UnicodeDecodeError)  # the second where a message quotes a damaged row
_PLACE = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM)
_TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL)",
    "CREATE TABLE users (id INTEGER PRIMARY KEY, pseudonym BLOB NOT NULL UNIQUE, key BLOB NOT NULL)",
    "CREATE TABLE states (id INTEGER PRIMARY KEY, sealed BLOB NOT NULL, day INTEGER NOT NULL)",
    """CREATE TABLE journal (id INTEGER, sequence INTEGER, sealed BLOB NOT NULL, day INTEGER NOT NULL,
    PRIMARY KEY (id, sequence)) WITHOUT ROWID""",
    "CREATE TABLE audit (what TEXT PRIMARY KEY, count INTEGER NOT NULL)",
)
_DIGEST = "digest"  # of what else is in meta: damage there must not look like another key

Found = tuple[int, bytes, bytes]  # a user's id, sealed key and sealed state


def open_database(path: Path) -> tuple["Database", Path | None]:
    """Open or make the database at `path`; a damaged one is moved aside, and its new name is returned beside.

    Raises `StoreError` where another process has it, a newer nearsight made it, or it is some other database, and
    `OSError` where the place can't be used.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _make(path)
    lock = _locked(path)
    try:
        aside = move_aside(path) if _is_damaged(path) else None
        if aside is not None:
            _make(path)
        return Database(path, lock), aside
    except BaseException as error:
        lock.close()
        if isinstance(error, _ERRORS):
            raise _failure(error) from error
        raise


class Database:
    """The open file. One thread may write while another reads; no method is safe to be called twice at once."""

    def __init__(self, path: Path, lock: sqlite3.Connection) -> None:
        self.path, self._lock = path, lock
        self._writer = _connected(path)
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute("PRAGMA synchronous = FULL")  # a commit is on the disk, not on its way there
        self._writer.execute("PRAGMA secure_delete = ON")
        if not self._writer.execute("SELECT name FROM sqlite_master").fetchall():
            with self.transaction():
                for statement in _TABLES:
                    self._writer.execute(statement)
                self._writer.execute(f"PRAGMA application_id = {_APPLICATION}")
                self._writer.execute(f"PRAGMA user_version = {FORMAT}")
        self._reader = _connected(path)  # so that reading doesn't wait for a commit
        self._reader.text_factory = bytes  # a damaged row's may be no text

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written within, or nothing. Raises `StoreError` where it can't be written."""
        writer = self._writer
        try:
            writer.execute("BEGIN IMMEDIATE")
            yield
            writer.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):
                writer.execute("ROLLBACK")
            if isinstance(error, _ERRORS):
                raise _failure(error) from error
            raise

    def meta(self, name: str) -> bytes | None:
        """A value that belongs to the whole store."""
        rows = self._read("SELECT value FROM meta WHERE name = ?", name)
        return rows[0][0] if rows else None

    def put_meta(self, values: Mapping[str, bytes]) -> None:
        """Set such values."""
        self._writer.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(values.items()))
        _, found = _meta(self._writer)
        self._writer.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_DIGEST, found))

    def find(self, pseudonym: bytes) -> Found | None:
        """A user's rows."""
        query = "SELECT id, key, sealed FROM users JOIN states USING (id) WHERE pseudonym = ?"
        rows = self._read(query, pseudonym)
        return rows[0] if rows else None

    def day(self, user: int) -> int:
        """The day, counted from 1970 on, on which a user's row was last written."""
        day: int = self._read("SELECT day FROM states WHERE id = ?", user)[0][0]
        return day

    def events(self, user: int) -> list[tuple[int, bytes]]:
        """A user's journal: sequence numbers and sealed events in order."""
        return self._read("SELECT sequence, sealed FROM journal WHERE id = ? ORDER BY sequence", user)

    def counts(self) -> dict[str, int]:
        """The audit."""
        return {what.decode(): count for what, count in self._read("SELECT what, count FROM audit ORDER BY what")}

    def add_user(self, pseudonym: bytes, key: bytes) -> int:
        """A row for a new user, whose id is returned; what the pseudonym or the id had before is erased."""
        self.erase(pseudonym)
        inserted = self._writer.execute("INSERT INTO users (pseudonym, key) VALUES (?, ?)", (pseudonym, key))
        self._writer.execute("DELETE FROM journal WHERE id = ?", (inserted.lastrowid,))
        return int(inserted.lastrowid or 0)

    def put_states(self, rows: Iterable[tuple[int, bytes, int]]) -> None:
        """Replace users' states: id, sealed state, day."""
        self._writer.executemany("INSERT OR REPLACE INTO states VALUES (?, ?, ?)", rows)

    def put_events(self, rows: Iterable[tuple[int, int, bytes, int]]) -> None:
        """Add to the journal: id, sequence, sealed event, day. A row that damage put in the place is replaced."""
        self._writer.executemany("INSERT OR REPLACE INTO journal VALUES (?, ?, ?, ?)", rows)

    def count(self, counts: Mapping[str, int]) -> None:
        """Add to the audit."""
        statement = "INSERT INTO audit VALUES (?, ?) ON CONFLICT (what) DO UPDATE SET count = count + excluded.count"
        self._writer.executemany(statement, list(counts.items()))

    def erase(self, pseudonym: bytes) -> bool:
        """Delete all rows of a user; whether there were any."""
        found = self._writer.execute("SELECT id FROM users WHERE pseudonym = ?", (pseudonym,)).fetchall()
        for row in found:
            for table in ("users", "states", "journal"):
                self._writer.execute(f"DELETE FROM {table} WHERE id = ?", row)  # noqa: S608 - names of our own
        return bool(found)

    def erase_events(self, user: int, until: int) -> int:
        """Delete a user's journal up to that sequence number; how many rows there were."""
        return self._writer.execute("DELETE FROM journal WHERE id = ? AND sequence <= ?", (user, until)).rowcount

    def erase_old_events(self, before: int) -> int:
        """Delete everybody's journal before that day; how many rows there were."""
        return self._writer.execute("DELETE FROM journal WHERE day < ?", (before,)).rowcount

    def old_users(self, before: int) -> list[tuple[int, bytes]]:
        """Users whose row was last written before that day: ids and pseudonyms."""
        query = "SELECT id, pseudonym FROM users JOIN states USING (id) WHERE day < ?"
        return self._writer.execute(query, (before,)).fetchall()

    def restamp(self, today: int) -> None:
        """Count days after `today`, which a clock that ran ahead or damage has left, as today."""
        for table in ("states", "journal"):
            self._writer.execute(f"UPDATE {table} SET day = ? WHERE day NOT BETWEEN 0 AND ?", (today, today))  # noqa: S608

    def cut_log(self, patience_seconds: float) -> bool:
        """Bring the write-ahead log into the database and cut it to nothing; False where somebody keeps reading it."""
        try:
            self._writer.execute(f"PRAGMA busy_timeout = {1000 * patience_seconds:.0f}")
            ((busy, _, _),) = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._writer.execute(f"PRAGMA busy_timeout = {1000 * _BUSY_SECONDS:.0f}")
        except _ERRORS as error:
            raise _failure(error) from error
        return not busy

    def close(self) -> None:
        """Let go of the file."""
        for connection in (self._reader, self._writer, self._lock):
            connection.close()

    def _read(self, query: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
        try:
            return self._reader.execute(query, values).fetchall()
        except _ERRORS as error:
            raise _failure(error) from error


def _make(path: Path) -> None:
    """A file that its owner alone may read, if there is none."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _connected(path: Path, timeout: float = _BUSY_SECONDS) -> sqlite3.Connection:
    return sqlite3.connect(path.absolute(), timeout=timeout, isolation_level=None, check_same_thread=False)


def _locked(path: Path) -> sqlite3.Connection:
    """A lock that the system takes back from a process that dies: an empty database beside the real one."""
    lock = _connected(path.with_name(f"{path.name}.lock"), 0)
    try:
        lock.execute("PRAGMA journal_mode = OFF")  # nothing is ever written
        lock.execute("BEGIN EXCLUSIVE")
    except _ERRORS as error:
        lock.close()
        if _code(error) in _BUSY:
            raise StoreError(
                f"{path} is open already, here or in another process, and one at a time keeps a store: close it there, "
                "or pass another path"
            ) from None
        raise _failure(error) from error
    return lock


def _is_damaged(path: Path) -> bool:
    connection = _connected(path)
    connection.text_factory = bytes
    try:
        return not _is_whole(connection, path)
    except _ERRORS as error:
        if _is_damage(error):
            return True
        raise
    finally:
        connection.close()


def _is_whole(connection: sqlite3.Connection, path: Path) -> bool:
    tables = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
    ((application,),) = connection.execute("PRAGMA application_id").fetchall()
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    if not tables:
        return True  # nothing was written yet
    are_ours = tables == [(table.encode(),) for table in _TABLES]
    if application != _APPLICATION and not are_ours:
        raise StoreError(f"{path} is a database of something else: pass another path")
    if version > FORMAT:
        raise StoreError(f"{path} has format {version} where this SDK reads up to {FORMAT}: update nearsight")
    connection.executescript("BEGIN IMMEDIATE; UPDATE meta SET value = value; ROLLBACK")  # its header may forbid it
    written, found = _meta(connection)
    is_sound = connection.execute("PRAGMA quick_check(1)").fetchall() == [(b"ok",)]
    return is_sound and are_ours and application == _APPLICATION and written == found


def _meta(connection: sqlite3.Connection) -> tuple[bytes | None, bytes | None]:
    """The digest that is written, and the one that should be; both None where nothing has one yet."""
    written, digest = None, sha256()
    rows = connection.execute("SELECT CAST(name AS BLOB), CAST(value AS BLOB) FROM meta ORDER BY name").fetchall()
    for name, value in rows:
        if name == _DIGEST.encode():
            written = value
        else:
            digest.update((name or b"") + value)
    return written, bytes.fromhex(digest.hexdigest()) if rows else None


def _code(error: Exception) -> int:
    return (
        getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    )  # an error of Python's own is about text that is none


def _is_damage(error: Exception) -> bool:
    """Whatever isn't the place's fault is the file's: no statement of this module fails by itself."""
    return _code(error) not in (*_FULL, *_BUSY, *_PLACE)


def _failure(error: Exception) -> StoreError:
    """SQLite's error as a sentence; its own text is left out, for it may quote what a damaged row holds."""
    if isinstance(error, sqlite3.ProgrammingError):
        return StoreError("the store was closed meanwhile: open it again")
    if _code(error) in _FULL:
        return StoreError("the store's disk is full: free some space, and what waits will be written")
    if _code(error) in _BUSY:
        return StoreError("another program keeps the store's file locked: end it, and what waits will be written")
    if _is_damage(error):
        return StoreError("the store's file was damaged: close it and open it again, which moves it aside")
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return StoreError(f"the store's file can't be used ({name}): mend its disk, and what waits will be written")
