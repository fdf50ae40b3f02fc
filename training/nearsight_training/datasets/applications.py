"""BPI Challenge 2012: what became of applications for loans, step by step."""

import io
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import datetime

import polars as pl

from nearsight_training.datasets.files import File
from nearsight_training.datasets.noted import NotedTable

__all__ = ["BPIC2012", "QUESTIONS", "bpic2012"]

BPIC2012 = File(
    place="bpic2012/bpic2012.xes.gz",
    url="https://data.4tu.nl/file/533f66a4-8911-4ac7-8612-1235d65d1f37/3276db7f-8bee-4f2b-88ee-92dbffb5a893",
    cached="bpic2012.xes.gz",
    sha256="5cd9cc16b9bcb20bd4aae45666a5d87479ddbf47e6371618b6ad217174cecdf3",
)
QUESTIONS = """\
# What comes next, and will the loan be granted, or the application be abandoned? A grant writes three events at once.
next_event = true

[[question]]
kind = "will_do"
name = "granted"
events = ["A_APPROVED", "A_REGISTERED", "A_ACTIVATED"]
within = "30d"

[[question]]
kind = "will_do"
name = "abandoned"
events = ["A_CANCELLED"]
within = "30d"
"""


def bpic2012() -> NotedTable:
    """262,200 events of 13,087 loan applications, 2011-10-01 to 2012-03-14, 24 activities.

    BPI Challenge 2012, doi:10.4121/uuid:3926db30-f712-4394-aebc-75976070e91f.

    Columns user (the application), time (seconds since 1970), event (the activity), amount (what was applied for); no
    event is left out. Read from the folder `$NEARSIGHT_DATA` where it holds them, else from 4TU.ResearchData. The
    SHA-256 is that of the file as it is served, computed by packing a copy of the log anew until the MD5 was the one
    that 4TU publishes. Raises `InputError` where neither has it.
    """
    frame = pl.DataFrame(list(_xes(BPIC2012.content())), ["user", "time", "event", "amount"], orient="row")
    return NotedTable(BPIC2012.cached, frame, 1)


def _xes(content: bytes) -> Iterator[tuple[str, float, str, float]]:
    """The events of an XES log, trace by trace, with the elements of one trace at a time."""
    for _, element in ET.iterparse(io.BytesIO(content)):  # noqa: S314
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
