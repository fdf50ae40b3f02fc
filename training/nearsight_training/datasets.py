"""Public data sets as event logs. Nothing is downloaded: a folder or an installed package holds the files."""

import gzip
import importlib.metadata
import os
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import polars as pl

from nearsight.errors import InputError
from nearsight_training.columns import Table

__all__ = ["bpic2012", "cdnow"]

_FOLDER = "NEARSIGHT_DATA"


def cdnow() -> Table:
    """69,659 purchases of 23,570 customers of an online record shop, 1997-01-01 to 1998-06-30 (Fader & Hardie 2001).

    Columns user, time, event ("purchase"), cds, dollars; a customer's purchases of one day are one. Read from the
    folder `$NEARSIGHT_DATA` where it is set, else from the installed package lifetimes. Raises `InputError` where
    neither has it.
    """
    rows = [line.split() for line in _cdnow_text().splitlines() if line[:6].strip().isdigit()]
    frame = pl.DataFrame(rows, ["user", "day", "cds", "dollars"], orient="row")
    days = frame.select(
        "user",
        pl.col("day").str.to_datetime("%Y%m%d").alias("time"),
        pl.lit("purchase").alias("event"),
        pl.col("cds", "dollars").cast(pl.Float64),
    )
    merged = days.group_by("user", "time", "event", maintain_order=True).agg(pl.col("cds", "dollars").sum())
    return Table("CDNOW_master.txt", merged, 1)


def bpic2012() -> Table:
    """262,200 events of 13,087 loan applications.

    BPI Challenge 2012, doi:10.4121/uuid:3926db30-f712-4394-aebc-75976070e91f.

    Columns user (the application), time, event (the activity), amount (what was applied for). Read from the folder
    `$NEARSIGHT_DATA`; raises `InputError` where it isn't there.
    """
    path = Path(os.environ.get(_FOLDER, ""), "bpic2012", "bpic2012.xes.gz")
    if not os.environ.get(_FOLDER) or not path.is_file():
        raise InputError(f"bpic2012.xes.gz isn't there: set {_FOLDER} to a folder that holds bpic2012/bpic2012.xes.gz")
    frame = pl.DataFrame(list(_xes(path)), ["user", "time", "event", "amount"], orient="row")
    return Table(path.name, frame, 1)


def _cdnow_text() -> str:
    folder = os.environ.get(_FOLDER)
    path = Path(folder, "cdnow", "CDNOW_master.txt.gz") if folder else None
    if path and path.is_file():
        return gzip.decompress(path.read_bytes()).decode()
    try:
        files = importlib.metadata.files("lifetimes") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "CDNOW_master.txt":
            return Path(str(file.locate())).read_text()
    raise InputError(
        f"the CDNOW purchases aren't there: pip install lifetimes, which holds them, or set {_FOLDER} to a folder "
        "with cdnow/CDNOW_master.txt.gz"
    )


def _xes(path: Path) -> Iterator[tuple[str, float, str, float]]:
    """The events of an XES log, trace by trace, with memory for one trace at a time."""
    with gzip.open(path) as file:
        for _, element in ET.iterparse(file):  # noqa: S314
            if not element.tag.endswith("trace"):
                continue
            trace = _attributes(element)
            for event in element:
                if event.tag.endswith("event"):
                    found = _attributes(event)
                    time = datetime.fromisoformat(found["time:timestamp"]).timestamp()
                    yield trace["concept:name"], time, found["concept:name"], float(trace["AMOUNT_REQ"])
            element.clear()


def _attributes(element: ET.Element) -> dict[str, str]:
    return {child.get("key", ""): child.get("value", "") for child in element}
