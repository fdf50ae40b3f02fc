"""Customer insight that stays on the customer's device: load a bundle, observe events, read the answers.

    insight = nearsight.load("shop.nsight")
    session = insight.session()
    reading = session.observe("add_to_cart", time=1_700_000_000.0, price=19.9)
    reading["purchase"]

Nothing here opens a socket but `update`, when it is called, and nothing writes a file but that and a store.
"""

from nearsight._version import __version__
from nearsight.channel import current, update
from nearsight.errors import (
    BudgetError,
    BundleError,
    ConsentError,
    EventError,
    InputError,
    NearsightError,
    ReportError,
    RuntimeMissingError,
    SnapshotError,
    StoreError,
    UpdateError,
)
from nearsight.heads import Reading, Value
from nearsight.insight import Insight, Readings, load
from nearsight.session import Session
from nearsight.store import Journal, Store
from nearsight.store import open_store as open  # noqa: A004 - as in gzip.open

__all__ = [
    "BudgetError",
    "BundleError",
    "ConsentError",
    "EventError",
    "InputError",
    "Insight",
    "Journal",
    "NearsightError",
    "Reading",
    "Readings",
    "ReportError",
    "RuntimeMissingError",
    "Session",
    "SnapshotError",
    "Store",
    "StoreError",
    "UpdateError",
    "Value",
    "__version__",
    "current",
    "load",
    "open",
    "update",
]
