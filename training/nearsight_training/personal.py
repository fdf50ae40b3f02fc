"""Columns that give a person away: told by their names and by the share of values that look like it."""

import re

import polars as pl

from nearsight.errors import InputError
from nearsight_training.roles import words

__all__ = ["LONGEST_NAME", "check_personal", "known_values", "personal"]

LONGEST_NAME = 200  # characters; what is longer is text
_LOOKED_AT = 2000  # different values that say what a column holds
_SOME, _MOST = 0.1, 0.8  # of them: one address in ten is enough, other numbers may look like a card's or a phone's
_FEWEST_CARDS = 5
_FEWEST_TEXTS, _OWN_TEXT, _WORDS = 100, 0.05, 4
_PEOPLE = frozenset(
    ("firstname", "lastname", "surname", "fullname", "username", "forename", "street", "passport", "ssn", "iban")
) | frozenset(("birthdate", "birthday", "dob"))
_PHONES = frozenset(("phone", "mobile", "tel", "telephone", "fax", "msisdn", "whatsapp"))
_EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s.]{2,}$"
_ADDRESS = r"^\d{1,3}(\.\d{1,3}){3}$"
_DIGITS = r"^\+?[\d\s()/.-]+$"
_SPACED = r"^\+|[\d)][\s()/-]+\d"
_A_DATE = r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|^\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}"


def check_personal(name: str, column: pl.Series, where: str) -> None:
    """Raises `InputError` for a column `(R,)` that looks `personal`, with its name and not a value of it."""
    if why := personal(name, known_values(column)):
        raise InputError(
            f"column {name!r} of {where} may not enter a model: {why}: leave it out (--field names those to keep), or "
            f"--allow-personal {name} if it should"
        )


def personal(name: str, known: pl.Series) -> str:
    """What a column with these `known_values` seems to give away of a person, in words; "" for nothing.

    Of the first 2,000 different values, 10 % look like e-mail addresses, or 80 % like network addresses, payment cards
    (13 to 19 digits with Luhn's check digit, of at least 5 values) or phone numbers; texts are longer than 200
    characters, or have 4 words on average and more than 100 and 5 % of the rows are different ones.
    """
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
    if found := _values(values, bool(_PHONES & set(spelled))):
        return found
    return "it looks like free text" if _is_prose(texts) else ""


def known_values(column: pl.Series) -> pl.Series:
    """The values of a column that aren't missing; those of categories as strings."""
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    column = column.replace("", None) if column.dtype == pl.String else column
    return (column.fill_nan(None) if column.dtype.is_float() else column).drop_nulls()


def _values(values: pl.Series, phones: bool) -> str:
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
    spoken = texts.head(_LOOKED_AT).str.count_matches(r"\S+").mean()
    return float(spoken or 0) >= _WORDS and texts.n_unique() > max(_FEWEST_TEXTS, _OWN_TEXT * len(texts))  # type: ignore[arg-type]


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
