"""CDNOW: what customers of an online record shop bought in the eighteen months after they joined it."""

import importlib.metadata
from functools import partial
from pathlib import Path

import polars as pl

from nearsight_training.datasets.files import File, member
from nearsight_training.datasets.noted import NotedTable

__all__ = ["CDNOW", "PACKAGE", "QUESTIONS", "cdnow", "packaged"]

PACKAGE, _MEMBER = "lifetimes", "CDNOW_master.txt"
CDNOW = File(
    place="cdnow/CDNOW_master.txt.gz",
    url="https://www.brucehardie.com/datasets/CDNOW_master.zip",
    cached="cdnow.txt",
    sha256="61fd6f7bf3497187a7ec0d9ff6a99b7568f1fe911a9f3665e02efecd6b34ed07",
    kept=partial(member, name=_MEMBER),
)
QUESTIONS = """\
# Will a customer buy again within 39 weeks? The data end 39 weeks after 1997-09-30, so that the test can ask about
# that day alone: train with --split user --cutoff 1997-09-30.
next_event = false  # there is only one kind of event

[[question]]
kind = "will_do"
name = "buys_again"
events = ["purchase"]
within = "273d"
"""


def cdnow() -> NotedTable:
    """69,659 purchases of 23,570 customers of an online record shop, 1997-01-01 to 1998-06-30 (Fader & Hardie 2001).

    Columns user, time, event ("purchase"), cds, dollars; a customer's purchases of one day are one, which leaves
    67,591. Read from the folder `$NEARSIGHT_DATA` where it holds them, else from the installed package lifetimes, else
    from the authors' page. Of that download the text inside of the archive is checked: it is the package's file without
    its header, by SHA-256. Raises `InputError` where none of them has it.
    """
    rows = [line.split() for line in _text().splitlines() if line[:6].strip().isdigit()]
    frame = pl.DataFrame(rows, ["user", "day", "cds", "dollars"], orient="row")
    days = frame.select(
        "user",
        pl.col("day").str.to_datetime("%Y%m%d").alias("time"),
        pl.lit("purchase").alias("event"),
        pl.col("cds", "dollars").cast(pl.Float64),
    )
    merged = days.group_by("user", "time", "event", maintain_order=True).agg(pl.col("cds", "dollars").sum())
    note = f"a customer's purchases of one day are one: {len(days):,} became {len(merged):,}"
    return NotedTable(_MEMBER, merged, 1, (note,))


def packaged() -> Path | None:
    """The file in the installed package lifetimes, None where that isn't installed."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.name == _MEMBER), None)


def _text() -> str:
    path = None if CDNOW.in_folder() else packaged()
    return path.read_text() if path else CDNOW.content().decode()
