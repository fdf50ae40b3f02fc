"""A log's columns and the questions about it, declared in a TOML file instead of a row of options."""

from pathlib import Path

import msgspec

from nearsight.errors import InputError
from nearsight.spec import Reset
from nearsight_training.config import Inactive, LogConfig, Target
from nearsight_training.labels import seconds

__all__ = ["declared"]


class _Log(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    user: str = "user"
    time: str = "time"
    event: str = "event"
    every: str | None = None
    fields: tuple[str, ...] | None = None
    categories: tuple[str, ...] = ()
    min_users: int = 5
    reset_after: str | None = None
    reset_events: int | None = None


class _WillDo(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="will_do"):
    name: str
    events: tuple[str, ...]
    within: str

    def target(self) -> Target:
        return Target(name=self.name, events=self.events, within_seconds=seconds(self.within))


class _Inactive(
    msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="inactive", rename={"span": "for"}
):
    name: str
    span: str
    events: tuple[str, ...] = ()
    active_within: str | None = None

    def target(self) -> Inactive:
        recent = seconds(self.active_within) if self.active_within else None
        return Inactive(
            name=self.name, within_seconds=seconds(self.span), events=self.events, active_within_seconds=recent
        )


class _Declaration(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    log: _Log = msgspec.field(default_factory=_Log)
    next_event: bool = True
    question: tuple[_WillDo | _Inactive, ...] = ()


def declared(path: Path) -> LogConfig:
    """Read a declaration: a table `[log]`, `next_event`, and a table `[[question]]` for each question.

    Durations are written as in `30m`, `12h`, `7d` or `2w`. Raises `InputError` where the file can't be read or says
    something that isn't known.
    """
    try:
        found = msgspec.toml.decode(path.read_bytes(), type=_Declaration)
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}): pass a TOML file with questions") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} isn't a declaration of questions ({error}): correct it") from error
    log = found.log
    return LogConfig(
        user=log.user,
        time=log.time,
        event=None if log.every else log.event,
        every=log.every or LogConfig().every,
        fields=log.fields,
        categories=log.categories,
        min_users=log.min_users,
        reset=Reset(gap_seconds=seconds(log.reset_after) if log.reset_after else None, max_events=log.reset_events),
        targets=tuple(question.target() for question in found.question),
        next_event=found.next_event,
    )
