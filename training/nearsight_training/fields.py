"""A log's other columns: what a model can read of them, and which had better stay out of it."""

from typing import Literal

import msgspec
import numpy as np
import polars as pl

from nearsight.errors import InputError
from nearsight_training.columns import names_of, numbers_of
from nearsight_training.config import LogConfig
from nearsight_training.leakage import Doers, doers, is_joined
from nearsight_training.log import RESERVED, EventLog
from nearsight_training.personal import known_values, personal
from nearsight_training.roles import holds_times, words
from nearsight_training.rows import Rows

__all__ = ["Field", "fields_of"]

_MIN_USERS = LogConfig().min_users
_KINDS = 50  # the most frequent names of events, of which a column may tell one
_OWN_VALUE = 0.9  # of the rows
_CODES = frozenset(("id", "sku", "code", "zip", "zipcode", "postcode", "isbn", "ean", "session", "invoice"))
_SAYS_WHOSE = frozenset(("user", "customer", "client", "member", "person", "age"))
_AGES, _OLDEST = (18.0, 25.0, 35.0, 45.0, 55.0, 65.0), 120
_EARNINGS, _EARNING_GROUPS = frozenset(("income", "salary", "earnings")), 5


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A column besides user, time and event. `why` says why it is left out.

    `numbered` is a column of names that look like numbers. `groups`, as in `LogConfig`, are those that keep a person's
    exact number out of the model. `concern` is what somebody should know of it.
    """

    name: str
    kind: Literal["numbers", "names", "left out"]
    why: str = ""
    numbered: bool = False
    groups: int | tuple[float, ...] | None = None
    concern: Literal["", "personal", "leak"] = ""


def fields_of(rows: Rows) -> tuple[Field, ...]:
    """What can be learned from each further column."""
    found = [_field(rows, name) for name in rows.table.columns if name not in rows.roles.columns]
    log = rows.with_fields([field.name for field in found if field.kind != "left out"])
    spelled, counts = np.unique(log.names, return_counts=True)
    frequent = spelled[np.argsort(-counts, kind="stable")[:_KINDS]]
    kinds = {str(name): doers(log, [name]) for name in frequent}
    return tuple(_without_leak(field, log, kinds) for field in found)


def _field(rows: Rows, name: str) -> Field:
    known = known_values(rows.table.column(name))
    if name in RESERVED:
        return _out(name, "nearsight uses its name itself: rename the column to use it")
    if why := personal(name, known):
        return Field(name=name, kind="left out", why=why, concern="personal")
    if not len(known):
        return _out(name, "it is empty")
    if known.n_unique() == 1 and len(known) == len(rows.table):
        return _out(name, "it never varies")
    try:
        numbers = numbers_of(rows.table, name)
    except InputError:
        return _out(name, "it holds NaN or infinite numbers")
    if numbers is not None and not (_CODES & set(words(name)) and _whole(numbers)):
        if not _varies(numbers):
            return _out(name, "it never varies")
        return Field(name=name, kind="numbers", groups=_groups(name, numbers))
    return _names(rows, name, numbered=numbers is not None)


def _groups(name: str, numbers: pl.Series) -> int | tuple[float, ...] | None:
    """Groups for a person's age or income; None for any other number."""
    spelled, known = set(words(name)), numbers.fill_nan(None).drop_nulls()
    if _EARNINGS & spelled:
        return _EARNING_GROUPS
    least, most = float(known.min()), float(known.max())  # type: ignore[arg-type]
    if "age" not in spelled or spelled - _SAYS_WHOSE or not 0 <= least <= most <= _OLDEST:
        return None
    return tuple(edge for edge in _AGES if least < edge <= most) or None


def _out(name: str, why: str) -> Field:
    return Field(name=name, kind="left out", why=why)


def _names(rows: Rows, name: str, numbered: bool) -> Field:
    column = names_of(rows.table, name)
    if column is None:
        return _out(name, "it holds neither numbers nor names")
    known = column.filter(column != "")
    if not numbered and holds_times(rows.table, name):
        return _out(name, "it holds times, of which one column is read")
    if known.n_unique() > _OWN_VALUE * len(known):
        return _out(name, "almost every row has a value of its own")
    pairs = pl.DataFrame({"user": rows.users, "name": column}).filter(pl.col("name") != "").unique()
    shared = (pairs.group_by("name").len()["len"] >= _MIN_USERS).sum()
    if shared + (len(known) < len(column)) < 2 or not shared:
        return _out(name, f"fewer than two of its values have {_MIN_USERS} users each")
    return Field(name=name, kind="names", numbered=numbered)


def _without_leak(field: Field, log: EventLog, kinds: dict[str, Doers]) -> Field:
    if field.kind == "left out":
        return field
    values = log.fields[field.name]
    event = next((name for name, who in kinds.items() if is_joined(log, values, who)), None)
    if event is None:
        return field
    why = (
        f"it is the same in all of a user's rows, and filled only for users who ever do {event!r}: it may tell the end"
    )
    return Field(name=field.name, kind="left out", why=why, concern="leak")


def _whole(numbers: pl.Series) -> bool:
    known = numbers.fill_nan(None).drop_nulls()
    return bool((known % 1 == 0).all())


def _varies(numbers: pl.Series) -> bool:
    known = numbers.fill_nan(None).drop_nulls()
    return bool(known.min() != known.max())
