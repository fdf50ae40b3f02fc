"""An invented crowd and what it did: a log of any size, for figures of time and memory alone."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["TARGET", "crowd"]

TARGET = "purchase"
_NAMES = np.array([TARGET, *(f"visit_page_{number:02d}" for number in range(1, 50))])
_COUNTRIES = np.array(["DE", "ES", "FR", "GB", "IT", "NL", "PL", "US"])
_BEGIN, _SPAN_SECONDS = 1_700_000_000, 180 * 86400
_ACTIVITY = 1.2  # the spread of the logarithm of how much each user does
_PRICED = 0.4  # of the events


def crowd(users: int, events: int, seed: int, *, is_even: bool = False) -> pl.DataFrame:
    """`events` rows in the order of time: user, time (ISO 8601), one of 50 events, a price at times, a country.

    Users differ in how much they do, or do equally much where `is_even`. Names follow Zipf's law.
    """
    generator = np.random.default_rng(seed)
    owners = _owners(generator, users, events, is_even)
    chances = 1 / np.arange(1, len(_NAMES) + 1)
    prices = np.where(generator.random(events) < _PRICED, generator.lognormal(3, 1, events).round(2), np.nan)
    times = np.sort(generator.integers(0, _SPAN_SECONDS, events)) + _BEGIN
    return pl.DataFrame(
        {
            "user": owners,
            "time": times,
            "event": pl.Series(_NAMES).gather(generator.choice(len(_NAMES), events, p=chances / chances.sum())),
            "price": pl.Series(prices).fill_nan(None),
            "country": pl.Series(_COUNTRIES).gather(generator.integers(0, len(_COUNTRIES), users)[owners]),
        }
    ).with_columns(
        pl.format("u{}", "user").alias("user"), pl.from_epoch("time").dt.strftime("%Y-%m-%dT%H:%M:%S").alias("time")
    )


def _owners(generator: np.random.Generator, users: int, events: int, is_even: bool) -> NDArray[np.int64]:
    if is_even:
        return generator.permutation(np.arange(events) % users)
    activity = generator.lognormal(0, _ACTIVITY, users)
    return generator.choice(users, events, p=activity / activity.sum())
