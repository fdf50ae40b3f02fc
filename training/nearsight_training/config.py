"""What a training is told: every choice that changes its result, frozen, and written into the run."""

import msgspec

from nearsight.spec import Reset

__all__ = ["Fitting", "Inactive", "LogConfig", "Size", "TableConfig", "Target"]


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="will_do"):
    """A yes/no question: will any of `events` happen within `within_seconds`? Known by `name` ever after."""

    name: str
    events: tuple[str, ...]
    within_seconds: float


class Inactive(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="inactive"):
    """A yes/no question: will the user leave, that is do nothing for `within_seconds`?

    `events` are those that count as doing something, all of them where it is empty. With `active_within_seconds`, only
    a user who did something as recently as that can still leave: of others it is neither learned nor scored.
    """

    name: str
    within_seconds: float
    events: tuple[str, ...] = ()
    active_within_seconds: float | None = None


class Size(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network's width. The defaults are the article's."""

    filters: int = 64
    units: int = 100
    largest_embedding: int = 16


class Fitting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the weights are found. `batch_events` is how many rows, padding included, one step of the optimiser sees."""

    epochs: int = 12
    patience: int = 3
    learning_rate: float = 5e-3
    batch_events: int = 2048
    dropout: float = 0.1
    ask_weight: float = 1.0
    next_weight: float = 0.3
    seed: int = 1


class LogConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="log"):
    """Training from an event log.

    `event` is None where the log has no such column; every row is then an event called `every`. `fields` is None for
    every other column that can be used; `categories` are fields that hold names even where they look like numbers.
    `split` is "time" (past against future, and users apart) or "user" (users apart). With `cutoff` (a date, a time or
    seconds since 1970) the test asks each user at that moment and sees nothing later. `asks` are the questions drawn
    per event from the silence behind it. `reset` says after which gap or how many events a history starts anew; labels
    look beyond that. `window` is the longest crop trained on and the length of the window graphs, in events.
    """

    user: str = "user"
    time: str = "time"
    event: str | None = "event"
    every: str = "event"
    fields: tuple[str, ...] | None = None
    categories: tuple[str, ...] = ()
    targets: tuple[Target | Inactive, ...] = ()
    next_event: bool = True
    split: str = "time"
    cutoff: str | float | None = None
    validation_share: float = 0.1
    test_share: float = 0.2
    asks: int = 4
    min_users: int = 5
    reset: Reset = Reset()
    window: int = 32
    size: Size = Size()
    fitting: Fitting = Fitting()


class TableConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="table"):
    """Training from a wide table: a row is a sample, every column but the last a step, the last a label of 0 or 1."""

    name: str = "label"
    validation_share: float = 0.1
    test_share: float = 0.2
    size: Size = Size()
    fitting: Fitting = Fitting(learning_rate=1e-3, batch_events=3200, dropout=0.0, epochs=50, patience=8)
