"""The one file that ships: an uncompressed zip whose manifest names and hashes every other member.

Reading checks the container, the sizes, the format and the hashes before any byte reaches a runtime's parser.
Writing is atomic: the file appears whole under its name, or not at all.
"""

import hashlib
import io
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from nearsight.errors import BundleError
from nearsight.manifest import FORMAT, Manifest, Member

__all__ = ["Bundle", "read_bundle", "sealed", "write_atomically", "write_bundle"]

MANIFEST = "manifest.json"
_GRAPHS = ("step.tflite", "window.tflite", "step.onnx", "window.onnx", "step.npz")
_MEMBERS = frozenset((*_GRAPHS, "vectors.json", "certificate.json", "MODEL_CARD.md"))
_LARGEST_MANIFEST = 8_000_000
_LARGEST_BUNDLE = 64_000_000
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # equal content gives equal bytes


class Bundle(msgspec.Struct, frozen=True):
    """A bundle's manifest and its members' bytes, checked against it."""

    manifest: Manifest
    members: Mapping[str, bytes]


def read_bundle(source: str | os.PathLike[str] | bytes) -> Bundle:
    """Read and check a bundle from a path or from bytes.

    Raises `BundleError` where it is missing, larger than 64 MB, not a zip, truncated, altered, of a newer format, or
    holds anything that the manifest doesn't name.
    """
    where = "this bundle" if isinstance(source, bytes) else os.fspath(source)
    content = source if isinstance(source, bytes) else _read_file(where)
    if len(content) > _LARGEST_BUNDLE:
        raise BundleError(f"{where} holds {len(content)} bytes where at most {_LARGEST_BUNDLE} are read")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _checked(archive, where)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError, ValueError) as error:
        raise BundleError(f"{where} isn't a readable bundle ({error}): export it again or fetch it anew") from error


def sealed(members: Mapping[str, bytes], precisions: Mapping[str, str]) -> dict[str, Member]:
    """The manifest's entries for `members`: each one's size, hash and, for graphs and weights, precision."""
    return {
        name: Member(sha256=_sha256(content), bytes=len(content), precision=precisions.get(name))
        for name, content in members.items()
    }


def write_bundle(path: str | os.PathLike[str], bundle: Bundle) -> None:
    """Write a bundle atomically. Raises `BundleError` where the manifest and the members disagree."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {MANIFEST: msgspec.json.encode(bundle.manifest), **bundle.members}.items():
            archive.writestr(zipfile.ZipInfo(name, _FIXED_DATE), content)
    content = buffer.getvalue()
    read_bundle(content)
    write_atomically(path, content)


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that its name shows the whole content or what was there before; folders are made."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _read_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST_BUNDLE + 1)
    except FileNotFoundError:
        raise BundleError(f"there is no file {path}: pass the path of a .nsight bundle") from None
    except OSError as error:
        raise BundleError(f"{path} can't be read ({error.strerror}): pass the path of a .nsight bundle") from None


def _checked(archive: zipfile.ZipFile, where: str) -> Bundle:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise BundleError(f"{where} holds a member twice: export it again or fetch it anew")
    if MANIFEST not in names:
        raise BundleError(f"{where} has no {MANIFEST}: it isn't a nearsight bundle")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 0x1:
            raise BundleError(f"{where} holds a compressed or encrypted member: a bundle's members are stored plainly")
    if archive.getinfo(MANIFEST).file_size > _LARGEST_MANIFEST:
        raise BundleError(f"{where} has a manifest of more than {_LARGEST_MANIFEST} bytes: export it again")
    manifest = _manifest(archive.read(MANIFEST), where)
    if set(names) - {MANIFEST} != set(manifest.members):
        raise BundleError(f"{where} doesn't hold what its manifest names: export it again or fetch it anew")
    return Bundle(manifest, {name: _member(archive, name, seal, where) for name, seal in manifest.members.items()})


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


def _member(archive: zipfile.ZipFile, name: str, seal: Member, where: str) -> bytes:
    entry = archive.getinfo(name)
    if entry.file_size != seal.bytes:
        raise BundleError(f"{where}: {name} has {entry.file_size} bytes where the manifest says {seal.bytes}")
    content = archive.read(name)
    if _sha256(content) != seal.sha256:
        raise BundleError(f"{where}: {name} was altered after the export: export it again or fetch it anew")
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
