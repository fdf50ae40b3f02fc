"""The container of a bundle: a zip without compression in one fixed form, so that every byte of it is accounted for.

Any zip tool opens it; other zips are not read. The standard library's zipfile would cost an app 1.7 MB of memory at
start-up and lets bytes pass that nothing names. Layout: APPNOTE.TXT 6.3.10 (PKWARE), sections 4.3.7, 4.3.12, 4.3.16.
"""

import struct
import zlib
from collections.abc import Mapping
from typing import BinaryIO

import msgspec

__all__ = ["Entry", "contents", "entries", "packed"]

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION, _DATE = 20, 0x21  # 2.0, the first that knows folders; 1980-01-01, so that equal content gives equal bytes


class Entry(msgspec.Struct, frozen=True):
    """Where a member's header begins, its name, its size in bytes and its CRC-32."""

    name: bytes
    offset: int
    size: int
    crc: int

    @property
    def local(self) -> bytes:
        """The header in front of the content."""
        sizes = (self.crc, self.size, self.size, len(self.name), 0)
        return _LOCAL.pack(b"PK\3\4", _VERSION, 0, 0, 0, _DATE, *sizes) + self.name

    @property
    def central(self) -> bytes:
        """The header in the directory at the end."""
        sizes = (self.crc, self.size, self.size, len(self.name))
        return _CENTRAL.pack(b"PK\1\2", _VERSION, _VERSION, 0, 0, 0, _DATE, *sizes, *[0] * 5, self.offset) + self.name

    @property
    def end(self) -> int:
        """Where the content ends."""
        return self.offset + _LOCAL.size + len(self.name) + self.size


def packed(members: Mapping[str, bytes]) -> bytes:
    """The archive of these members, in their order."""
    parts: list[bytes] = []
    listed: list[Entry] = []
    for name, content in members.items():
        offset = listed[-1].end if listed else 0
        listed.append(Entry(name.encode("ascii"), offset, len(content), zlib.crc32(content)))
        parts += [listed[-1].local, content]
    directory = b"".join(entry.central for entry in listed)
    return b"".join([*parts, directory, _ending(listed, directory)])


def entries(file: BinaryIO) -> dict[str, Entry]:
    """The members of an archive that `packed` made, by name. Raises `ValueError` for anything else."""
    size = file.seek(0, 2)
    if size < _END.size:
        raise ValueError("it is shorter than an empty archive")
    file.seek(size - _END.size)
    found = _END.unpack(file.read(_END.size))
    signature, directory_size, directory_offset = found[0], found[5], found[6]
    if signature != b"PK\5\6" or directory_offset + directory_size + _END.size != size:
        raise ValueError("it doesn't end like an archive")
    file.seek(directory_offset)
    directory = file.read(directory_size)
    listed = _listed(directory)
    file.seek(directory_offset + directory_size)
    if (listed[-1].end if listed else 0) != directory_offset or file.read() != _ending(listed, directory):
        raise ValueError("its directory doesn't match its content")
    members = {entry.name.decode("ascii"): entry for entry in listed}
    if len(members) != len(listed):
        raise ValueError("it holds a member twice")
    return members


def contents(file: BinaryIO, entry: Entry) -> bytes:
    """A member's bytes. Raises `ValueError` where its header or its checksum isn't what the directory says."""
    file.seek(entry.offset)
    content = file.read(entry.end - entry.offset)
    header = entry.local
    if not content.startswith(header) or zlib.crc32(content[len(header) :]) != entry.crc:
        raise ValueError(f"{entry.name.decode('ascii')} was damaged")
    return content[len(header) :]


def _listed(directory: bytes) -> list[Entry]:
    listed: list[Entry] = []
    position = 0
    while position < len(directory):
        try:
            fields = _CENTRAL.unpack_from(directory, position)
        except struct.error:
            raise ValueError("its directory is cut off") from None
        name = directory[position + _CENTRAL.size : position + _CENTRAL.size + fields[10]]
        entry = Entry(name, listed[-1].end if listed else 0, fields[8], fields[7])
        if not directory.startswith(entry.central, position):
            raise ValueError("it holds a compressed, encrypted or unusual member, which no bundle has")
        listed.append(entry)
        position += len(entry.central)
    return listed


def _ending(listed: list[Entry], directory: bytes) -> bytes:
    offset = listed[-1].end if listed else 0
    return _END.pack(b"PK\5\6", 0, 0, len(listed), len(listed), len(directory), offset, 0)
