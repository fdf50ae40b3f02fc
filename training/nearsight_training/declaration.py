"""A log's columns and the questions about it as a person declares them, durations in words: in a file or by options."""

import re
from pathlib import Path
from typing import Annotated

import msgspec

from nearsight.errors import InputError
from nearsight.spec import Reset
from nearsight_training.config import Inactive, LogConfig, Target

__all__ = ["Columns", "Declaration", "Leaves", "WillDo", "read_declaration", "seconds"]

_DEFAULT = LogConfig()
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
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
    min_users: _AtLeastOne = _DEFAULT.min_users
    reset_after: str | None = None
    reset_events: _AtLeastOne | None = None


class WillDo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="will_do"):
    """See `Target`."""

    name: str
    events: tuple[str, ...]
    within: str

    def target(self) -> Target:
        """The same with its duration in seconds. Raises `InputError` where it isn't one."""
        return Target(name=self.name, events=self.events, within_seconds=seconds(self.within))


class Leaves(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="inactive",
    rename={"span": "for"},
):
    """See `Inactive`; `span` is called `for` in a file."""

    name: str
    span: str
    events: tuple[str, ...] = ()
    active_within: str | None = None

    def target(self) -> Inactive:
        """The same with its durations in seconds. Raises `InputError` where one isn't a duration."""
        return Inactive(
            name=self.name,
            within_seconds=seconds(self.span),
            events=self.events,
            active_within_seconds=_seconds(self.active_within),
        )


class Declaration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Columns and questions; `next_event` asks what comes next, too."""

    log: Columns = Columns()
    next_event: bool = True
    question: tuple[WillDo | Leaves, ...] = ()

    def config(self) -> LogConfig:
        """A training with these columns and questions, all else as by default. Raises `InputError` as they do."""
        log = self.log
        return LogConfig(
            user=log.user,
            time=log.time,
            event=None if log.every else log.event,
            every=log.every or _DEFAULT.every,
            fields=log.fields,
            categories=log.categories,
            min_users=log.min_users,
            reset=Reset(gap_seconds=_seconds(log.reset_after), max_events=log.reset_events),
            targets=tuple(question.target() for question in self.question),
            next_event=self.next_event,
        )


def read_declaration(path: Path) -> Declaration:
    """Read a TOML file: a table `[log]`, `next_event`, and a table `[[question]]` for each question.

    Raises `InputError` where it can't be read or says something that isn't known.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Declaration)
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}): pass a TOML file with questions") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} isn't a declaration of questions ({error}): correct it") from error


def seconds(duration: str) -> float:
    """A duration such as "7d", "12h", "30m", "90s" or "2w" in seconds. Raises `InputError` where it isn't one."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", duration.strip())
    if not found or float(found[1]) <= 0:
        raise InputError(f"a duration must look like 30m, 12h, 7d or 2w, received {duration!r}")
    return float(found[1]) * _UNITS[found[2]]


def _seconds(duration: str | None) -> float | None:
    return None if duration is None else seconds(duration)
