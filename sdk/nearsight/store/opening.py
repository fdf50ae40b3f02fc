"""Opening a store."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nearsight.errors import StoreError
from nearsight.insight import Insight, load
from nearsight.store.audit import Audit
from nearsight.store.key import Place, checked_key, kept_key
from nearsight.store.options import Journal, Options, unspent
from nearsight.store.store import Store
from nearsight.store.vault import IDENTITY, ROOT, Vault

if TYPE_CHECKING:
    from nearsight.report.budget import Budget
    from nearsight.store.cipher import Ring
    from nearsight.store.database import Database

__all__ = ["open_store"]

_IDENTITY_BYTES = 16


def open_store(
    bundle: str | os.PathLike[str] | bytes | Insight,
    path: str | os.PathLike[str],
    *,
    key: bytes | None = None,
    purposes: Sequence[str] = ("insight",),
    flush_events: int = 1000,
    flush_seconds: float = 5.0,
    live_users: int = 1000,
    retention_days: int | None = None,
    journal: Journal | None = None,
    budget: "Budget | None" = None,
) -> Store:
    """Open the store at `path` for a bundle, or make it there: `nearsight.open`.

    `bundle` is what `load` takes, or an `Insight` that nothing else uses. `key` is 32 bytes that the app keeps; without
    one, a key is kept in the operating system's keyring, or in the file `path.key` where there is none. `purposes` are
    what users may consent to: the first is what histories are kept for, `"journal"` what a `journal` is, `"reports"`
    what each user has a budget like `budget` for, a new `report.Budget`; the others are the app's own. An event is on
    the disk within `flush_seconds`, and at most `flush_events` wait for it. So many `live_users` stay in memory. Users
    of whom nothing was heard for `retention_days` are erased, and journals of a store that is opened without one.

    A damaged file is moved aside, a `RuntimeWarning` says so once, and the store begins anew. Raises `StoreError` for
    options that can't be, another key, a file of a newer nearsight or of something else, or one that is open already;
    `BundleError` and `RuntimeMissingError` as `load` does.
    """
    options = Options(
        purposes=tuple(purposes),
        flush_events=flush_events,
        flush_seconds=flush_seconds,
        live_users=live_users,
        retention_days=retention_days,
        journal=journal,
        budget=None if budget is None else unspent(budget),
    )
    given = None if key is None else checked_key(key)
    insight = bundle if isinstance(bundle, Insight) else load(bundle)
    try:
        store, aside = _opened(insight, Path(path), given, options)
    except ModuleNotFoundError as error:
        raise StoreError(
            f"a store needs {error.name}, which isn't installed: pip install 'nearsight[store]'"
        ) from error
    except OSError as error:
        raise StoreError(
            f"{error.filename} can't be used ({error.strerror}): pass another path, or mend its permissions"
        ) from None
    if aside is not None:
        warnings.warn(
            f"the store was damaged and begins anew; what is left of it is {aside}", RuntimeWarning, stacklevel=2
        )
    return store


def _opened(insight: Insight, path: Path, given: bytes | None, options: Options) -> tuple[Store, Path | None]:
    """The store, and where a damaged one before it was moved to."""
    from nearsight.store.cipher import Ring
    from nearsight.store.database import open_database

    database, aside = open_database(path)
    try:
        ring, place = _unlocked(Ring, database, given)
        audit = Audit()
        audit.note("damaged stores moved aside", int(aside is not None))
        return Store(Vault(database, ring, insight, options, audit), insight.manifest, options, audit, place), aside
    except BaseException:
        database.close()
        raise


def _unlocked(rings: "type[Ring]", database: "Database", given: bytes | None) -> tuple["Ring", Place]:
    """The store's keys, new ones for a new store, and where the key to them is kept."""
    identity, sealed = database.meta(IDENTITY), database.meta(ROOT)
    if identity is None or sealed is None:
        identity = os.urandom(_IDENTITY_BYTES)
        key, place = _key(database, identity, given, is_new=True)
        ring = rings.new(identity)
        with database.transaction():
            database.put_meta({IDENTITY: identity, ROOT: ring.locked(key)})
        return ring, place
    key, place = _key(database, identity, given, is_new=False)
    found = rings.unlocked(identity, key, sealed)
    if found is None:
        raise StoreError(f"{database.path} has another key than the one that came: pass that one as key=")
    return found, place


def _key(database: "Database", identity: bytes, given: bytes | None, *, is_new: bool) -> tuple[bytes, Place]:
    return (given, "app") if given else kept_key(database.path, identity, is_new=is_new)
