"""What a training is told: every choice that changes its result, frozen, and written into the run."""

from typing import Literal

import msgspec

from nearsight.spec import Reset
from nearsight.trunk import Kind

__all__ = ["Cleaning", "Decision", "Fitting", "Inactive", "LogConfig", "Size", "TableConfig", "Target"]


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From which probability on the answer is yes, chosen on validation: that of the best F1, if nothing else is said.

    With `precision`, the lowest from which at least that share of yeses is right; with `miss_costs`, the one that costs
    least where a missed yes costs that many times as much as a false one.
    """

    precision: float | None = None
    miss_costs: float | None = None

    def __post_init__(self) -> None:
        if self.precision is not None and self.miss_costs is not None:
            raise ValueError("a decision is made for a precision or by costs, not by both")
        if self.precision is not None and not 0 < self.precision <= 1:
            raise ValueError(f"a precision lies above 0 and at 1 at most, received {self.precision:g}")
        if self.miss_costs is not None and not self.miss_costs > 0:
            raise ValueError(f"a missed yes costs a positive multiple of a false one, received {self.miss_costs:g}")


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="will_do"):
    """A yes/no question: will any of `events` happen in time? Known by `name` ever after.

    In time is one of: within `within_seconds`; among the next `within_events` events, asked of users who go on for as
    many; or within the session, which ends where nothing happens for `session_gap_seconds`.
    """

    name: str
    events: tuple[str, ...]
    within_seconds: float | None = None
    within_events: int | None = None
    session_gap_seconds: float | None = None
    decision: Decision = Decision()

    def __post_init__(self) -> None:
        given = [self.within_seconds, self.within_events, self.session_gap_seconds]
        if sum(each is not None for each in given) != 1:
            raise ValueError("a question about events needs one of within_seconds, within_events, session_gap_seconds")


class Inactive(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="inactive"):
    """A yes/no question: will the user leave, that is do nothing for `within_seconds`?

    `events` are those that count as doing something, all of them where it is empty. With `active_within_seconds`, only
    a user who did something as recently as that can still leave: of others it is neither learned nor scored.
    """

    name: str
    within_seconds: float
    events: tuple[str, ...] = ()
    active_within_seconds: float | None = None
    decision: Decision = Decision()


class Size(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network's kind (a module of `nearsight.networks`) and width. The defaults are the article's.

    `filters` are a frame's numbers, of which an `lstm` has none, and `units` the embedding's.
    """

    network: Kind = "cnn_lstm"
    filters: int = 64
    units: int = 100
    largest_embedding: int = 16


class Fitting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the weights are found. `batch_events` is how many rows, padding included, one step of the optimiser sees.

    With `teach`, heads for which LightGBM ranks about as well learn from its probabilities in half as many epochs
    more, and the result is kept where validation's loss is lower.
    """

    epochs: int = 12
    patience: int = 3
    learning_rate: float = 5e-3
    batch_events: int = 2048
    dropout: float = 0.1
    ask_weight: float = 1.0
    next_weight: float = 0.3
    teach: bool = True
    seed: int = 1


class Cleaning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is dropped from an event log before anything is learned, and counted in the run's notes.

    `missing` is about rows without a user, a time or an event, `duplicates` about rows that equal an earlier one in
    every column that is read. Users with more than `most_per_minute` events in any 60 seconds are taken for bots and
    dropped whole, after the duplicates; with None, nobody is.
    """

    missing: Literal["refuse", "drop"] = "refuse"
    duplicates: Literal["keep", "drop"] = "keep"
    most_per_minute: int | None = None

    def __post_init__(self) -> None:
        if self.missing not in ("refuse", "drop"):
            raise ValueError(f"missing must be refuse or drop, received {self.missing!r}")
        if self.duplicates not in ("keep", "drop"):
            raise ValueError(f"duplicates must be keep or drop, received {self.duplicates!r}")
        if self.most_per_minute is not None and self.most_per_minute < 1:
            raise ValueError(f"most_per_minute must be at least 1, received {self.most_per_minute}")


class LogConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="log"):
    """Training from an event log.

    `event` is None where the log has no such column; every row is then an event called `every`. `fields` is None for
    every other column that can be used; `categories` are fields that hold names even where they look like numbers;
    `trusted` ones are kept even where one of them alone answers a question (see `nearsight_training.leakage`).
    `split` is "time" (past against future, and users apart) or "user" (users apart). With `cutoff` (a date, a time or
    seconds since 1970) the test asks each user at that moment and sees nothing later. `asks` are the questions drawn
    per event from the silence behind it. `reset` says after which gap or how many events a history starts anew; labels
    look beyond that. `clean` says what is dropped before all that. `window` is the longest crop trained on and the
    length of the window graphs, in events.
    """

    user: str = "user"
    time: str = "time"
    event: str | None = "event"
    every: str = "event"
    fields: tuple[str, ...] | None = None
    categories: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    targets: tuple[Target | Inactive, ...] = ()
    next_event: bool = True
    split: str = "time"
    cutoff: str | float | None = None
    validation_share: float = 0.1
    test_share: float = 0.2
    asks: int = 4
    min_users: int = 5
    reset: Reset = Reset()
    clean: Cleaning = Cleaning()
    window: int = 32
    size: Size = Size()
    fitting: Fitting = Fitting()


class TableConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="table"):
    """Training from a wide table: a row is a sample, every column but the last a step, the last a label of 0 or 1."""

    name: str = "label"
    decision: Decision = Decision()
    validation_share: float = 0.1
    test_share: float = 0.2
    size: Size = Size()
    fitting: Fitting = Fitting(learning_rate=1e-3, batch_events=3200, dropout=0.0, epochs=50, patience=8, teach=False)
