"""Times in ISO 8601, read one by one or a column at once."""

import re
from datetime import UTC, datetime

import polars as pl

__all__ = ["iso_column", "iso_seconds"]

_USUAL = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:([T ])[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3}(?:[0-9]{3})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_EXACT = 2**53  # microseconds that a float64 holds exactly: the years 1684 to 2255


def iso_seconds(text: str | None) -> float | None:
    """Seconds since 1970, or None for what isn't ISO 8601; a time without an offset is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def iso_column(column: pl.Series) -> pl.Series:
    """`iso_seconds` for a column of strings: float64 with null for what isn't ISO 8601.

    Texts that are spelled like the first one, where that is a usual spelling, are read all at once.
    """
    first = _USUAL.fullmatch(column[0] or "") if len(column) else None
    found = _alike(column, first) if first else pl.Series([None] * len(column), dtype=pl.Float64)
    others = found.is_null().arg_true()
    if not len(others):
        return found
    return found.scatter(others, pl.Series([iso_seconds(text) for text in column[others]], dtype=pl.Float64))


def _alike(column: pl.Series, first: re.Match[str]) -> pl.Series:
    """The seconds of the texts with the signs of `first` where it has them, null for the others."""
    separator, fraction, offset = first.groups()
    body = len(first.group()) - len(offset or "")
    form = "%Y-%m-%d" + (f"{separator}%H:%M:%S" if separator else "") + (f"%.{len(fraction) - 1}f" if fraction else "")
    spelled = column.to_frame("text").lazy().with_columns(usual=pl.col("text").str.contains(_pattern(first)))
    text = pl.when("usual").then("text")
    whole = text.str.head(body) if offset else text
    micros = whole.str.to_datetime(form, strict=False, time_unit="us", cache=False).dt.timestamp("us")
    if offset and offset != "Z":
        hours, minutes = (text.str.slice(body + at, 2).cast(pl.Int64) for at in (1, 4))
        sign = pl.when(text.str.slice(body, 1) == "-").then(-1).otherwise(1)
        micros -= sign * (hours * 60 + minutes) * 60_000_000
    exact = pl.when(micros.is_between(-_EXACT, _EXACT)).then(micros)
    found = spelled.select(exact.cast(pl.Float64)).collect(engine="streaming").to_series()
    # NumPy rounds the quotient as Python does; polars multiplies by the reciprocal.
    return pl.Series(found.fill_null(float("nan")).to_numpy() / 1e6).fill_nan(None)


def _pattern(first: re.Match[str]) -> str:
    """What texts look like that differ from `first` in their digits, and in their offset's sign."""
    body, offset = first.group()[: first.start(3) if first[3] else None], first[3] or ""
    digits = re.sub("[0-9]", "[0-9]", body).replace(".", "[.]")
    digits = re.sub(r":\[0-9\]", ":[0-5]", digits)  # a minute ends with second 59
    there = "[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]" if offset not in ("", "Z") else offset
    return f"^{digits}{there}$"
