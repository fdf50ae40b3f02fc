"""Columns that are filled in later and answer a question: what an event, a session or a user turned out to be."""

import polars as pl

from nearsight.errors import InputError
from nearsight_training.columns import Table, outlined
from nearsight_training.config import Label

__all__ = ["outcomes_of"]

_YES, _NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")


def outcomes_of(table: Table, label: Label) -> pl.Series:
    """The label's column as 1 (yes), 0 (no) or -1 (empty, not known), int8.

    Raises `InputError` where the column is missing or says neither yes nor no.
    """
    told = table.column(label.column).cast(pl.String, strict=False).fill_null("").str.strip_chars()
    known = told != ""
    if label.yes:
        yes, no = told.is_in(list(label.yes)), known
    else:
        lower = told.str.to_lowercase()
        yes, no = lower.is_in(list(_YES)), lower.is_in(list(_NO))
        strays = (known & ~yes & ~no).arg_true().to_list()
        if strays:
            raise InputError(
                f"{table.line(strays[0])}: column {label.column!r} must say 1 or 0, received "
                f"{outlined(told[strays[0]])}: correct it, or list the values that mean yes"
            )
    return pl.select(pl.when(yes).then(1).when(no).then(0).otherwise(-1).cast(pl.Int8)).to_series()
