"""What is odd about a log, in sentences that count and never name anybody."""

from collections.abc import Iterator
from typing import Literal

import msgspec
import numpy as np

from nearsight_training.cleaning import hasty, only_dates
from nearsight_training.fields import Field
from nearsight_training.gate import ENOUGH
from nearsight_training.rows import Rows

__all__ = ["BURST_EVENTS", "Doubt", "Kind", "bursting", "doubts_of"]

BURST_EVENTS = 100  # within a minute
_FEW_USERS = 5 * ENOUGH  # a fifth of them test
_FAR_ABOVE, _CROWD = 10, 0.99
_NOBODY, _EVERYBODY = 0.02, 0.95
_NAMED = 5


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of event: its name, how often it happens, and the share of users who ever do it."""

    name: str
    events: int
    share_of_users: float


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """Something to know before training."""

    about: Literal[
        "lacking", "duplicates", "dates", "bursts", "crowds", "few users", "rare", "common", "personal", "leak"
    ]
    text: str


def doubts_of(rows: Rows, kinds: tuple[Kind, ...], fields: tuple[Field, ...]) -> tuple[Doubt, ...]:
    """All that is odd, the gravest first."""
    return (*_lacking(rows), *_concerns(fields), *_times(rows), *_users(rows), *_kinds(kinds))


def _lacking(rows: Rows) -> Iterator[Doubt]:
    for role, count in rows.lacking.items():
        if count:
            text = (
                f"{_rows(count)} without {'an' if role == 'event' else 'a'} {role}: dropped, in that `missing` says so"
            )
            yield Doubt(about="lacking", text=text)
    twice = len(rows.table) - rows.table.frame.n_unique()
    if twice:
        text = f"{_rows(twice)} the same as another one: where something was logged twice, let `duplicates` drop it"
        yield Doubt(about="duplicates", text=text)


def _concerns(fields: tuple[Field, ...]) -> Iterator[Doubt]:
    """One sentence on all columns that look personal, and one on each that may be a leak."""
    if personal := [field.name for field in fields if field.concern == "personal"]:
        them = "it" if len(personal) == 1 else "them"
        yield Doubt(
            about="personal", text=f"left out as personal, in that `fields` doesn't list {them}: {_all(personal)}"
        )
    for field in fields:
        if field.concern == "leak":
            yield Doubt(about="leak", text=f"{field.name!r} is left out, in that `fields` doesn't list it: {field.why}")


def _times(rows: Rows) -> Iterator[Doubt]:
    if len(np.unique(rows.log.times)) > 1 and only_dates(rows.log.times):
        text = "times are dates without a clock: no hour can be learned, and a day's events have the file's order"
        yield Doubt(about="dates", text=text)


def _users(rows: Rows) -> Iterator[Doubt]:
    if fast := bursting(rows):
        text = (
            f"{_users_with(fast)} more than {BURST_EVENTS} events within a minute: bots or a batch job, perhaps, which "
            "`most_per_minute` can drop"
        )
        yield Doubt(about="bursts", text=text)
    lengths = rows.log.lengths
    usual = float(np.quantile(lengths, _CROWD, method="lower"))
    far = lengths > max(_FAR_ABOVE * usual, BURST_EVENTS)
    if far.any():
        share = lengths[far].sum() / lengths.sum()
        text = (
            f"{_users_with(int(far.sum()))} more than {_FAR_ABOVE} times the events of 99 % of the others, "
            f"{100 * share:.0f} % of all events: bots or test accounts, perhaps"
        )
        yield Doubt(about="crowds", text=text)
    if len(lengths) < _FEW_USERS:
        text = f"{len(lengths):,} users are few: a fifth of them test, and figures are rough below {_FEW_USERS}"
        yield Doubt(about="few users", text=text)


def bursting(rows: Rows) -> int:
    """How many users have more than a hundred events in a minute by the clock; a whole day's count as none."""
    log = rows.log
    return 0 if only_dates(log.times) else len(hasty(log.times, log.owners, BURST_EVENTS))


def _kinds(kinds: tuple[Kind, ...]) -> Iterator[Doubt]:
    rare = [kind.name for kind in kinds if kind.share_of_users < _NOBODY]
    common = [kind.name for kind in kinds if kind.share_of_users > _EVERYBODY]
    if rare:
        yield Doubt(about="rare", text=f"almost nobody does {_list(rare)}: too few to ask about")
    if common and len(kinds) > 1:
        yield Doubt(about="common", text=f"almost everybody does {_list(common)}: ask within which time")


def _all(names: list[str]) -> str:
    return ", ".join(map(repr, names))


def _list(names: list[str]) -> str:
    shown = _all(names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown


def _rows(count: int) -> str:
    return f"{count:,} {'row is' if count == 1 else 'rows are'}"


def _users_with(count: int) -> str:
    return f"{count:,} {'user has' if count == 1 else 'users have'}"
