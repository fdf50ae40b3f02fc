"""What a training is told: every choice that changes its result, frozen, and written into the run."""

from typing import Literal

import msgspec

from nearsight.spec import Reset
from nearsight.trunk import Kind

__all__ = [
    "Asked",
    "Augmentation",
    "Cleaning",
    "Decision",
    "Fitting",
    "Inactive",
    "Label",
    "LogConfig",
    "NextItem",
    "Origin",
    "Privacy",
    "Size",
    "TableConfig",
    "Target",
    "Value",
]


_LARGEST_EPSILON = 100  # a larger one promises nothing, and takes long to account for


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

    @property
    def horizon_seconds(self) -> float:
        """How far the question looks ahead in time, 0 where it counts events."""
        return self.within_seconds or 0.0


class Inactive(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="inactive"):
    """A yes/no question: will the user leave, that is do nothing for `within_seconds`?

    `events` are those that count as doing something, all of them where it is empty. With `active_within_seconds`, only
    a user who did something as recently as that can still leave: of others it is neither learned nor scored. With
    `rhythm`, a user has left after that many times the mean gap between their own events so far, where that is less
    than `within_seconds`: who came every day has left after days, who came every month hasn't.
    """

    name: str
    within_seconds: float
    events: tuple[str, ...] = ()
    active_within_seconds: float | None = None
    rhythm: float | None = None
    decision: Decision = Decision()

    def __post_init__(self) -> None:
        if self.rhythm is not None and not self.rhythm > 0:
            raise ValueError(f"a rhythm is a positive multiple of the mean gap, received {self.rhythm:g}")

    @property
    def horizon_seconds(self) -> float:
        """How far the question looks ahead at most."""
        return self.within_seconds


class Label(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="label"):
    """A yes/no question whose answer is a column that is filled in later, as with fraud that is found out.

    `per` says of what: an event, a session (which ends after `session_gap_seconds` of silence, and is a yes where one
    of its rows says so) or a user. The answer counts as known `delay_seconds` after the event, the session's last
    event or the user's first one. A value is yes where it is one of `yes`, or 1, true or yes where there are none; an
    empty one isn't known. The column is never read as a field.
    """

    name: str
    column: str
    per: Literal["event", "session", "user"] = "event"
    yes: tuple[str, ...] = ()
    delay_seconds: float = 0.0
    session_gap_seconds: float | None = None
    decision: Decision = Decision()

    def __post_init__(self) -> None:
        if self.per not in ("event", "session", "user"):
            raise ValueError(f"a label is one per event, session or user, received {self.per!r}")
        if (self.per == "session") != (self.session_gap_seconds is not None):
            raise ValueError("a label per session needs the gap that ends one, and no other does")
        if not self.delay_seconds >= 0:
            raise ValueError(f"a label's delay can't be negative, received {self.delay_seconds:g}")

    @property
    def events(self) -> tuple[str, ...]:
        """No event answers it."""
        return ()

    @property
    def horizon_seconds(self) -> float:
        """How long after the event, or after its session's silence, the answer comes."""
        return self.delay_seconds + (self.session_gap_seconds or 0.0)


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="value"):
    """A number to come within `within_seconds`, as a point and an interval that holds `coverage` of the cases.

    `how` "total": the sum of `field` over `events`, over all events where there are none (spend); "next": what `field`
    says in the next of `events`, not known where none comes in time (a satisfaction score).
    """

    name: str
    field: str
    within_seconds: float
    how: Literal["total", "next"] = "total"
    events: tuple[str, ...] = ()
    coverage: float = 0.9

    def __post_init__(self) -> None:
        if self.how not in ("total", "next"):
            raise ValueError(f"a number is a total or the next one, received {self.how!r}")
        if not 0 < self.coverage < 1:
            raise ValueError(f"an interval holds a share between 0 and 1 of the cases, received {self.coverage:g}")

    @property
    def horizon_seconds(self) -> float:
        """How far the question looks ahead."""
        return self.within_seconds


class NextItem(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="next_item"
):
    """Which item comes next: what `field` says in the next of `events` that has one, in any where there are none.

    With `unseen` only items count that are new to the user then: what to recommend to somebody who buys nothing twice.
    """

    name: str
    field: str
    events: tuple[str, ...] = ()
    unseen: bool = False


Asked = Target | Inactive | Label  # what is answered by yes or no


class Size(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network's kind (a module of `nearsight.networks`) and width. The defaults are the article's.

    `filters` are a frame's numbers, of which an `lstm` has none, and `units` the embedding's. With `skip` the heads
    read the newest row beside what the network makes of the history.
    """

    network: Kind = "cnn_lstm"
    filters: int = 64
    units: int = 100
    largest_embedding: int = 32
    skip: bool = True


class Privacy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the weights may tell of a training user: (`epsilon`, `delta`)-differential privacy by DP-SGD.

    `delta` is one over the number of training users to the power of 1.1 where it is None. In each step a user takes
    part by chance, with as many others as make `users_per_step` on average, and moves the sum of gradients by
    `clip_norm` at most. Noise and chance come from the system's generator; with a `noise_seed` they can be had again by
    whoever knows it, so that such a run is for tests and protects nobody.
    """

    epsilon: float
    delta: float | None = None
    clip_norm: float = 1.0
    users_per_step: int = 2048
    noise_seed: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.epsilon <= _LARGEST_EPSILON:
            raise ValueError(f"epsilon lies above 0 and at {_LARGEST_EPSILON} at most, received {self.epsilon:g}")
        if self.delta is not None and not 0 < self.delta < 1:
            raise ValueError(f"delta must lie between 0 and 1, received {self.delta:g}")
        if not 0 < self.clip_norm < float("inf"):
            raise ValueError(f"clip_norm must be a positive number, received {self.clip_norm:g}")
        if self.users_per_step < 1:
            raise ValueError(f"users_per_step must be at least 1, received {self.users_per_step}")


class Fitting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the weights are found. `batch_events` is how many rows, padding included, one step of the optimiser sees.

    With `teach`, heads for which LightGBM ranks nearly as well learn from the mean of its probabilities and their own,
    in half as many epochs more or 1,500 steps, and the result is kept where validation's loss is lower. With
    `pretrain_epochs`, the trunk first learns what comes next in every training history for so many epochs at most; that
    is kept where validation's loss is lower than that of a training without. With `private`, training is differentially
    private, and trees don't teach. `weight_decay` is AdamW's.
    """

    epochs: int = 12
    patience: int = 3
    learning_rate: float = 5e-3
    batch_events: int = 2048
    dropout: float = 0.1
    ask_weight: float = 1.0
    next_weight: float = 1.0
    weight_decay: float = 0.0
    value_weight: float = 0.3
    teach: bool = True
    pretrain_epochs: int = 0
    private: Privacy | None = None
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


class Augmentation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How training histories are varied from epoch to epoch; validation and test never are.

    `event_dropout` is the share of events that go missing, `time_jitter` by which part of itself a gap grows or shrinks
    at most.
    """

    event_dropout: float = 0.0
    time_jitter: float = 0.0

    def __post_init__(self) -> None:
        for name in ("event_dropout", "time_jitter"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and less than 1, received {getattr(self, name):g}")

    @property
    def varies(self) -> bool:
        """Whether it changes anything."""
        return self.event_dropout > 0 or self.time_jitter > 0


class Origin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run's folder whose weights a training begins with; `weights` is their `model_id`, whichever where empty."""

    run: str
    weights: str = ""


class LogConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="log"):
    """Training from an event log.

    `event` is None where the log has no such column; every row is then an event called `every`. `fields` is None for
    every other column that can be used; `categories` are fields that hold names even where they look like numbers;
    `groups` are fields whose numbers are read in groups alone, by edges or into so many groups of about as many users;
    `trusted` ones are kept even where one of them alone answers a question (see `nearsight_training.leakage`), and
    `allowed` ones though they look personal (see `nearsight_training.personal`).
    `counts` are events of which the model sees how often they have happened so far in the history.
    `split` is "time" (past against future, and users apart) or "user" (users apart). With `cutoff` (a date, a time or
    seconds since 1970) the test asks each user at that moment and sees nothing later. `asks` are the questions drawn
    per event from the silence behind it. `reset` says after which gap or how many events a history starts anew; labels
    look beyond that. `clean` says what is dropped before all that. `window` is the longest crop trained on and the
    length of the window graphs, in events. In more than one of `parts` a log larger than memory is trained on (see
    `nearsight_training.parts`). `augmentation` varies what is trained on. With `origin`, training begins with another
    run's weights.
    """

    user: str = "user"
    time: str = "time"
    event: str | None = "event"
    every: str = "event"
    fields: tuple[str, ...] | None = None
    categories: tuple[str, ...] = ()
    groups: dict[str, int | tuple[float, ...]] = {}
    trusted: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    coarsen_seconds: float | None = None
    targets: tuple[Asked, ...] = ()
    values: tuple[Value, ...] = ()
    next_event: bool = True
    next_item: NextItem | None = None
    split: str = "time"
    cutoff: str | float | None = None
    validation_share: float = 0.1
    test_share: float = 0.2
    asks: int = 4
    min_users: int = 5
    reset: Reset = Reset()
    clean: Cleaning = Cleaning()
    window: int = 32
    parts: int = 1
    size: Size = Size()
    fitting: Fitting = Fitting()
    augmentation: Augmentation = Augmentation()
    origin: Origin | None = None

    def __post_init__(self) -> None:
        if self.parts < 1:
            raise ValueError(f"a log has at least one part, received {self.parts}")

    @property
    def horizon_seconds(self) -> float:
        """How far the farthest question looks ahead in time."""
        return max((each.horizon_seconds for each in (*self.targets, *self.values)), default=0.0)


class TableConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="table"):
    """Training from a wide table: a row is a sample, every column but the last a step, the last a label of 0 or 1."""

    name: str = "label"
    decision: Decision = Decision()
    validation_share: float = 0.1
    test_share: float = 0.2
    size: Size = Size(skip=False)
    fitting: Fitting = Fitting(learning_rate=1e-3, batch_events=3200, dropout=0.0, epochs=50, patience=8, teach=False)
