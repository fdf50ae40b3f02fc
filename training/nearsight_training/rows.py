"""The rows of a log that can be used, laid out as histories, and how many rows lack what."""

from dataclasses import dataclass

import polars as pl

from nearsight_training.cleaning import gaps, whole_rows
from nearsight_training.columns import Table, required
from nearsight_training.config import Cleaning, LogConfig
from nearsight_training.log import EventLog, log_of
from nearsight_training.roles import Roles

__all__ = ["Rows", "usable_rows"]

_USABLE = Cleaning(missing="drop")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The R rows with a user, a time and an event, as a table in the file's order and as histories without fields.

    `lacking` counts the rows, of `total`, in which a role's column is empty: "user", "time", "event".
    """

    table: Table
    users: pl.Series  # (R,) names
    log: EventLog
    roles: Roles
    every: str
    total: int
    lacking: dict[str, int]

    def with_fields(self, names: list[str]) -> EventLog:
        """The histories with these fields, as training would read them."""
        return log_of(self.table, _config(self.roles, tuple(names), self.every))


def usable_rows(table: Table, roles: Roles, every: str) -> Rows:
    """Leave out the rows that lack something; where there are no names of events, all are `every`.

    Raises `InputError` where a value can't be read, with its line, and where no row is left.
    """
    named = {"user": roles.user, "time": roles.time, "event": roles.event}
    columns = {role: column for role, column in named.items() if column is not None}
    usable, _ = whole_rows(table, columns, _USABLE)
    log, users = log_of(usable, _config(roles, (), every)), required(usable, roles.user)
    lacking = {role: int(gap.sum()) for role, gap in zip(columns, gaps(table, columns), strict=True)}
    return Rows(table=usable, users=users, log=log, roles=roles, every=every, total=len(table), lacking=lacking)


def _config(roles: Roles, fields: tuple[str, ...], every: str) -> LogConfig:
    return LogConfig(user=roles.user, time=roles.time, event=roles.event, every=every, fields=fields, allowed=fields)
