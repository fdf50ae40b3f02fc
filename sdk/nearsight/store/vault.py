"""Users' records and journals in the database, sealed."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from nearsight.errors import EventError, SnapshotError, StoreError
from nearsight.insight import Insight
from nearsight.session import Session
from nearsight.store.audit import Audit
from nearsight.store.live import Copy, Live
from nearsight.store.options import Options
from nearsight.store.quarantine import moved_aside
from nearsight.store.record import Event, Record, decoded, encoded

if TYPE_CHECKING:
    from nearsight.store.cipher import Ring, UserKey
    from nearsight.store.database import Database

__all__ = ["IDENTITY", "ROOT", "Erased", "Vault", "today"]

IDENTITY, ROOT = "identity", "root"  # what a store's file has in the clear and under the app's key
_STATE, _EVENT = b"state", b"event"
_DAY_SECONDS = 86_400
Erased = tuple[set[bytes], int]  # the users' pseudonyms, and how many events of the journal


def today() -> int:
    """The day by the system's clock, counted from 1970 on."""
    return int(time.time() // _DAY_SECONDS)


class Vault:
    """Reads and writes users, and notes in the audit what was dropped on the way.

    `is_cut` is False while the write-ahead log may hold remains of what was deleted.
    """

    def __init__(self, database: "Database", ring: "Ring", insight: Insight, options: Options, audit: Audit) -> None:
        self.database, self.ring, self._insight, self._options, self._audit = database, ring, insight, options, audit
        self.is_cut = True

    def new(self, user: str) -> Live:
        """A user of whom nothing is kept yet."""
        return Live(self.ring.pseudonym(user), self._insight.session())

    def find(self, user: str) -> Live | None:
        """A user as last written; None where there are no rows, or where they were altered or swapped."""
        pseudonym = self.ring.pseudonym(user)
        found = self.database.find(pseudonym)
        if found is None:
            return None
        key = self.ring.user(pseudonym, found[1])
        content = None if key is None else key.open(_STATE, found[2])
        if content is None:
            self._audit.note("users whose rows were altered")
            return None
        record: Record = decoded(content, Record)
        live = Live(pseudonym, self._insight.session())
        live.id, live.key, live.consents, live.sequence = found[0], key, record.consents, record.sequence
        live.budget = record.budget
        live.session = self._session(record.snapshot, live)
        return live

    def save(self, copies: Sequence[Copy], counts: Mapping[str, int]) -> None:
        """Write users as they were copied, and what was counted, all of it or nothing."""
        day, database = today(), self.database
        if not copies and not counts:
            return
        with database.transaction():
            for copy in copies:
                if copy.live.id is None:
                    copy.live.key, sealed = self.ring.new_user(copy.live.pseudonym)
                    copy.live.id = database.add_user(copy.live.pseudonym, sealed)
            rows = [(_id(copy.live), _key(copy.live).seal(_STATE, copy.record), day) for copy in copies]
            database.put_states(rows)
            for copy in copies:
                if copy.events:
                    self._journal(copy, day)
            database.count(counts)

    def events(self, live: Live) -> list[Event]:
        """A user's journal as last written; events whose rows were altered are left out."""
        key, found = _key(live), []
        for sequence, sealed in self.database.events(_id(live)):
            content = key.open(_place(sequence), sealed)
            if content is None:
                self._audit.note("journal events whose rows were altered")
            else:
                found.append(decoded(content, Event))
        return found

    def erase(self, user: str) -> bool:
        """Delete a user's rows; whether there were any."""
        with self.database.transaction():
            return self.database.erase(self.ring.pseudonym(user))

    def erase_events(self, live: Live) -> None:
        """Delete a user's journal."""
        with self.database.transaction():
            self.database.erase_events(_id(live), live.sequence)

    def expire(self) -> Erased:
        """Delete what is older than the options let it be; a day ahead of today's counts as today."""
        options, day, database = self._options, today(), self.database
        erased: set[bytes] = set()
        with database.transaction():
            database.restamp(day)
            keep = day + 1 if options.journal is None else day - options.journal.days
            events = database.erase_old_events(keep)
            if options.retention_days is not None:
                erased = {pseudonym for _, pseudonym in database.old_users(day - options.retention_days)}
            for pseudonym in erased:
                database.erase(pseudonym)
        return erased, events

    def shred(self, patience_seconds: float) -> bool:
        """Cut the log and remove what was moved aside: both may still tell of what was deleted. Whether it could be."""
        self.is_cut = self.database.cut_log(patience_seconds)
        for file in moved_aside(self.database.path):
            _remove(file)
        return self.is_cut

    def _journal(self, copy: Copy, day: int) -> None:
        first, key, user = copy.sequence - len(copy.events) + 1, _key(copy.live), _id(copy.live)
        sealed = [(number, key.seal(_place(number), encoded(event))) for number, event in enumerate(copy.events, first)]
        self.database.put_events((user, number, content, day) for number, content in sealed)
        if self._options.journal is not None:
            gone = self.database.erase_events(user, copy.sequence - self._options.journal.events)
            self._audit.note("journal events beyond their number", gone)

    def _session(self, snapshot: bytes, live: Live) -> Session:
        """The session of a snapshot; of another model's, what the journal still tells, from an empty history on."""
        try:
            return self._insight.session(snapshot)
        except SnapshotError:
            self._audit.note("histories of another model")
        session = self._insight.session()
        for event in self.events(live) if self._options.journal else []:
            try:
                session.observe(cast("str", event.name), event.time, **event.fields)
            except EventError:
                self._audit.note("journal events that another model can't read")
        return session


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"{file} was moved aside and can't be removed ({error.strerror}): remove it, it may hold whom you erased"
        ) from None


def _place(sequence: object) -> bytes:
    """Where an event was sealed for; nowhere, where a damaged row has no number that is ever given."""
    return _EVENT + sequence.to_bytes(8, "big") if isinstance(sequence, int) and sequence > 0 else b""


def _id(live: Live) -> int:
    return cast("int", live.id)


def _key(live: Live) -> "UserKey":
    return cast("UserKey", live.key)
