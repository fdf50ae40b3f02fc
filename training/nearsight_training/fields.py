"""A log's other columns: what a model can read of them, and which had better stay out of it."""

import re
from typing import Literal

import msgspec
import numpy as np
import polars as pl

from nearsight.errors import InputError
from nearsight_training.columns import names_of, numbers_of
from nearsight_training.config import LogConfig
from nearsight_training.leakage import Doers, doers, is_joined
from nearsight_training.log import LONGEST_NAME, RESERVED, EventLog
from nearsight_training.roles import holds_times, words
from nearsight_training.rows import Rows

__all__ = ["Field", "fields_of"]

_MIN_USERS = LogConfig().min_users
_KINDS = 50  # the most frequent names of events, of which a column may tell one
_LOOKED_AT = 2000  # different values that say what a column holds
_OWN_VALUE = 0.9  # of the rows
_SOME, _MOST = 0.1, 0.8
_FEWEST_CARDS = 5
_FEWEST_TEXTS, _OWN_TEXT, _WORDS = 100, 0.05, 4
_CODES = frozenset(("id", "sku", "code", "zip", "zipcode", "postcode", "isbn", "ean", "session", "invoice"))
_PEOPLE = frozenset(
    ("firstname", "lastname", "surname", "fullname", "username", "forename", "street", "passport", "ssn", "iban")
) | frozenset(("birthdate", "birthday", "dob"))
_PHONES = frozenset(("phone", "mobile", "tel", "telephone", "fax", "msisdn", "whatsapp"))
_SAYS_WHOSE = frozenset(("user", "customer", "client", "member", "person", "age"))
_AGES, _OLDEST = (18.0, 25.0, 35.0, 45.0, 55.0, 65.0), 120
_EARNINGS, _EARNING_GROUPS = frozenset(("income", "salary", "earnings")), 5
_EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s.]{2,}$"
_ADDRESS = r"^\d{1,3}(\.\d{1,3}){3}$"
_DIGITS = r"^\+?[\d\s()/.-]+$"
_SPACED = r"^\+|[\d)][\s()/-]+\d"
_A_DATE = r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|^\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}"


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
    known = _known(rows.table.column(name))
    if name in RESERVED:
        return _out(name, "nearsight uses its name itself: rename the column to use it")
    if why := _personal(name, known):
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


def _personal(name: str, known: pl.Series) -> str:
    """What a column seems to give away of a person, in words."""
    spelled = words(name)
    if _PEOPLE & {*spelled, "".join(spelled)}:
        return "it seems to say who or where somebody is, by its name"
    if known.dtype.is_integer() and _PHONES & set(spelled):
        return "it seems to hold phone numbers, by its name"
    texts = known.cast(pl.String) if known.dtype.is_integer() else known
    if texts.dtype != pl.String:
        return ""
    values = texts.unique(maintain_order=True).head(_LOOKED_AT)
    if not len(values):
        return ""
    if found := _personal_values(values, bool(_PHONES & set(spelled))):
        return found
    return "it looks like free text" if _is_prose(texts) else ""


def _personal_values(values: pl.Series, phones: bool) -> str:
    if _share(values, _EMAIL) >= _SOME:
        return "it looks like e-mail addresses"
    if _share(values, _ADDRESS) >= _MOST:
        return "it looks like network addresses"
    if len(values) >= _FEWEST_CARDS and sum(map(_is_card, values)) >= _MOST * len(values):
        return "it looks like card numbers"
    if sum(_is_phone(value, phones) for value in values) >= _MOST * len(values):
        return "it looks like phone numbers"
    return ""


def _is_prose(texts: pl.Series) -> bool:
    """Whether texts are long, or of several words and hardly ever said twice, unlike the names of products."""
    if (texts.str.len_chars() > LONGEST_NAME).any():
        return True
    said = texts.n_unique()
    spoken = texts.head(_LOOKED_AT).str.count_matches(r"\S+").mean()
    return said > max(_FEWEST_TEXTS, _OWN_TEXT * len(texts)) and float(spoken or 0) >= _WORDS  # type: ignore[arg-type]


def _share(values: pl.Series, pattern: str) -> float:
    return float(values.str.contains(pattern).sum()) / len(values)


def _is_card(value: str) -> bool:
    """Whether 13 to 19 digits end in the right check digit (Luhn, US patent 2,950,048)."""
    digits = re.sub(r"[\s-]", "", value)
    if not re.fullmatch(r"[0-9]{13,19}", digits):
        return False
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number - 9 * (number > 9) for number in doubled) % 10 == 0


def _is_phone(value: str, called: bool) -> bool:
    digits = sum(map(str.isdigit, value))
    if not re.match(_DIGITS, value) or re.match(_A_DATE, value):
        return False
    return 6 <= digits <= 15 if called else 9 <= digits <= 15 and bool(re.search(_SPACED, value))


def _known(column: pl.Series) -> pl.Series:
    column = column.replace("", None) if column.dtype == pl.String else column
    return (column.fill_nan(None) if column.dtype.is_float() else column).drop_nulls()


def _whole(numbers: pl.Series) -> bool:
    known = numbers.fill_nan(None).drop_nulls()
    return bool((known % 1 == 0).all())


def _varies(numbers: pl.Series) -> bool:
    known = numbers.fill_nan(None).drop_nulls()
    return bool(known.min() != known.max())
