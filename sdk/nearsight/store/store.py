"""A store for an app: consent, observing, asking, reports, export and erasure."""

import os
import time
from collections.abc import Mapping, Sequence
from threading import RLock
from typing import TYPE_CHECKING, Any, Self

from nearsight.errors import ConsentError, EventError, StoreError
from nearsight.heads import Reading
from nearsight.manifest import Manifest
from nearsight.profile import Profile
from nearsight.store.audit import Audit
from nearsight.store.backlog import Backlog
from nearsight.store.key import Place, checked_key, forget_key
from nearsight.store.live import Live, LiveUsers
from nearsight.store.options import JOURNAL, REPORTS, Options
from nearsight.store.portrait import portrait
from nearsight.store.record import Trimmer
from nearsight.store.vault import IDENTITY, ROOT, today
from nearsight.store.writer import Writer

if TYPE_CHECKING:
    from nearsight.report import Question, Report
    from nearsight.store.vault import Vault

__all__ = ["Store"]

_PATIENCE_SECONDS = 2.0  # with programs that read the write-ahead log when it is to be cut


class Store:
    """Users' histories in one file, kept as they consented to. Made by `nearsight.open`; close it, or use `with`.

    Every method may be called from any thread; one thread at a time observes or asks, while another writes. A process
    that was forked opens the store anew. `key_place` says where the key is kept: "app", "keyring" or "file".

    An observed event is on the disk `flush_seconds` later (and as long as the write takes), and never do more than
    `flush_events` wait: that is what a power cut can cost. `consent`, `withdraw`, `report`, `erase_user`, `retention`
    and `flush` have written when they return. Where the disk is full, asking goes on and observing too, until
    `flush_events` wait; then `observe` raises `StoreError` before it takes the event.
    """

    def __init__(self, vault: "Vault", manifest: Manifest, options: Options, audit: Audit, key_place: Place) -> None:
        self.key_place = key_place
        self._vault, self._manifest, self._options, self._audit = vault, manifest, options, audit
        self._process: int | None = os.getpid()
        self._trimmer = Trimmer(manifest.spec)
        self._live = LiveUsers(options.live_users)
        self._backlog = Backlog(options.flush_events)
        self._half = max(2, options.flush_events // 2)
        self._day: int | None = None  # of the last retention
        self._writing, self._lock = RLock(), RLock()  # whoever takes both takes them in this order
        self.retention()
        self._writer = Writer(options.flush_seconds, self._write)

    def consent(self, user: str, purpose: str) -> None:
        """Keep that a user consents to a purpose, now. Raises `StoreError` for a purpose that wasn't declared."""
        self._check(user)
        self._options.check(purpose)
        with self._writing, self._lock:
            found = self._found(user)
            live = found or self._vault.new(user)
            self._agree(live, {**live.consents, purpose: time.time()})
            if found is None:
                self._live.put(user, live)

    def consents(self, user: str) -> dict[str, float]:
        """What a user consents to, and since when in seconds since 1970."""
        self._check(user)
        with self._lock:
            live = self._found(user)
            return dict(live.consents) if live else {}

    def withdraw(self, user: str, purpose: str) -> None:
        """End a user's consent to a purpose and delete what was kept for it: the first purpose's is everything.

        What reports have cost stays beside the history, or whoever consents again could be asked for more than a
        budget.
        """
        self._check(user)
        self._options.check(purpose)
        with self._writing, self._lock:
            live = self._found(user)
            if live is not None and purpose in live.consents:
                if purpose == self._options.first:
                    self._forget(user, "users erased because consent was withdrawn")
                else:
                    self._end(live, purpose)
            self._shred()

    def observe(self, user: str, event: str, /, time: float | None = None, **fields: object) -> Reading:
        """Add one event to a user's history and read what the model now says; arguments as for `Session.observe`.

        An event that raises leaves the history as it was: `ConsentError` where the user didn't consent to the first
        purpose, `EventError` for an event that can't be read, `StoreError` where too much waits to be written.
        """
        while True:
            self._check(user)
            with self._lock:
                if not self._backlog.is_full:
                    return self._observed(user, event, time, fields)
            self._write()

    def score(self, user: str, time: float, *, purpose: str | None = None) -> Reading:
        """Read what the model says at a later `time` if nothing happens until then; see `Session.score`.

        `purpose` is what the answer is for, the first one where it isn't given. Raises `ConsentError` where the user
        didn't consent to it.
        """
        self._check(user)
        with self._lock:
            return self._consenting(user, purpose).session.score(time)

    def profile(self, user: str, *, purpose: str | None = None) -> Profile | None:
        """A user's habits beside the average user's; see `Session.profile`. Raises `ConsentError` as `score` does."""
        self._check(user)
        with self._lock:
            return self._consenting(user, purpose).session.profile()

    def report(self, user: str, question: "Question", truth: object, *, time: float | None = None) -> "Report":
        """A report of `truth` that may leave the device, paid for from the user's budget, as by `report.answer`.

        Cost and report are on the disk when this returns, so that no crash lets more be asked. A user's budget stays
        as `budget=` was when the user was first asked. Raises `ConsentError` where the user didn't consent to
        `"reports"`, `BudgetError` and `ReportError` as `answer` does, and `StoreError` where the store has no budgets
        or can't be written; then nothing is spent.
        """
        from nearsight.report import Budget, answer

        self._check(user)
        if self._options.budget is None:
            raise StoreError(f"this store has no budgets: open it with budget= and {REPORTS!r} in purposes=")
        with self._writing, self._lock:
            live = self._consenting(user, REPORTS)
            before = live.budget
            budget = Budget.restored(before or self._options.budget)
            found = answer(question, truth, budget, time=time)
            live.budget = budget.snapshot()
            if live.budget != before:
                try:
                    self._save([live], {})
                except BaseException:
                    live.budget = before
                    raise
        return found

    def export_user(self, user: str) -> dict[str, Any]:
        """Everything that is held about a user, as plain JSON; empty where nothing is."""
        self._check(user)
        with self._writing, self._lock:
            live = self._found(user)
            if live is None or live.id is None:
                return {}
            if user in self._backlog.users:
                self._save([live], {})
            day = self._vault.database.day(live.id)
            snapshot, events = live.session.snapshot(), self._vault.events(live)
            return portrait(self._manifest, live.pseudonym, live.consents, snapshot, events, live.budget, day)

    def erase_user(self, user: str) -> bool:
        """Delete everything that is held about a user, also from files that were moved aside; whether there was any.

        Rows are overwritten, their key with them, and the write-ahead log is cut. Raises `StoreError` where another
        program reads the log at that moment: the rows are gone, their remains in the log are not; call it again.
        """
        self._check(user)
        with self._writing, self._lock:
            found = self._forget(user, "users erased on request")
            self._shred()
        return found

    def retention(self) -> int:
        """Delete what is older than `retention_days` and the journal's days; how many users that were.

        This happens by itself when the store is opened and with the first write of a day. A user's age counts from the
        day of their last event, consent or report, by the system's clock.
        """
        self._check()
        with self._writing:
            return self._expire()

    def audit(self) -> dict[str, int]:
        """What was dropped and why since the store was made, as counts."""
        self._check()
        self._write()
        with self._lock:
            return self._vault.database.counts()

    def rekey(self, key: bytes) -> None:
        """Put the store under another key, 32 bytes, which the app keeps from now on. No row is written anew.

        Raises `StoreError` for a key of another size.
        """
        self._check()
        vault, database = self._vault, self._vault.database
        with self._writing, self._lock:
            with database.transaction():
                database.put_meta({ROOT: vault.ring.locked(checked_key(key))})
            if self.key_place != "app":
                forget_key(database.path, database.meta(IDENTITY) or b"")
                self.key_place = "app"
            self._shred()

    def flush(self) -> None:
        """Write what waits. Raises `StoreError` where that can't be done; it waits on."""
        self._check()
        self._write()

    def close(self) -> None:
        """Write what waits and let go of the file. A store that is closed already, or by another process, stays so."""
        if self._process != os.getpid():
            return
        with self._lock:
            self._process = None
            self._backlog.end()
        self._writer.stop()
        with self._writing, self._lock:
            try:
                self._write()
            finally:
                self._vault.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self, user: object = "") -> None:
        if self._process != os.getpid():
            where = "is closed" if self._process is None else "was opened by the process that this one was forked from"
            raise StoreError(f"this store {where}: open it here")
        if type(user) is not str:
            raise EventError(f"a user must be a string, received {type(user).__name__}: pass a name of yours for them")

    def _found(self, user: str) -> Live | None:
        """A user from memory or from the file; None where nothing is kept."""
        live = self._live.get(user)
        if live is None:
            live = self._vault.find(user)
            if live is not None:
                self._live.put(user, live)
        return live

    def _consenting(self, user: str, purpose: str | None) -> Live:
        wanted = purpose or self._options.first
        live = self._found(user)
        if live is None or wanted not in live.consents:
            self._options.check(wanted)
            self._audit.note("events and questions without consent")
            raise ConsentError(
                f"this needs the user's consent to the purpose {wanted!r} and has none: ask them, then call consent"
            )
        return live

    def _observed(self, user: str, event: str, time: float | None, fields: Mapping[str, object]) -> Reading:
        live = self._consenting(user, None)
        try:
            reading = live.session.observe(event, time, **fields)
        except EventError:
            self._audit.note("events that can't be read")
            raise
        strangers = fields.keys() - self._trimmer.fields
        if strangers:
            self._audit.note("fields that the model doesn't know", len(strangers))
        if JOURNAL in live.consents and self._options.journal:
            live.sequence += 1
            live.events.append(self._trimmer.event(event, time, fields))
        live.changes += 1
        waiting = self._backlog.add(user, live)
        if waiting == 1:
            self._writer.begin()
        elif waiting == self._half:
            self._writer.hurry()
        return reading

    def _write(self) -> None:
        """Write what waits, while others go on observing; see `flush`."""
        with self._writing:
            with self._lock:
                users = self._backlog.take()
            counts = self._audit.taken()
            try:
                self._save(list(users.values()), counts)
            except BaseException:
                with self._lock:
                    self._backlog.put_back(users)
                self._audit.note_all(counts)
                raise
            with self._lock:
                self._backlog.written()
            if not self._vault.is_cut:
                self._vault.shred(0)
            if users and today() != self._day:
                self._expire()

    def _save(self, users: Sequence[Live], counts: Mapping[str, int]) -> None:
        copies = []
        for live in users:
            with self._lock:  # for one user at a time: whoever observes waits for microseconds
                copies.append(live.copy())
        self._vault.save(copies, counts)
        with self._lock:
            for copy in copies:
                copy.written()
            self._live.trim()

    def _forget(self, user: str, why: str) -> bool:
        found = self._vault.erase(user)
        self._live.drop(user)
        self._backlog.users.pop(user, None)
        self._audit.note(why, int(found))
        return found

    def _agree(self, live: Live, consents: dict[str, float]) -> None:
        """Keep what a user consents to, or leave it as it was."""
        before, live.consents = live.consents, consents
        try:
            self._save([live], {})
        except StoreError:
            live.consents = before
            raise

    def _end(self, live: Live, purpose: str) -> None:
        """End a purpose beside the first."""
        if purpose == JOURNAL:
            live.events.clear()
            self._vault.erase_events(live)
        self._agree(live, {name: since for name, since in live.consents.items() if name != purpose})

    def _expire(self) -> int:
        with self._lock:
            self._save(list(self._backlog.users.values()), {})  # or whoever has just come back would be erased
            users, events = self._vault.expire()
            self._live.drop_all(users)
            self._day = today()
            self._audit.note("users erased after retention", len(users))
            self._audit.note("journal events erased after retention", events)
            if users or events:
                self._vault.shred(0)
        return len(users)

    def _shred(self) -> None:
        if not self._vault.shred(_PATIENCE_SECONDS):
            raise StoreError(
                "another program reads the store's write-ahead log, where deleted rows live on until it is cut: "
                "end that program and do this again"
            )
