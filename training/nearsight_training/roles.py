"""Which column of a log says whose event it is, when it was and what happened: told by names and by content."""

import re
from collections.abc import Callable, Iterable

import msgspec
import polars as pl

from nearsight.errors import InputError
from nearsight_training.columns import Table, names_of, times_of

__all__ = ["Roles", "find_roles", "holds_times", "words"]

_USERS = (
    *("user", "customer", "client", "member", "account", "subscriber", "visitor", "shopper", "buyer", "player"),
    *("person", "patient", "student", "household", "uid", "anonymous", "distinct", "cookie", "device"),
    *("session", "visit", "case"),
)
_TRAITS_UNLESS_NUMBERED = ("anonymous", "cookie", "device", "distinct")  # `device` is a model, `device_id` a person's
_NUMBERED = frozenset(("id", "uuid", "guid", "key", "no", "nr", "number", "hash", "token", "code", "concept", "name"))
_TIMES = (
    *("timestamp", "eventtimestamp", "eventtime", "timetimestamp", "datetime", "time", "ts", "occurredat"),
    *("happenedat", "createdat", "created", "eventdate", "date", "orderdate", "invoicedate", "purchasedate"),
    *("transactiondate", "visitdate", "day", "when", "at", "moment"),
)
_TIME_WORDS = frozenset(("timestamp", "time", "date", "datetime", "ts", "at", "day"))
_OTHER_TIMES = frozenset(
    ("birth", "birthday", "signup", "joined", "registered", "registration", "updated", "modified", "deleted", "due")
) | frozenset(("expires", "expiry", "delivery", "first", "last", "end", "ended", "zone", "spent", "on"))
_COUNTED_FROM_ANYWHERE = ("timestamp", "time", "ts")  # may start at 0; other numbers are times from 1990 on alone
_FROM_1990 = 631_152_000
_EVENTS = (
    *("event", "eventname", "eventtype", "activity", "activityname", "conceptname", "action", "actionname"),
    *("actiontype", "behavior", "behaviour", "behaviortype", "behaviourtype", "interaction", "interactiontype"),
    *("verb", "operation", "kind", "type", "what"),
)
_TRAITS = (
    frozenset(
        ("device", "platform", "os", "browser", "channel", "country", "city", "region", "state", "currency", "payment")
    )
    | frozenset(
        ("method", "plan", "tier", "category", "source", "medium", "campaign", "gender", "language", "locale", "colour")
    )
    | frozenset(("color", "size", "brand", "product", "item", "sku", "store", "shop", "segment", "version", "status"))
)
_LOOKED_AT = 50  # values that say whether a column holds times
_MOST_TIMES = 0.8
_FEWEST_USERS = 20  # of a column that is nowhere called one of users
_LONGEST_CHOICE = 50  # names in a column that is nowhere called one of events
_SHARED, _VARIED = 0.5, 0.3


class Roles(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a log; `event` is None where each row is an event of one name."""

    user: str
    time: str
    event: str | None

    @property
    def columns(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(column for column in (self.user, self.time, self.event) if column is not None)


def find_roles(
    table: Table, user: str | None = None, time: str | None = None, event: str | None = None, alike: bool = False
) -> Roles:
    """The columns' roles, those that are given and those that can be told; with `alike` there are no names of events.

    Raises `InputError` where a given column isn't there or where more than one could be meant, which it names.
    """
    given = {"--user": user, "--time": time, "--event": event}
    for option, column in given.items():
        if column is not None:
            table.column(column, option)
    if len(table.columns) == 1:
        table.column("user", "--user")
    taken = [column for column in given.values() if column is not None]
    when = time or _time(table, _others(table, taken))
    who = user or _user(table, _others(table, [*taken, when]))
    what = None if alike else event or _event(table, who, _others(table, [*taken, when, who]))
    roles = Roles(user=who, time=when, event=what)
    if len(set(roles.columns)) < len(roles.columns):
        raise InputError(f"user, time and event must be different columns, received {', '.join(roles.columns)}")
    return roles


def words(name: str) -> list[str]:
    """The words of a column's or an event's name in lower case.

    >>> words("InvoiceDate"), words("session ID"), words("case:concept:name")
    (['invoice', 'date'], ['session', 'id'], ['case', 'concept', 'name'])
    """
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\dA-Z_]+|\d+", name)]


def holds_times(table: Table, name: str, numbers: bool = False) -> bool:
    """Whether most of a column's values are times; with `numbers`, these are seconds since 1970, else no times."""
    known = _known(table.column(name))
    picked = known.gather_every(max(1, len(known) // _LOOKED_AT)).head(_LOOKED_AT)
    read = [
        (numbers or not _numeric(value)) and _is_time(value)
        for value in (picked[row : row + 1] for row in range(len(picked)))
    ]
    return bool(read) and sum(read) >= _MOST_TIMES * len(read)


def _is_time(value: pl.Series) -> bool:
    try:
        times_of(Table("", value.to_frame(), 1), value.name)
    except InputError:
        return False
    return True


def _others(table: Table, taken: Iterable[str]) -> list[str]:
    left_out = set(taken)
    return [column for column in table.columns if column not in left_out]


def _ranked(columns: list[str], rank: Callable[[str], float | None]) -> list[str]:
    """The columns that have a rank, the lowest first."""
    ranks = {column: found for column in columns if (found := rank(column)) is not None}
    return sorted(ranks, key=ranks.__getitem__)


def _time(table: Table, columns: list[str]) -> str:
    named = _ranked(columns, _time_rank)
    for column in named:
        if holds_times(table, column, numbers=True) and _plausible(table.column(column)):
            return column
    read = [name for name in columns if holds_times(table, name)]
    if len(read) > 1:
        raise _undecided(table, "when an event was", "--time", read)
    if read:
        return read[0]
    if len(table) and named and not {"year", "month"} <= {word for name in table.columns for word in words(name)}:
        times_of(table, named[0])  # which says what is wrong with it
    raise InputError(_no_time(table, columns))


def _time_rank(name: str) -> float | None:
    spelled = words(name)
    if "".join(spelled) in _TIMES:
        return _TIMES.index("".join(spelled))
    return len(_TIMES) if _TIME_WORDS & set(spelled) and not _OTHER_TIMES & set(spelled) else None


def _plausible(column: pl.Series) -> bool:
    if not _numeric(column) or "".join(words(column.name)) in _COUNTED_FROM_ANYWHERE:
        return True
    return float(_known(column).cast(pl.Float64, strict=False).median() or 0) >= _FROM_1990  # type: ignore[arg-type]


def _no_time(table: Table, columns: list[str]) -> str:
    if not len(table):
        return f"{table.name} holds no events: pass a log with at least one row"
    parts = [name for name in columns if words(name) in (["year"], ["month"], ["day"])]
    if len(parts) > 1:
        return (
            f"{table.name} must hold times in one column, received {', '.join(parts)} apart: "
            "join them into one, as in 2024-12-31"
        )
    return (
        f"{table.name} needs a column of times in ISO 8601 or seconds since 1970, received none among "
        f"{', '.join(columns[:20])}: add it, or pass --time COLUMN to be told what is wrong with one"
    )


def _user(table: Table, columns: list[str]) -> str:
    named = _ranked(columns, _user_rank)
    for column in named:
        if _repeats(table, column, 2):
            return column
    read = [name for name in columns if not _is_decimal(table.column(name)) and _repeats(table, name, _FEWEST_USERS)]
    if len(read) == 1:
        return read[0]
    if read:
        raise _undecided(table, "whose event it is", "--user", read)
    received = f"{named[0]}, whose values don't repeat" if named else f"none among {', '.join(columns[:20])}"
    raise InputError(
        f"{table.name} needs a column that says whose event it is, received {received}: pass --user COLUMN"
    )


def _user_rank(name: str) -> float | None:
    spelled = words(name)
    first = spelled[0] if spelled else ""
    numbered = len(spelled) > 1 or (first.endswith("id") and first[:-2] in _USERS)
    first = first[:-2] if numbered and len(spelled) == 1 else first
    if first not in _USERS or not set(spelled[1:]) <= _NUMBERED or (first in _TRAITS_UNLESS_NUMBERED and not numbered):
        return None
    return _USERS.index(first) + (0.5 if spelled[-1] == "name" else 0)


def _repeats(table: Table, name: str, fewest: int) -> bool:
    column = names_of(table, name)
    return column is not None and fewest <= column.n_unique() < len(column)


def _event(table: Table, user: str, columns: list[str]) -> str | None:
    users = names_of(table, user)
    if users is None:
        return None
    for column in _ranked(columns, _event_rank):
        if _is_shared(table, users, column):
            return column
    read = [name for name in columns if _could_be_events(table, users, name)]
    if len(read) > 1:
        raise InputError(
            f"{table.name} has no column that is called one of events, received {', '.join(read)}, which could be: "
            "pass --event COLUMN, or --every NAME where each row is an event of that name"
        )
    return read[0] if read else None


def _event_rank(name: str) -> float | None:
    spelled = "".join(words(name))
    return _EVENTS.index(spelled) if spelled in _EVENTS else None


def _is_shared(table: Table, users: pl.Series, name: str) -> bool:
    """Whether most rows hold a name that more than one user has."""
    column = names_of(table, name)
    if column is None or _is_decimal(table.column(name)):
        return False
    pairs = pl.DataFrame({"user": users, "name": column}).filter(pl.col("name") != "")
    each = pairs.group_by("name").agg(pl.len().alias("rows"), pl.col("user").n_unique().alias("users"))
    return int(each.filter(pl.col("users") > 1)["rows"].sum()) > _SHARED * int(each["rows"].sum())


def _could_be_events(table: Table, users: pl.Series, name: str) -> bool:
    """Whether a column of text holds few names without a gap, which users share and which change within a history."""
    column = table.column(name)
    if column.dtype != pl.String or _numeric(column) or _TRAITS & set(words(name)) or len(_known(column)) < len(column):
        return False
    if not 2 <= column.n_unique() <= _LONGEST_CHOICE or not _is_shared(table, users, name):
        return False
    kinds = pl.DataFrame({"user": users, "name": column}).group_by("user").agg(pl.len(), pl.col("name").n_unique())
    several = kinds.filter(pl.col("len") > 1)
    return len(several) > 0 and int((several["name"] > 1).sum()) >= _VARIED * len(several)


def _known(column: pl.Series) -> pl.Series:
    """The values that aren't missing."""
    column = column.replace("", None) if column.dtype == pl.String else column
    return (column.fill_nan(None) if column.dtype.is_float() else column).drop_nulls()


def _numeric(column: pl.Series) -> bool:
    known = _known(column)
    numbers = known.cast(pl.Float64, strict=False) if known.dtype == pl.String else known
    return numbers.dtype.is_numeric() and len(numbers) > 0 and numbers.null_count() * 2 < len(numbers)


def _is_decimal(column: pl.Series) -> bool:
    """Whether most values are numbers with something behind the point: amounts, and no names."""
    if not _numeric(column):
        return False
    numbers = _known(column).cast(pl.Float64, strict=False).drop_nulls()
    return bool((numbers % 1 != 0).sum() * 2 > len(numbers))


def _undecided(table: Table, meaning: str, option: str, candidates: list[str]) -> InputError:
    return InputError(
        f"{table.name} needs one column that says {meaning}, received {', '.join(candidates)}, which all could: "
        f"pass {option} with one of them"
    )
