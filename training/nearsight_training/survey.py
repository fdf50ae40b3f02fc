"""A first look at a log: its columns and users, what they do, and what is odd about it."""

import msgspec
import numpy as np
import polars as pl

from nearsight_training.columns import spoken
from nearsight_training.doubts import Doubt, Kind, bursting, doubts_of
from nearsight_training.fields import Field, fields_of
from nearsight_training.roles import Roles
from nearsight_training.rows import Rows

__all__ = ["Survey", "surveyed"]


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """What a log holds. `rows` counts all, `events` those with a user, a time and an event; times are in UTC."""

    source: str
    rows: int
    events: int
    users: int
    first: str
    last: str
    span_seconds: float
    median_events_per_user: float
    most_events_per_user: int
    roles: Roles
    kinds: tuple[Kind, ...]  # the most frequent first
    fields: tuple[Field, ...]
    doubts: tuple[Doubt, ...]
    repeats: int = 0  # rows that equal another one in every column that is read
    bots: int = 0  # users with more events within a minute than a person has

    @property
    def lacking(self) -> int:
        """How many rows have no user, no time or no event."""
        return self.rows - self.events


def surveyed(rows: Rows) -> Survey:
    """Look at every column of the rows."""
    log, kinds, fields = rows.log, _kinds(rows), fields_of(rows)
    first, last = float(log.times.min()), float(log.times.max())
    return Survey(
        source=rows.table.name,
        rows=rows.total,
        events=len(log.times),
        users=len(log.users),
        first=spoken(first),
        last=spoken(last),
        span_seconds=last - first,
        median_events_per_user=float(np.median(log.lengths)),
        most_events_per_user=int(log.lengths.max()),
        roles=rows.roles,
        kinds=kinds,
        fields=fields,
        doubts=doubts_of(rows, kinds, fields),
        repeats=_repeats(rows, fields),
        bots=bursting(rows),
    )


def _repeats(rows: Rows, fields: tuple[Field, ...]) -> int:
    read = [*rows.roles.columns, *(field.name for field in fields if field.kind != "left out")]
    return len(rows.table) - rows.table.frame.select(read).n_unique()


def _kinds(rows: Rows) -> tuple[Kind, ...]:
    frame = pl.DataFrame({"event": np.asarray(rows.log.names), "user": rows.log.owners})
    each = frame.group_by("event").agg(pl.len().alias("events"), pl.col("user").n_unique().alias("users"))
    ordered = each.sort(["events", "event"], descending=[True, False])
    users = len(rows.log.users)
    return tuple(
        Kind(name=name, events=events, share_of_users=who / users) for name, events, who in ordered.iter_rows()
    )
