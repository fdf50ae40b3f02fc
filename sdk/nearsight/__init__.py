"""Customer insight that stays on the customer's device: load a bundle, observe events, read the answers.

    insight = nearsight.load("shop.nsight")
    session = insight.session()
    reading = session.observe("add_to_cart", time=1_700_000_000.0, price=19.9)
    reading["purchase"]

Nothing here opens a socket or writes a file but `update`, when it is called.
"""

from nearsight._version import __version__
from nearsight.channel import current, update
from nearsight.errors import (
    BudgetError,
    BundleError,
    EventError,
    InputError,
    NearsightError,
    ReportError,
    RuntimeMissingError,
    SnapshotError,
    UpdateError,
)
from nearsight.heads import Reading, Value
from nearsight.insight import Insight, Readings, load
from nearsight.session import Session

__all__ = [
    "BudgetError",
    "BundleError",
    "EventError",
    "InputError",
    "Insight",
    "NearsightError",
    "Reading",
    "Readings",
    "ReportError",
    "RuntimeMissingError",
    "Session",
    "SnapshotError",
    "UpdateError",
    "Value",
    "__version__",
    "current",
    "load",
    "update",
]
