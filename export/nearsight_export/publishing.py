"""A channel for new bundles: a folder of files for any web server, signed as The Update Framework (TUF) says.

One key signs all of TUF's roles where nothing else is said, as one developer has it. With an online key, the
developer's own signs the root and the targets, which say what is offered and by whom, and can stay off every server;
the online key signs the snapshot and the timestamp, which say that this is the newest offer, and can offer nothing.
`metadata/timestamp.json` is written last: until then, who fetches sees the channel as it was.
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

__all__ = ["newest_root", "publish", "refresh"]

_ROOT_DAYS, _RENEWED_DAYS = 3650, 365
_OFFER_DAYS = 365  # that the targets last where another key keeps the channel fresh
_HASHES = ["sha256"]
_OFFLINE, _ONLINE = (Root.type, Targets.type), (Snapshot.type, Timestamp.type)
_Signed = TypeVar("_Signed", Root, Timestamp, Snapshot, Targets)


def publish(
    folder: Path,
    bundle: Path | None,
    key: Path,
    valid_seconds: float,
    *,
    online_key: Path | None = None,
    new_key: Path | None = None,
    now: datetime | None = None,
) -> int:
    """Offer `bundle` in the channel at `folder`, which is made where there is none; returns the channel's version.

    Without a bundle, what is offered is signed anew. After `valid_seconds` devices take the channel for frozen. An
    `online_key` signs the channel's freshness from now on; a `new_key` replaces `key`, which is good for nothing
    afterwards: devices follow by a root that both have signed. Raises `InputError` where a key can't be used or isn't
    the channel's, where there is nothing to offer or no key to replace, or where the folder isn't a channel, and
    `BundleError` for a file that isn't a whole bundle.
    """
    moment, metadata = _moment(now), folder / "metadata"
    old, owner = _signer(key), _signer(new_key or key)
    content = None
    if bundle is not None:
        read_bundle(bundle)
        content = bundle.read_bytes()
    root, is_new = _root(metadata, old, owner, _signer(online_key) if online_key else None, moment)
    online = _signer(online_key or new_key or key)
    _check(folder, root, online)
    version, timestamp, snapshot, targets = _newest(metadata)
    if content is not None:
        targets.targets[TARGET] = TargetFile.from_data(TARGET, content, _HASHES)
    if TARGET not in targets.targets:
        raise InputError(f"{folder} offers no bundle yet: pass one to publish")
    if content is not None:
        digest = targets.targets[TARGET].hashes["sha256"]
        write_atomically(folder / "targets" / f"{digest}.{TARGET}", content)
    if is_new:
        _write(metadata, f"{root.version}.root.json", root, old, owner)
    lasts = valid_seconds if online.public_key == owner.public_key else max(valid_seconds, _OFFER_DAYS * 86_400)
    targets.version, targets.expires = version + 1, moment + timedelta(seconds=lasts)
    snapshot.meta["targets.json"] = _write(metadata, f"{targets.version}.targets.json", targets, owner)
    until = moment + timedelta(seconds=valid_seconds)
    return _refreshed(metadata, version + 1, timestamp, snapshot, online, until)


def refresh(folder: Path, online_key: Path, valid_seconds: float, now: datetime | None = None) -> int:
    """Keep the channel fresh for `valid_seconds` with its online key alone; returns the channel's version.

    What is offered stays as the developer's key signed it. Raises `InputError` where there is no channel or it has
    another online key, and where the offer or the root doesn't last that long.
    """
    online, metadata = _signer(online_key), folder / "metadata"
    newest = newest_root(folder)
    if newest is None:
        raise InputError(f"{folder} isn't a channel yet: publish a bundle with --key first")
    root = _read(newest, Root)
    _check(folder, root, online)
    version, timestamp, snapshot, targets = _newest(metadata)
    until, ends = _moment(now) + timedelta(seconds=valid_seconds), min(targets.expires, root.expires)
    if not version or ends < until:
        said = f"lasts until {ends:%Y-%m-%d}" if version else "isn't there yet"
        raise InputError(f"what {folder} offers {said}: publish it with --key and --online-key")
    return _refreshed(metadata, version + 1, timestamp, snapshot, online, until)


def newest_root(folder: Path) -> Path | None:
    """The root that an app which is built now should bring with it; None where the folder has none.

    Any earlier one leads to it, as long as no key that signed one of them is in the wrong hands.
    """
    paths = (folder / "metadata").glob("[0-9]*.root.json")
    return max(paths, key=lambda path: int(path.name.split(".")[0]), default=None)


def _moment(now: datetime | None) -> datetime:
    return (now or datetime.now(UTC)).replace(microsecond=0)


def _signer(key: Path) -> CryptoSigner:
    return CryptoSigner(private_key(key))


def _root(
    metadata: Path, old: CryptoSigner, owner: CryptoSigner, online: CryptoSigner | None, now: datetime
) -> tuple[Root, bool]:
    """The channel's root and whether it is a new one: the first, one with other keys, or one that ends later."""
    newest, lasting = newest_root(metadata.parent), now + timedelta(days=_ROOT_DAYS)
    if newest is None:
        if metadata.exists() and any(metadata.iterdir()):
            raise InputError(f"{metadata} holds files and no root, so it isn't a channel: pass another folder")
        if old.public_key != owner.public_key:
            raise InputError(f"{metadata.parent} isn't a channel yet, so no key can be replaced: leave the new one out")
        root = Root(expires=lasting)
        _set_keys(root, _OFFLINE, owner)
        _set_keys(root, _ONLINE, online or owner)
        return root, True
    root = _read(newest, Root)
    if not {old.public_key.keyid, owner.public_key.keyid} & {*root.roles[Root.type].keyids}:
        raise InputError(f"{metadata.parent} was published with another key: pass that one")
    has_one_key = root.roles[Timestamp.type].keyids == root.roles[Root.type].keyids
    fresh = online or (owner if has_one_key else None)
    is_new = _set_keys(root, _OFFLINE, owner) + (_set_keys(root, _ONLINE, fresh) if fresh else 0) > 0
    if is_new or root.expires < now + timedelta(days=_RENEWED_DAYS):
        root.version, root.expires, is_new = root.version + 1, lasting, True
    return root, is_new


def _set_keys(root: Root, roles: tuple[str, ...], signer: CryptoSigner) -> int:
    """Let that key alone sign these roles; for how many of them that is new."""
    key, changed = signer.public_key, 0
    for role in roles:
        before = list(root.roles[role].keyids)
        if before != [key.keyid]:
            for keyid in before:
                root.revoke_key(keyid, role)
            root.add_key(key, role)
            changed += 1
    return changed


def _check(folder: Path, root: Root, online: CryptoSigner) -> None:
    if online.public_key.keyid not in root.roles[Timestamp.type].keyids:
        raise InputError(f"{folder} is kept fresh by another key: pass that one as --online-key")


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


def _refreshed(
    metadata: Path, version: int, timestamp: Timestamp, snapshot: Snapshot, signer: CryptoSigner, until: datetime
) -> int:
    """Write the snapshot and the timestamp of that version, which is returned."""
    for each in (snapshot, timestamp):
        each.version, each.expires = version, until
    timestamp.snapshot_meta = _write(metadata, f"{version}.snapshot.json", snapshot, signer)
    _write(metadata, "timestamp.json", timestamp, signer)
    return version


def _write(metadata: Path, name: str, signed: _Signed, *signers: CryptoSigner) -> MetaFile:
    whole = Metadata(signed)
    for signer in signers:
        whole.sign(signer, append=True)
    content = whole.to_bytes()
    write_atomically(metadata / name, content)
    return MetaFile.from_data(signed.version, content, _HASHES)
