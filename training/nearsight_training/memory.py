"""Amounts of memory as people write them."""

import math
import re

from nearsight.errors import InputError

__all__ = ["bytes_of", "in_words"]

_WRITTEN = re.compile(r"([0-9]+(?:[.][0-9]+)?)\s*([kmgt])b?", re.IGNORECASE)
_SIZES = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def bytes_of(text: str) -> int:
    """How many bytes a text like 2GB, 1.5 GB or 800MB means. Raises `InputError` where it means none.

    >>> bytes_of("1.5 GB")
    1500000000
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None or not float(found[1]):
        raise InputError(f"an amount of memory must be a number with MB or GB, as in 2GB, received {text!r}")
    return int(float(found[1]) * _SIZES[found[2].lower()])


def in_words(size: int) -> str:
    """Bytes in MB or GB, rounded up, as `bytes_of` reads them.

    >>> in_words(1_234_567_890), in_words(2_000_000_000), in_words(5)
    ('1.24GB', '2GB', '1MB')
    """
    if size < 10**9:
        return f"{math.ceil(size / 10**6)}MB"
    return f"{math.ceil(size / 10**7) / 100:g}GB"
