"""New bundles from a developer's channel, by The Update Framework (TUF): the only code that opens a socket.

What is fetched is trusted only as far as the root says that the app brought with it (TUF's specification, version 1.0).
In the app's folder, `metadata/` is TUF's, `bundles/` holds bundles by their hash, and `current.json` names the one in
use and the one before it. A switch is the replacement of that file, so that there is no moment without a bundle.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nearsight.bundle import LARGEST_BUNDLE, read_bundle, write_atomically
from nearsight.errors import BundleError, InputError, UpdateError
from nearsight.signature import Key

if TYPE_CHECKING:
    from tuf.ngclient import TargetFile, Updater

__all__ = ["TARGET", "current", "update"]

TARGET = "model.nsight"  # what a channel calls its bundle
_POINTER, _BUNDLES, _METADATA, _TARGETS = "current.json", "bundles", "metadata", "targets"

_Path = str | os.PathLike[str]


def update(url: str, folder: _Path, *, root: _Path | bytes, public_key: Key | None = None) -> Path:
    """Fetch the channel's newest bundle into `folder`, where it isn't there yet, and switch to it; returns its path.

    `url` is where the folder lies that `nearsight publish` wrote, and `root` its first root, as a path or as bytes,
    which an app must bring with it. With a `public_key` the bundle must be signed as well, as for `load`. Raises
    `UpdateError` where the channel can't be reached, or where what it offers was altered, is older than what was seen
    before, is past its date by this device's clock, doesn't fit together or can't be read; `current` then stays what
    it was. Raises `InputError` where `root` or the key can't be used, or tuf isn't installed.
    """
    place = Path(folder)
    updater = _updater(url, place, root)
    target = _offered(updater, url)
    path = place / _BUNDLES / f"{target.hashes['sha256']}.nsight"
    if not updater.find_cached_target(target, str(path)):
        _fetch(updater, target, path, url)
    try:
        read_bundle(path, public_key)
    except BundleError as error:
        path.unlink()
        raise UpdateError(f"the bundle at {url} can't be used ({error}): the one before stays") from error
    _switch(place, path.name)
    return path


def current(folder: _Path) -> Path:
    """The bundle in `folder` that the last `update` switched to, or the one before where that was damaged since.

    Raises `BundleError` where there is none.
    """
    place = Path(folder)
    for name in _named(place):
        path = place / _BUNDLES / name
        try:
            read_bundle(path)
        except BundleError:
            continue
        return path
    raise BundleError(f"{place} holds no whole bundle: call nearsight.update first, or load one that the app brings")


def _updater(url: str, place: Path, root: _Path | bytes) -> "Updater":
    try:
        from tuf.api.exceptions import RepositoryError
        from tuf.ngclient import Updater
    except ImportError:
        raise InputError("updates need tuf, which isn't installed: pip install 'nearsight[update]'") from None
    where = "this root" if isinstance(root, bytes) else os.fspath(root)
    for name in (_METADATA, _BUNDLES):
        (place / name).mkdir(parents=True, exist_ok=True)
    base = url.rstrip("/")
    try:
        trusted = root if isinstance(root, bytes) else Path(root).read_bytes()
        return Updater(str(place / _METADATA), f"{base}/{_METADATA}/", None, f"{base}/{_TARGETS}/", bootstrap=trusted)
    except OSError as error:
        raise InputError(f"{where} can't be read ({error.strerror}): pass the channel's 1.root.json") from error
    except RepositoryError as error:
        raise InputError(f"{where} isn't the root of a channel ({error}): pass its 1.root.json") from error


def _offered(updater: "Updater", url: str) -> "TargetFile":
    """What the channel offers, once all of its metadata is known to be genuine, fresh and of a piece."""
    from tuf.api.exceptions import DownloadError, RepositoryError

    try:
        updater.refresh()
        target = updater.get_targetinfo(TARGET)
    except DownloadError as error:
        raise UpdateError(f"{url} can't be fetched ({error}): try again later, the bundle before stays") from error
    except RepositoryError as error:
        raise UpdateError(f"{url} can't be trusted ({error}): the bundle before stays") from error
    if target is None or "sha256" not in target.hashes or target.length > LARGEST_BUNDLE:
        raise UpdateError(f"{url} offers no bundle of at most {LARGEST_BUNDLE} bytes: publish one")
    return target


def _fetch(updater: "Updater", target: "TargetFile", path: Path, url: str) -> None:
    """Download a bundle beside its place, and move it there once its length and hash are those that were signed."""
    from tuf.api.exceptions import DownloadError, RepositoryError

    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        updater.download_target(target, str(part))
        part.replace(path)
    except (DownloadError, RepositoryError) as error:
        raise UpdateError(f"the bundle at {url} can't be fetched whole ({error}): the one before stays") from error
    finally:
        part.unlink(missing_ok=True)


def _switch(place: Path, name: str) -> None:
    """Name the bundle in use and the one before it, and remove all others."""
    before = [other for other in _named(place) if other != name]
    names = [name, *before[:1]]
    write_atomically(place / _POINTER, msgspec.json.encode(names))
    for path in (place / _BUNDLES).iterdir():
        if path.name not in names:
            path.unlink(missing_ok=True)


def _named(place: Path) -> list[str]:
    """The bundles that the folder names, the newest first; none where it says nothing that can be read."""
    try:
        names = msgspec.json.decode((place / _POINTER).read_bytes(), type=list[str])
    except (OSError, msgspec.DecodeError):
        return []
    return [name for name in names if Path(name).name == name]
