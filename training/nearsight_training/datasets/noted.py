"""A table that says what was done to its rows on the way."""

from dataclasses import dataclass

from nearsight_training.columns import Table

__all__ = ["NotedTable"]


@dataclass(frozen=True)
class NotedTable(Table):
    """`notes` are sentences on what was merged or left out, with counts taken from the rows themselves."""

    notes: tuple[str, ...] = ()
