"""A channel for new bundles: a folder of files for any web server, signed as The Update Framework (TUF) says.

One key signs all of TUF's roles, as one developer has it. `metadata/timestamp.json` is written last: until then, who
fetches sees the channel as it was.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from nearsight.bundle import read_bundle, write_atomically
from nearsight.channel import TARGET
from nearsight.errors import InputError
from nearsight_export.signing import private_key

__all__ = ["ROOT", "publish"]

ROOT = Path("metadata", "1.root.json")  # what an app must bring with it
_ROOT_DAYS, _RENEWED_DAYS = 3650, 365
_HASHES = ["sha256"]
_Signed = TypeVar("_Signed", Root, Timestamp, Snapshot, Targets)


def publish(folder: Path, bundle: Path | None, key: Path, valid_seconds: float, now: datetime | None = None) -> int:
    """Offer `bundle` in the channel at `folder`, which is made where there is none; returns the channel's version.

    Without a bundle, what is offered is signed anew. After `valid_seconds` devices take the channel for frozen. Raises
    `InputError` where the key can't be used or isn't the channel's, where there is nothing to offer, or where the
    folder isn't a channel, and `BundleError` for a file that isn't a whole bundle.
    """
    signer, moment = CryptoSigner(private_key(key)), (now or datetime.now(UTC)).replace(microsecond=0)
    content = None
    if bundle is not None:
        read_bundle(bundle)
        content = bundle.read_bytes()
    metadata = folder / "metadata"
    root, (version, timestamp, snapshot, targets) = _root(metadata, signer, moment), _newest(metadata)
    if content is not None:
        targets.targets[TARGET] = TargetFile.from_data(TARGET, content, _HASHES)
    if TARGET not in targets.targets:
        raise InputError(f"{folder} offers no bundle yet: pass one to publish")
    if content is not None:
        digest = targets.targets[TARGET].hashes["sha256"]
        write_atomically(folder / "targets" / f"{digest}.{TARGET}", content)
    _write(metadata, f"{root.version}.root.json", root, signer)
    for each in (targets, snapshot, timestamp):
        each.version, each.expires = version + 1, moment + timedelta(seconds=valid_seconds)
    snapshot.meta["targets.json"] = _write(metadata, f"{targets.version}.targets.json", targets, signer)
    timestamp.snapshot_meta = _write(metadata, f"{snapshot.version}.snapshot.json", snapshot, signer)
    _write(metadata, "timestamp.json", timestamp, signer)
    return timestamp.version


def _root(metadata: Path, signer: CryptoSigner, now: datetime) -> Root:
    """The channel's root: a first one, the last one, or a newer one where that ends within a year."""
    versions = [int(path.name.split(".")[0]) for path in metadata.glob("[0-9]*.root.json")]
    if not versions:
        if metadata.exists() and any(metadata.iterdir()):
            raise InputError(f"{metadata} holds files and no root, so it isn't a channel: pass another folder")
        first = Root(expires=now + timedelta(days=_ROOT_DAYS))
        for role in first.roles:
            first.add_key(signer.public_key, role)
        return first
    root = _read(metadata / f"{max(versions)}.root.json", Root)
    if signer.public_key.keyid not in root.roles[Root.type].keyids:
        raise InputError(f"{metadata.parent} was published with another key: pass that one")
    if root.expires < now + timedelta(days=_RENEWED_DAYS):
        root.version, root.expires = root.version + 1, now + timedelta(days=_ROOT_DAYS)
    return root


def _newest(metadata: Path) -> tuple[int, Timestamp, Snapshot, Targets]:
    """What the timestamp leads to, and its version: files that an interrupted publication left behind don't count."""
    if not (metadata / "timestamp.json").exists():
        return 0, Timestamp(), Snapshot(), Targets()
    timestamp = _read(metadata / "timestamp.json", Timestamp)
    snapshot = _read(metadata / f"{timestamp.snapshot_meta.version}.snapshot.json", Snapshot)
    targets = _read(metadata / f"{snapshot.meta['targets.json'].version}.targets.json", Targets)
    return timestamp.version, timestamp, snapshot, targets


def _read(path: Path, kind: type[_Signed]) -> _Signed:
    try:
        found = Metadata[_Signed].from_bytes(path.read_bytes()).signed
    except (OSError, RepositoryError) as error:
        raise InputError(f"{path} can't be read ({error}): publish into another folder") from error
    if not isinstance(found, kind):
        raise InputError(f"{path} isn't what its name says: publish into another folder")
    return found


def _write(metadata: Path, name: str, signed: _Signed, signer: CryptoSigner) -> MetaFile:
    whole = Metadata(signed)
    whole.sign(signer)
    content = whole.to_bytes()
    write_atomically(metadata / name, content)
    return MetaFile.from_data(signed.version, content, _HASHES)
