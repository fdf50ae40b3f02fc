"""E-shop clothing 2008: what visitors of a shop for maternity clothes clicked, session by session."""

import polars as pl

from nearsight_training.datasets.files import File, member
from nearsight_training.datasets.noted import NotedTable

__all__ = ["ESHOP2008", "QUESTIONS", "eshop2008"]

_MEMBER = "e-shop clothing 2008.csv"
_COLUMNS = (  # by position, since copies of the file call the fourth column "order" or "order(sells)"
    *("year", "month", "day", "order", "country", "session", "category", "product", "colour", "location"),
    *("photography", "price", "dear", "page"),
)
_FIELDS = ("category", "colour", "location", "photography", "price", "dear", "page", "country")
QUESTIONS = """\
# Which of the 217 products is viewed next, and is this the session's last click? An event is called after its product.
# There is no clock in the data: clicks stand a second apart, so that nothing for 2 seconds is a session's end.
next_event = true

[log]
categories = ["category", "colour", "location", "photography", "dear", "country"]

[[question]]
kind = "inactive"
name = "ends"
for = "2s"
"""


def _rows(content: bytes) -> bytes:
    """The lines below the header, each ended by a line feed: what every copy of the file agrees on."""
    lines = content.replace(b"\r\n", b"\n").removeprefix(b"\xef\xbb\xbf")
    return lines if lines[:1].isdigit() else lines.partition(b"\n")[2]


def _kept(download: bytes) -> bytes:
    return _rows(member(download, _MEMBER))


ESHOP2008 = File(
    place="eshop2008/e-shop clothing 2008.csv.gz",
    url="https://archive.ics.uci.edu/static/public/553/clickstream+data+for+online+shopping.zip",
    cached="eshop2008.csv",
    sha256="56ce79a2bed7596e4a91375b42bcfcdf73b830ed4284175cc1204a6dfd09fb58",
    kept=_kept,
)


def eshop2008() -> NotedTable:
    """165,474 clicks of 24,026 sessions, 217 products, 2008-04-01 to 2008-08-13 (Łapczyński & Białowąs 2013).

    Columns user (the session), time, event, category, colour, location, photography, price (US dollars), dear, page,
    country. An event is called after its product, such as "A13", so that the next event is the next product. The fields
    but for the price and the page (1 to 5) are the codes of the source: category 1 trousers, 2 skirts, 3 blouses,
    4 sale; dear 1 above its category's mean price, 2 not. The source has a date and an order of clicks but no clock:
    `time` is the date plus `order` seconds, which keeps the order and says nothing about durations.

    Read from the folder `$NEARSIGHT_DATA` where it holds them, else from UCI's repository (data set 553), where the
    SHA-256 of the lines below the header in the archive is checked. It was computed from a copy: UCI's own archive
    couldn't be compared with it. Raises `InputError` where neither has it.
    """
    rows = _rows(ESHOP2008.content())
    frame = pl.read_csv(rows, separator=";", has_header=False, new_columns=list(_COLUMNS))
    time = pl.datetime("year", "month", "day") + pl.duration(seconds="order")
    fields = frame.select(
        pl.col("session").cast(pl.String).alias("user"), time.alias("time"), pl.col("product").alias("event"), *_FIELDS
    )
    note = "there is no clock in the data: a time is the date plus one second for each click of the session"
    return NotedTable(_MEMBER, fields, 1, (note,))
