"""A file as tables of a few megabytes, one after the other, so that a log larger than memory can be gone through."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import polars as pl

from nearsight_training.columns import Table
from nearsight_training.formats import HEAD, check_head, frame_of, kind_of, opened, read_from, readable

__all__ = ["BLOCK", "Extent", "blocks", "extent"]

BLOCK = 1 << 24  # bytes
_CELL = 16  # bytes that a value of a Parquet file takes in memory, about


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """How much a file holds: its lines or rows, its columns, and its bytes once it is unpacked (about, for Parquet)."""

    rows: int
    columns: int
    bytes: int


def extent(path: Path) -> Extent:
    """Count a file's rows without a look at what they say. Raises `InputError` as `Table.read` does."""
    columns = len(next(blocks(path)).columns)
    if kind_of(path) == "parquet":
        rows = _height(path)
        return Extent(rows=rows, columns=columns, bytes=rows * columns * _CELL)
    rows = size = 0
    with opened(path) as file:
        while content := read_from(file, path, BLOCK):
            rows, size = rows + content.count(b"\n"), size + len(content)
    return Extent(rows=rows, columns=columns, bytes=size)


def blocks(path: Path, size: int = BLOCK) -> Iterator[Table]:
    """All rows of a file in its order, as tables of about `size` bytes that know their lines.

    A Parquet file's row groups are read one by one. Where a file holds JSON lines, each table has its own columns and
    types. Raises `InputError` as `Table.read` does.
    """
    kind = kind_of(path)
    with opened(path) as file:
        check_head(path, read_from(file, path, HEAD), kind)
    yield from _slices(path, size) if kind == "parquet" else _tables(path, kind, size)


def _slices(path: Path, size: int) -> Iterator[Table]:
    with readable(path, "parquet"):
        lazy, rows = pl.scan_parquet(path), _height(path)
        each = max(1, size // (_CELL * max(1, len(lazy.collect_schema()))))
        for above in range(0, max(rows, 1), each):
            yield Table(path.name, lazy.slice(above, each).collect(), 1, above=above)


def _height(path: Path) -> int:
    with readable(path, "parquet"):
        return int(pl.scan_parquet(path).select(pl.len()).collect().item())


def _tables(path: Path, kind: str, size: int) -> Iterator[Table]:
    header, above = b"", 0
    for content in _contents(path, kind, size):
        yield Table(path.name, *frame_of(path, kind, header + content, above), above=above)
        above += content.count(b"\n")
        if kind == "csv" and not header:
            header, above = content[: content.find(b"\n") + 1], above - 1  # it comes again, and is counted there


def _contents(path: Path, kind: str, size: int) -> Iterator[bytes]:
    """The file's bytes, cut between rows; lines that are no row come with what is below them."""
    content, is_first = b"", True
    with opened(path) as file:
        while more := read_from(file, path, size):
            content += more
            end = _end(content, kind)
            if _has_rows(content[:end], kind, is_first):
                yield content[:end]
                content, is_first = content[end:], False
    if is_first or _has_rows(content, kind, is_first):
        yield content


def _has_rows(content: bytes, kind: str, is_first: bool) -> bool:
    """Whether there is a row: a blank line is one of a CSV below its header, and none of JSON lines."""
    return bool(content if kind == "csv" and not is_first else content.strip())


def _end(content: bytes, kind: str) -> int:
    """Where the last whole row ends, 0 where none does: a line break inside of a CSV's quotes ends no row."""
    end = content.rfind(b"\n") + 1
    while kind == "csv" and end and content.count(b'"', 0, end) % 2:
        end = content.rfind(b"\n", 0, end - 1) + 1
    return end
