"""The users whose sessions are in memory."""

from collections import OrderedDict

from nearsight.session import Session
from nearsight.store.record import Event, Record, encoded

__all__ = ["Copy", "Live", "LiveUsers"]


class Live:
    """A user in memory. `changes` counts what happened, `saved` how much of it has been written.

    `id` is None until there is a row. `events` wait for the journal; the last of them has the number `sequence`.
    """

    __slots__ = ("budget", "changes", "consents", "events", "id", "key", "pseudonym", "saved", "sequence", "session")

    def __init__(self, pseudonym: bytes, session: Session) -> None:
        self.pseudonym, self.session = pseudonym, session
        self.id: int | None = None
        self.key: object = None  # the vault's
        self.consents: dict[str, float] = {}
        self.budget: bytes | None = None
        self.events: list[Event] = []
        self.sequence = self.changes = self.saved = 0

    def copy(self) -> "Copy":
        """What is to be written of this user as of now."""
        record = Record(self.consents, self.session.snapshot(), self.sequence, self.budget)
        return Copy(self, encoded(record), tuple(self.events), self.sequence, self.changes)


class Copy:
    """A user's record and waiting events at one moment: the user may change while these are written."""

    __slots__ = ("changes", "events", "live", "record", "sequence")

    def __init__(self, live: Live, record: bytes, events: tuple[Event, ...], sequence: int, changes: int) -> None:
        self.live, self.record, self.events = live, record, events
        self.sequence, self.changes = sequence, changes

    def written(self) -> None:
        """Take note that this moment is on the disk."""
        self.live.saved = self.changes
        del self.live.events[: len(self.events)]


class LiveUsers:
    """At most `limit` users, the least recently asked for leaving first, and those beyond it that wait to be written.

    They're found by the app's own names for them, which exist in memory alone.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._users = limit, OrderedDict[str, Live]()

    def __len__(self) -> int:
        return len(self._users)

    def get(self, user: str) -> Live | None:
        """A user, if in memory, who is now the most recent one."""
        found = self._users.get(user)
        if found is not None:
            self._users.move_to_end(user)
        return found

    def put(self, user: str, live: Live) -> None:
        """Add a user."""
        self._users[user] = live
        self.trim()

    def trim(self) -> None:
        """Let go of the least recent ones beyond the limit, as far as nothing of theirs waits to be written."""
        users = self._users
        while len(users) > self._limit:
            user, oldest = next(iter(users.items()))
            if oldest.changes != oldest.saved:
                return
            del users[user]

    def drop(self, user: str) -> None:
        """Forget a user."""
        self._users.pop(user, None)

    def drop_all(self, pseudonyms: set[bytes]) -> None:
        """Forget users by their pseudonyms."""
        for user in [user for user, live in self._users.items() if live.pseudonym in pseudonyms]:
            del self._users[user]
