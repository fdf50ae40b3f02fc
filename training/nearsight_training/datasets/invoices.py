"""Online Retail: what customers of a British shop for gifts ordered and cancelled."""

import io

import polars as pl

from nearsight.errors import InputError
from nearsight_training.datasets.files import File
from nearsight_training.datasets.noted import NotedTable

__all__ = ["ONLINE_RETAIL", "QUESTIONS", "online_retail"]

QUESTIONS = """\
# Who buys within a month, who won't for three, and who cancels?
[[question]]
kind = "will_do"
name = "buys"
events = ["purchase"]
within = "30d"

[[question]]
kind = "inactive"
name = "leaves"
for = "90d"
events = ["purchase"]

[[question]]
kind = "will_do"
name = "cancels"
events = ["cancellation"]
within = "30d"
"""


def _lines(table: pl.DataFrame) -> pl.DataFrame:
    """The columns that are used, sorted, with prices in thousandths of a pound: whole numbers are written one way."""
    return table.select(
        pl.col("InvoiceNo").alias("invoice"),
        pl.col("InvoiceDate").dt.strftime("%Y-%m-%d %H:%M").alias("minute"),
        pl.col("CustomerID").cast(pl.Float64).cast(pl.Int64).alias("user"),
        pl.col("Quantity").cast(pl.Int64).alias("quantity"),
        (pl.col("UnitPrice").cast(pl.Float64) * 1000).round().cast(pl.Int64).alias("thousandths"),
        pl.col("Country").alias("country"),
    ).sort(pl.all(), nulls_last=True)


def _kept(download: bytes) -> bytes:
    try:
        table = pl.read_csv(download, infer_schema=False)
        table = table.with_columns(pl.col("InvoiceDate").str.to_datetime("%m/%d/%Y %H:%M"))
        return _lines(table).write_csv().encode()
    except pl.exceptions.PolarsError as error:
        raise InputError(
            "a CSV file with the columns of Online Retail was expected, received something else"
        ) from error


ONLINE_RETAIL = File(
    place="online_retail/retail_session.parquet.snappy",
    url="https://archive.ics.uci.edu/static/public/352/data.csv",
    cached="online_retail.csv",
    sha256="4aa4ee6998174d15005c6c5fd16bc0ac694c31c7435393fba6e11a7c3d210922",
    kept=_kept,
)


def online_retail() -> NotedTable:
    """22,190 invoices of 4,372 customers of a shop for gifts, 2010-12-01 to 2011-12-09 (Chen, Sain & Guo 2012).

    Columns user (the customer), time (its first line's, to the minute), event, pounds (the sum of quantity times
    price), items (the sum of quantities), lines, country. An invoice is one event: a "cancellation" where its number
    begins with C, with pounds and items below zero, else a "purchase". Lines without a customer are left out, and
    `notes` say how many.

    Read from the folder `$NEARSIGHT_DATA` where it holds them, else from UCI's repository (data set 352) as CSV. The
    SHA-256 is that of the six columns that are used, sorted and written in one form. It was computed from a Parquet
    copy of UCI's table: UCI's own file couldn't be compared with it. Raises `InputError` where neither has it.
    """
    lines = _read(ONLINE_RETAIL.content())
    known = lines.filter(pl.col("user").is_not_null())
    invoices = known.group_by("user", "invoice", maintain_order=True).agg(
        pl.col("minute").min().str.to_datetime("%Y-%m-%d %H:%M").alias("time"),
        ((pl.col("quantity") * pl.col("thousandths")).sum() / 1000).alias("pounds"),
        pl.col("quantity").sum().alias("items"),
        pl.len().alias("lines"),
        pl.col("country").first(),
    )
    event = pl.when(pl.col("invoice").str.starts_with("C")).then(pl.lit("cancellation")).otherwise(pl.lit("purchase"))
    columns = ("time", event.alias("event"), "pounds", "items", "lines", "country")
    frame = invoices.sort("time", "invoice").select(pl.col("user").cast(pl.String), *columns)
    left, share = len(lines) - len(known), 1 - len(known) / len(lines)
    note = f"{left:,} of {len(lines):,} lines ({100 * share:.1f} %) name no customer and were left out"
    return NotedTable("Online Retail", frame, 1, (note, f"{len(known):,} lines became {len(frame):,} invoices"))


def _read(content: bytes) -> pl.DataFrame:
    if content.startswith(b"PAR1"):
        return _lines(pl.read_parquet(io.BytesIO(content)))
    return pl.read_csv(content, schema_overrides={"invoice": pl.String})
