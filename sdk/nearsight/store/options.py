"""How a store is to be kept."""

import msgspec

from nearsight.errors import StoreError

__all__ = ["JOURNAL", "REPORTS", "Journal", "Options", "unspent"]

JOURNAL = "journal"  # the purpose under which events themselves are kept
REPORTS = "reports"  # the purpose for which noised answers may leave


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """Keep events as well as what they came to: each user's last `events` of them, for `days` at most."""

    days: int
    events: int


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `nearsight.open` was told. `purposes[0]` is what histories are kept for."""

    purposes: tuple[str, ...]
    flush_events: int
    flush_seconds: float
    live_users: int
    retention_days: int | None
    journal: Journal | None
    budget: bytes | None  # the snapshot of one of which nothing was spent

    def __post_init__(self) -> None:
        _at_least_one("flush_events", self.flush_events)
        _at_least_one("live_users", self.live_users)
        _at_least_one("retention_days", 1 if self.retention_days is None else self.retention_days)
        if not 0 < self.flush_seconds < float("inf"):
            raise StoreError(f"flush_seconds must be a time above 0, received {self.flush_seconds!r}")
        if not self.purposes or len(set(self.purposes)) < len(self.purposes) or self.purposes[0] == JOURNAL:
            raise StoreError(
                f"purposes must be different names, the first of which histories are kept for, "
                f"received {self.purposes!r}"
            )
        if self.journal is not None:
            _at_least_one("journal.days", self.journal.days)
            _at_least_one("journal.events", self.journal.events)
        for option, value, purpose in (("journal", self.journal, JOURNAL), ("budget", self.budget, REPORTS)):
            if (value is not None) != (purpose in self.purposes):
                raise StoreError(
                    f"a {option} and the purpose {purpose!r} belong together: pass both {option}= and {purpose!r} in "
                    "purposes=, or neither"
                )

    @property
    def first(self) -> str:
        """The purpose that observing and asking need consent to."""
        return self.purposes[0]

    def check(self, purpose: str) -> None:
        """Raises `StoreError` for a purpose that wasn't declared."""
        if purpose not in self.purposes:
            known = ", ".join(map(repr, self.purposes))
            raise StoreError(f"the purpose must be one of {known}, received {purpose!r}: declare it in purposes=")


def unspent(budget: object) -> bytes:
    """The snapshot of a budget that each user gets one like. Raises `StoreError` for a used one or something else."""
    from nearsight.report.budget import Budget

    if not isinstance(budget, Budget) or budget != Budget(budget.total, budget.renews_seconds):
        came = "one that was used" if isinstance(budget, Budget) else type(budget).__name__
        raise StoreError(f"budget must be a new report.Budget, received {came}: each user gets one like it")
    return budget.snapshot()


def _at_least_one(name: str, value: int) -> None:
    if type(value) is not int or value < 1:
        raise StoreError(f"{name} must be a whole number from 1 on, received {value!r}")
