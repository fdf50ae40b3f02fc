"""Lengths of time as people say them."""

__all__ = ["spoken"]

_UNITS = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}


def spoken(seconds: float) -> str:
    """A length of time in the largest unit that it fills.

    >>> spoken(86400.0), spoken(5400.0), spoken(0.0)
    ('1 day', '1.5 hours', '0 seconds')
    """
    unit, size = next((unit for unit in _UNITS.items() if seconds >= unit[1]), ("second", 1))
    count = f"{seconds / size:.3g}"
    return f"{count} {unit}{'' if count == '1' else 's'}"
