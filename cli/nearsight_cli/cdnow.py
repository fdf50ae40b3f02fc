"""The CDNOW purchases: everything that 23,570 customers of a record shop bought in the eighteen months after joining it.

Fader and Hardie posted them for research. The file comes with the `lifetimes` package, or from a folder of one's own.
"""

import csv
import gzip
import io
import os
from importlib.util import find_spec
from pathlib import Path

import msgspec

from nearsight.bundle import write_atomically
from nearsight.errors import InputError

__all__ = ["DATA_FOLDER", "Purchases", "write_purchases"]

DATA_FOLDER = "NEARSIGHT_DATA"
_COLUMNS = 4  # customer, yyyymmdd, CDs, dollars


class Purchases(msgspec.Struct, frozen=True):
    """What was written: how many purchases were read, and how many remain once those of one day are one."""

    purchases: int
    rows: int
    customers: int


def write_purchases(path: Path) -> Purchases:
    """Write the purchases as a CSV of customer, date, cds and dollars; those of one customer on one day are one row.

    Reads `$NEARSIGHT_DATA/cdnow` where that is set and holds the file, the `lifetimes` package otherwise. Raises
    `InputError` where neither has it, or where a line isn't as expected.
    """
    days: dict[tuple[str, str], tuple[int, float]] = {}
    lines = _lines()
    for number, line in enumerate(lines, 2):
        customer, day, cds, dollars = _parsed(number, line)
        bought, paid = days.get((customer, day), (0, 0.0))
        days[customer, day] = (bought + cds, paid + dollars)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("customer", "date", "cds", "dollars"))
    table.writerows((customer, day, cds, f"{dollars:.2f}") for (customer, day), (cds, dollars) in sorted(days.items()))
    write_atomically(path, text.getvalue().encode())
    return Purchases(len(lines), len(days), len({customer for customer, _ in days}))


def _lines() -> list[str]:
    """The file's lines without its header."""
    own = Path(os.environ.get(DATA_FOLDER) or ".", "cdnow", "CDNOW_master.txt.gz")
    if DATA_FOLDER in os.environ and own.is_file():
        return gzip.decompress(own.read_bytes()).decode().splitlines()[1:]
    package = find_spec("lifetimes")
    if package is None or package.origin is None:
        raise InputError("the demo's purchases come with lifetimes, which isn't installed: pip install 'nearsight[all]'")
    return Path(package.origin).with_name("datasets").joinpath("CDNOW_master.txt").read_text().splitlines()[1:]


def _parsed(number: int, line: str) -> tuple[str, str, int, float]:
    parts = line.split()
    if len(parts) != _COLUMNS or len(parts[1]) != len("yyyymmdd"):
        raise InputError(f"line {number} of the CDNOW file must hold customer, yyyymmdd, CDs and dollars: fetch it anew")
    customer, day, cds, dollars = parts
    return customer, f"{day[:4]}-{day[4:6]}-{day[6:]}", int(cds), float(dollars)
