"""Lengths of time as people type them."""

import re

from nearsight.errors import InputError

__all__ = ["seconds", "spoken"]

_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_WORDS = {"w": "week", "d": "day", "h": "hour", "m": "minute", "s": "second"}
_FORM = re.compile(r"(\d+(?:\.\d+)?)([wdhms])")


def seconds(text: str, option: str) -> float:
    """The seconds of a duration such as 7d.

    >>> seconds("7d", "--within")
    604800.0

    Raises `InputError` that names `option` for anything else, and for a length of nothing.
    """
    found = _FORM.fullmatch(text.strip().lower())
    length = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not length:
        raise InputError(f"{option} must be a number of w, d, h, m or s (such as 7d or 12h), received {text!r}")
    return length


def spoken(length_seconds: float) -> str:
    """A length of time in words, in the largest unit that it fills.

    >>> spoken(86400.0), spoken(5400.0), spoken(0.0)
    ('1 day', '1.5 hours', 'no time')
    """
    for unit, size in _SECONDS.items():
        count = length_seconds / size
        if count >= 1 and (unit != "w" or count.is_integer()):
            return f"{count:.3g} {_WORDS[unit]}{'' if count == 1 else 's'}"
    return "no time" if length_seconds <= 0 else "less than a second"
