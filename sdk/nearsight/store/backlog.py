"""What waits to be written: users, and how many events have been acknowledged and aren't on the disk yet."""

from nearsight.store.live import Live

__all__ = ["Backlog"]


class Backlog:
    """At most `limit` events wait. Whoever calls holds the store's lock."""

    __slots__ = ("_flying", "_limit", "users", "waiting")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.users: dict[str, Live] = {}
        self.waiting = self._flying = 0  # events that no write has begun with, and those that one is busy with

    @property
    def is_full(self) -> bool:
        """Whether something must be written before another event is taken."""
        return self.waiting + self._flying >= self._limit

    def add(self, user: str, live: Live) -> int:
        """Note an event of a user; how many there are since the last write began."""
        self.users[user] = live
        self.waiting += 1
        return self.waiting

    def take(self) -> dict[str, Live]:
        """What a write begins with; until `written` or `put_back`, its events count as waiting."""
        users, self.users = self.users, {}
        self._flying, self.waiting = self.waiting, 0
        return users

    def written(self) -> None:
        """The write is done."""
        self._flying = 0

    def put_back(self, users: dict[str, Live]) -> None:
        """The write failed."""
        self.users = users | self.users
        self.waiting, self._flying = self.waiting + self._flying, 0

    def end(self) -> None:
        """Take no event any more."""
        self._limit = 0
