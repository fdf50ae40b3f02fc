"""Users' histories kept across restarts, for an app: consented to, sealed, exported and erased.

SQLite and cryptography are loaded by `open_store` and not before; an app without a store pays for neither.
"""

from nearsight.store.opening import open_store
from nearsight.store.options import Journal
from nearsight.store.store import Store

__all__ = ["Journal", "Store", "open_store"]
