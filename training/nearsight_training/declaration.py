"""A log's columns and the questions about it as a person declares them, durations in words: in a file or by options."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from nearsight.errors import InputError
from nearsight.spec import COARSEST, Reset
from nearsight_training.config import Cleaning, Decision, Inactive, Label, LogConfig, NextItem, Privacy, Target, Value
from nearsight_training.misreading import misread

__all__ = ["Amount", "Columns", "Declaration", "Later", "Leaves", "WillDo", "grouping", "read_declaration", "seconds"]

_DEFAULT = LogConfig()
_NEVER = Reset()
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_MOST_GROUPS = 100
_AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


class Columns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which columns a log has, what is read of them, and when a history starts anew (see `LogConfig`).

    With `every` the log has no column of events: each row is one of that name.
    """

    user: str = _DEFAULT.user
    time: str = _DEFAULT.time
    event: str = "event"
    every: str | None = None
    fields: tuple[str, ...] | None = None
    categories: tuple[str, ...] = ()
    groups: dict[str, int | tuple[float, ...]] = {}
    trusted: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    coarsen: str | None = None
    min_users: _AtLeastOne = _DEFAULT.min_users
    reset_after: str | None = None
    reset_events: _AtLeastOne | None = None


class WillDo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="will_do"):
    """See `Target`, and `Decision` for the last two; `within` is a duration, a count as in "5 events", or "session"."""

    name: str
    events: tuple[str, ...]
    within: str
    precision: float | None = None
    miss_costs: float | None = None

    def __post_init__(self) -> None:
        Decision(precision=self.precision, miss_costs=self.miss_costs)  # which refuses what contradicts itself

    def target(self, reset: Reset = _NEVER) -> Target:
        """The same with its duration in seconds; a session is what `reset` makes of histories.

        Raises `InputError` where it isn't a duration, or where nothing says what a session is.
        """
        decision = Decision(precision=self.precision, miss_costs=self.miss_costs)
        if self.within == "session":
            if reset.gap_seconds is None:
                raise InputError(
                    "a question within the session needs the gap that ends one, received none: "
                    "add reset_after (--reset-after), as in 30m"
                )
            return Target(name=self.name, events=self.events, session_gap_seconds=reset.gap_seconds, decision=decision)
        if counted := re.fullmatch(r"(\d+) events?", self.within.strip()):
            return Target(name=self.name, events=self.events, within_events=int(counted[1]), decision=decision)
        return Target(name=self.name, events=self.events, within_seconds=seconds(self.within), decision=decision)


class Leaves(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="inactive",
    rename={"span": "for"},
):
    """See `Inactive`; `span` is called `for` in a file. See `Decision` for the last two."""

    name: str
    span: str
    events: tuple[str, ...] = ()
    active_within: str | None = None
    rhythm: float | None = None
    precision: float | None = None
    miss_costs: float | None = None

    def __post_init__(self) -> None:
        Decision(precision=self.precision, miss_costs=self.miss_costs)
        Inactive(name=self.name, within_seconds=1.0, rhythm=self.rhythm)

    def target(self, _: Reset = _NEVER) -> Inactive:
        """The same with its durations in seconds. Raises `InputError` where one isn't a duration."""
        return Inactive(
            name=self.name,
            within_seconds=seconds(self.span),
            events=self.events,
            active_within_seconds=_seconds(self.active_within),
            rhythm=self.rhythm,
            decision=Decision(precision=self.precision, miss_costs=self.miss_costs),
        )


class Later(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="label"):
    """See `Label`, and `Decision` for the last two; `delay` is a duration, "0s" where the answer is there at once."""

    name: str
    column: str
    delay: str
    per: Literal["event", "session", "user"] = "event"
    yes: tuple[str, ...] = ()
    precision: float | None = None
    miss_costs: float | None = None

    def __post_init__(self) -> None:
        Decision(precision=self.precision, miss_costs=self.miss_costs)

    def target(self, reset: Reset = _NEVER) -> Label:
        """The same with its delay in seconds; raises as `WillDo.target` does."""
        if self.per == "session" and reset.gap_seconds is None:
            raise InputError(
                "a label per session needs the gap that ends one, received none: add reset_after, as in 30m"
            )
        return Label(
            name=self.name,
            column=self.column,
            per=self.per,
            yes=self.yes,
            delay_seconds=0.0 if re.fullmatch(r"0+\s*[smhdw]?", self.delay.strip()) else seconds(self.delay),
            session_gap_seconds=reset.gap_seconds if self.per == "session" else None,
            decision=Decision(precision=self.precision, miss_costs=self.miss_costs),
        )


class Amount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="value"):
    """See `Value`; `within` is a duration."""

    name: str
    field: str
    within: str
    how: Literal["total", "next"] = "total"
    events: tuple[str, ...] = ()
    coverage: float = 0.9

    def __post_init__(self) -> None:
        Value(name=self.name, field=self.field, within_seconds=1.0, how=self.how, coverage=self.coverage)

    def value(self) -> Value:
        """The same with its duration in seconds. Raises `InputError` where it isn't one."""
        return Value(
            name=self.name,
            field=self.field,
            within_seconds=seconds(self.within),
            how=self.how,
            events=self.events,
            coverage=self.coverage,
        )


class Declaration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Columns, what is dropped of the rows, and questions; `next_event` asks what comes next, too.

    With `private` (see `Privacy`) training is differentially private.
    """

    log: Columns = Columns()
    clean: Cleaning = Cleaning()
    next_event: bool = True
    private: Privacy | None = None
    question: tuple[WillDo | Leaves | Later | Amount | NextItem, ...] = ()

    def config(self) -> LogConfig:
        """A training with these columns and questions, all else as by default. Raises `InputError` as they do."""
        log, items = self.log, [each for each in self.question if isinstance(each, NextItem)]
        if len(items) > 1:
            raise InputError(f"a model foresees one kind of item, received {len(items)} questions about it: drop one")
        reset = Reset(gap_seconds=_seconds(log.reset_after), max_events=log.reset_events)
        return LogConfig(
            user=log.user,
            time=log.time,
            event=None if log.every else log.event,
            every=log.every or _DEFAULT.every,
            fields=log.fields,
            categories=log.categories,
            groups={name: _groups(name, asked) for name, asked in log.groups.items()},
            trusted=log.trusted,
            counts=log.counts,
            allowed=log.allow,
            coarsen_seconds=_coarsened(log.coarsen),
            min_users=log.min_users,
            reset=reset,
            clean=self.clean,
            targets=tuple(each.target(reset) for each in self.question if not isinstance(each, Amount | NextItem)),
            values=tuple(each.value() for each in self.question if isinstance(each, Amount)),
            next_event=self.next_event,
            next_item=items[0] if items else None,
            fitting=msgspec.structs.replace(_DEFAULT.fitting, private=self.private),
        )


def _names(*kinds: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(field.encode_name for kind in kinds for field in msgspec.structs.fields(kind)))


_KEYS = {  # by table, the last one for tables without a name: what a file may say
    "log": _names(Columns),
    "clean": _names(Cleaning),
    "private": _names(Privacy),
    "question": (
        "kind",
        *_names(WillDo, Leaves, Later, Amount, NextItem),
        "will_do",
        "inactive",
        "label",
        "value",
        "next_item",
    ),
    "": _names(Declaration),
}


def read_declaration(path: Path) -> Declaration:
    """Read a TOML file: tables `[log]`, `[clean]`, `[private]`, `next_event`, and a `[[question]]` for each question.

    Raises `InputError` where it can't be read or says something that isn't known.
    """
    try:
        text = path.read_bytes().decode()
        return msgspec.toml.decode(text, type=Declaration)
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}): pass a TOML file with questions") from error
    except msgspec.ValidationError as error:
        place, advice = misread(text, str(error), _KEYS)
        raise InputError(f"{path}{place} isn't a declaration of questions ({error}): {advice}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} isn't a declaration of questions ({error}): correct it") from error


def grouping(text: str) -> tuple[str, int | tuple[float, ...]]:
    """A column and its groups from text such as "age=18,30,45,65", or "age=5". Raises `InputError`."""
    name, _, asked = text.rpartition("=")
    try:
        edges = tuple(float(edge) for edge in asked.split(","))
    except ValueError:
        edges = ()
    if not name or not edges:
        raise InputError(f"groups must look like age=18,30,45,65 or age=5, received {text!r}: correct it")
    return name, _groups(name, int(edges[0]) if asked.strip().isdecimal() else edges)


def seconds(duration: str) -> float:
    """A duration such as "7d", "12h", "30m", "90s" or "2w" in seconds. Raises `InputError` where it isn't one."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", duration.strip())
    if not found or float(found[1]) <= 0:
        raise InputError(
            f"a duration must look like 30m, 12h, 7d or 2w, received {duration!r}: correct it (events to come are "
            "asked about within 5 events, or within session)"
        )
    return float(found[1]) * _UNITS[found[2]]


def _groups(name: str, asked: int | tuple[float, ...]) -> int | tuple[float, ...]:
    """The same, checked."""
    if isinstance(asked, int):
        if not 2 <= asked <= _MOST_GROUPS:
            raise InputError(
                f"{name} can be read in 2 to {_MOST_GROUPS} groups, received {asked}: choose another number"
            )
        return asked
    bounds = (-float("inf"), *asked, float("inf"))
    if not 1 <= len(asked) < _MOST_GROUPS or not all(low < high for low, high in pairwise(bounds)):
        raise InputError(
            f"the groups of {name} need 1 to {_MOST_GROUPS - 1} edges in ascending order, "
            f"received {', '.join(f'{edge:g}' for edge in asked) or 'none'}: correct them"
        )
    return asked


def _coarsened(duration: str | None) -> float | None:
    step = _seconds(duration)
    if step is not None and not 1 <= step <= COARSEST:
        raise InputError(f"times are coarsened to 1s at least and 366d at most, received {duration!r}: correct it")
    return step


def _seconds(duration: str | None) -> float | None:
    return None if duration is None else seconds(duration)
