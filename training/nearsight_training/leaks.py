"""Columns that know the end: filled only for users who ever do something, and before they do it."""

import math

import polars as pl

from nearsight_training.rows import Rows

__all__ = ["leak"]

_KINDS = 50  # the most frequent names of events are compared
_CHANCE = 1e-6  # that a column filled at random would meet such users alone
_FEWEST_USERS = 5  # who have it before they do what it tells


def leak(rows: Rows, name: str) -> str | None:
    """The event that a column gives away, or None.

    Such a column is the same in all rows of a user, empty or not. It is filled for nobody who doesn't do the event, for
    more users than chance would meet, and in rows that come before the event.
    """
    filled = _filled(rows, name)
    if filled is None:
        return None
    events = _events(rows)
    firsts = events.join(filled, on="user", how="semi")
    shares = events.group_by("event").len().with_columns(pl.col("len") / rows.users.n_unique())
    for event, share in shares.sort("len", descending=True).head(_KINDS).iter_rows():
        told = firsts.filter(pl.col("event") == event)
        improbable = share < 1 and len(filled) * math.log(share) < math.log(_CHANCE)
        if len(told) == len(filled) and improbable and told["before"].sum() >= _FEWEST_USERS:
            return str(event)
    return None


def _filled(rows: Rows, name: str) -> pl.DataFrame | None:
    """The users who have a value in the column; None where it changes within a history or everybody has one."""
    column = rows.table.column(name)
    column = column.replace("", None) if column.dtype == pl.String else column
    if not column.null_count():
        return None
    each = (
        pl.DataFrame({"user": rows.users, "value": column})
        .group_by("user")
        .agg(pl.col("value").n_unique().alias("values"), pl.col("value").null_count().alias("gaps"))
    )
    filled = each.filter((pl.col("values") > 1) | (pl.col("gaps") == 0))
    constant = len(filled) > 0 and len(filled) < len(each) and (filled["values"] == 1).all()
    return filled.select("user") if constant else None


def _events(rows: Rows) -> pl.DataFrame:
    """What each user does, and whether something else comes first."""
    log = rows.log
    frame = pl.DataFrame(
        {
            "user": log.users[log.owners],
            "event": log.names,
            "time": log.times,
            "began": log.times[log.starts][log.owners],
        }
    )
    return frame.group_by("user", "event").agg((pl.col("time").min() > pl.col("began").first()).alias("before"))
