"""The one file that ships: an uncompressed zip whose manifest names and hashes every other member.

Reading checks the container, the sizes, the signature where a key is given, the format and the hashes before any byte
reaches a runtime's parser.
Writing is atomic: the file appears whole under its name, or not at all.
"""

import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from nearsight.archive import Entry, contents, entries, packed
from nearsight.digest import sha256
from nearsight.errors import BundleError
from nearsight.manifest import FORMAT, Manifest, Member
from nearsight.signature import SIZE, Key, public_key, signed_by

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

__all__ = [
    "LARGEST_BUNDLE",
    "MANIFEST",
    "SIGNATURE",
    "Bundle",
    "read_bundle",
    "sealed",
    "signed",
    "write_atomically",
    "write_bundle",
]

MANIFEST, SIGNATURE = "manifest.json", "signature"
_GRAPHS = ("step.tflite", "window.tflite", "step.onnx", "window.onnx", "step.npz")
_MEMBERS = frozenset((*_GRAPHS, "vectors.json", "certificate.json", "MODEL_CARD.md"))
_LARGEST_MANIFEST = 8_000_000
LARGEST_BUNDLE = 64_000_000


class Bundle(msgspec.Struct, frozen=True):
    """A bundle's manifest and its members' bytes; what `read_bundle` gives reads them when they are asked for."""

    manifest: Manifest
    members: Mapping[str, bytes]


def read_bundle(source: str | os.PathLike[str] | bytes, key: Key | None = None) -> Bundle:
    """Check a bundle, given as a path or as bytes, and open it; with a public `key`, only one that its owner signed.

    Every member is read once to be checked and not kept; the one that is asked for is read and checked again. Raises
    `BundleError` where it is missing, larger than 64 MB, not a zip, truncated, altered, of a newer format, or holds
    anything that the manifest doesn't name, and as `nearsight.signature.public_key` does. With a key, no byte of the
    manifest is parsed before its signature is checked.
    """
    owner = None if key is None else public_key(key)
    where = "this bundle" if isinstance(source, bytes) else os.fspath(source)
    opener = partial(_opened, source, where)
    with opener() as file:
        listed = entries(file)
        content, signature = _manifest_bytes(file, listed, where), _signature(file, listed, where)
        if owner is not None:
            _check_owner(owner, content, signature, where)
        manifest = _checked(content, listed, where)
        members = _Members(opener, listed, manifest.members, where)
        for name in members:
            members.check(file, name)
    return Bundle(manifest, members)


def sealed(members: Mapping[str, bytes], precisions: Mapping[str, str]) -> dict[str, Member]:
    """The manifest's entries for `members`: each one's size, hash and, for graphs and weights, precision."""
    return {
        name: Member(sha256=sha256(content).hexdigest(), bytes=len(content), precision=precisions.get(name))
        for name, content in members.items()
    }


def write_bundle(path: str | os.PathLike[str], bundle: Bundle) -> None:
    """Write a bundle atomically. Raises `BundleError` where the manifest and the members disagree."""
    content = packed({MANIFEST: msgspec.json.encode(bundle.manifest), **bundle.members})
    read_bundle(content)
    write_atomically(path, content)


def signed(source: str | os.PathLike[str] | bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """The bytes of a bundle with what `sign` makes of its manifest's bytes in it, instead of an earlier signature.

    Raises `BundleError` as `read_bundle` does.
    """
    bundle, where = read_bundle(source), "this bundle" if isinstance(source, bytes) else os.fspath(source)
    with _opened(source, where) as file:
        manifest = _manifest_bytes(file, entries(file), where)
    return packed({MANIFEST: manifest, **bundle.members, SIGNATURE: sign(manifest)})


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that its name shows the whole content or what was there before; folders are made."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class _Members(Mapping[str, bytes]):
    """The members of a bundle that stays where it is; none is held in memory."""

    def __init__(
        self,
        opener: Callable[[], AbstractContextManager[BinaryIO]],
        listed: Mapping[str, Entry],
        seals: Mapping[str, Member],
        where: str,
    ) -> None:
        self._opener, self._listed, self._seals, self._where = opener, listed, seals, where

    def check(self, file: BinaryIO, name: str) -> bytes:
        content, seal = contents(file, self._listed[name]), self._seals[name]
        if len(content) != seal.bytes:
            raise BundleError(
                f"{self._where}: {name} has {len(content)} bytes where the manifest says {seal.bytes}: export it again"
            )
        if sha256(content).hexdigest() != seal.sha256:
            raise BundleError(f"{self._where}: {name} was altered after the export: export it again or fetch it anew")
        return content

    def __getitem__(self, name: str) -> bytes:
        if name not in self._seals:
            raise KeyError(name)
        with self._opener() as file:
            return self.check(file, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._seals)

    def __len__(self) -> int:
        return len(self._seals)


@contextmanager
def _opened(source: str | os.PathLike[str] | bytes, where: str) -> Iterator[BinaryIO]:
    """The file, with whatever stands in the way of reading it turned into one sentence."""
    try:
        size = len(source) if isinstance(source, bytes) else Path(source).stat().st_size
        if size > LARGEST_BUNDLE:
            raise BundleError(f"{where} holds {size} bytes where at most {LARGEST_BUNDLE} are read")
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
            yield file
    except FileNotFoundError:
        raise BundleError(f"there is no file {where}: pass the path of a .nsight bundle") from None
    except OSError as error:
        raise BundleError(f"{where} can't be read ({error.strerror}): pass the path of a .nsight bundle") from None
    except ValueError as error:
        raise BundleError(f"{where} isn't a readable bundle ({error}): export it again or fetch it anew") from error


def _manifest_bytes(file: BinaryIO, listed: Mapping[str, Entry], where: str) -> bytes:
    if MANIFEST not in listed:
        raise BundleError(f"{where} has no {MANIFEST}: it isn't a nearsight bundle")
    if listed[MANIFEST].size > _LARGEST_MANIFEST:
        raise BundleError(f"{where} has a manifest of more than {_LARGEST_MANIFEST} bytes: export it again")
    return contents(file, listed[MANIFEST])


def _signature(file: BinaryIO, listed: Mapping[str, Entry], where: str) -> bytes | None:
    """The signature, or None where there is none."""
    if SIGNATURE not in listed:
        return None
    size = listed[SIGNATURE].size
    if size != SIZE:
        raise BundleError(f"{where} has a signature of {size} bytes where {SIZE} are needed: sign it again")
    return contents(file, listed[SIGNATURE])


def _check_owner(owner: "Ed25519PublicKey", content: bytes, signature: bytes | None, where: str) -> None:
    if signature is None:
        raise BundleError(f"{where} isn't signed where a public key is given: fetch the signed one, or sign it")
    if not signed_by(owner, signature, content):
        raise BundleError(f"{where} wasn't signed by this key's owner, or was altered since: fetch it anew")


def _checked(content: bytes, listed: Mapping[str, Entry], where: str) -> Manifest:
    manifest = _manifest(content, where)
    if set(listed) - {MANIFEST, SIGNATURE} != set(manifest.members):
        raise BundleError(f"{where} doesn't hold what its manifest names: export it again or fetch it anew")
    return manifest


class _Format(msgspec.Struct):
    format: int


def _manifest(content: bytes, where: str) -> Manifest:
    try:
        found = msgspec.json.decode(content, type=_Format).format
        if found > FORMAT:
            raise BundleError(f"{where} has format {found} where this SDK reads up to {FORMAT}: update nearsight")
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{where} has an unreadable manifest ({error}): export it again") from error
    strangers = set(manifest.members) - _MEMBERS
    if strangers:
        raise BundleError(f"{where} holds members that no bundle has: {', '.join(sorted(strangers))[:200]}")
    return manifest
