"""CSV, JSON lines and Parquet: what a file of each must look like, and the frames in their bytes."""

import codecs
import csv
import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
import polars as pl

from nearsight.errors import InputError

__all__ = ["BELOW_HEADER", "HEAD", "check_head", "content_of", "frame_of", "kind_of", "opened", "read_from", "readable"]

BELOW_HEADER = 2  # the first line of a CSV's rows
HEAD = 65536  # bytes that tell what a file holds

_GZIP, _PARQUET, _ZIP = b"\x1f\x8b", b"PAR1", b"PK\x03\x04"
_MAGIC = {"gzip data": _GZIP, "Parquet": _PARQUET, "a zip archive": _ZIP}
_KINDS = {".csv": "csv", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}


def kind_of(path: Path) -> str:
    """`csv`, `json` or `parquet`, by the file's name. Raises `InputError` where it is none of these."""
    zipped = path.suffix == ".gz"
    kind = _KINDS.get(Path(path.stem).suffix if zipped else path.suffix)
    if kind is None or (zipped and kind == "parquet"):
        known = ".csv, .csv.gz, .jsonl, .jsonl.gz, .ndjson or .parquet"
        raise InputError(f"{path} must end in {known}: rename or convert it")
    return kind


def opened(path: Path) -> IO[bytes]:
    """The file, unpacked if it is gzip data by its name. Raises `InputError` where it can't be read."""
    try:
        return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}): pass the path of a file") from error


def read_from(file: IO[bytes], path: Path, size: int = -1) -> bytes:
    """At most `size` further bytes, or all. Raises `InputError` where they can't be read or unpacked."""
    try:
        return file.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} isn't whole gzip data ({error}): fetch it again or rename it") from error
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}): pass the path of a file") from error


def content_of(path: Path) -> tuple[str, bytes]:
    """The kind and all bytes of a file. Raises `InputError` where it can't be read, or isn't what its name says."""
    kind = kind_of(path)
    with opened(path) as file:
        content = read_from(file, path)
    check_head(path, content, kind)
    return kind, content


def check_head(path: Path, content: bytes, kind: str) -> None:
    """Raises `InputError` where the `content` with which a file begins isn't of its `kind`."""
    found = next((name for name, magic in _MAGIC.items() if content.startswith(magic)), None)
    if (kind == "parquet") != (found == "Parquet") or (found and kind != "parquet"):
        raise InputError(f"{path} holds {found or 'something else'} and not {kind}, as its name says: rename it")
    if kind != "parquet" and content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{path} is written in UTF-16: save it as UTF-8")
    if kind != "parquet" and b"\0" in content[:HEAD]:
        raise InputError(f"{path} holds binary data and not {kind}, as its name says")
    if kind == "csv" and content.lstrip()[:2] in (b'{"', b"[{"):
        raise InputError(f"{path} holds JSON and not csv, as its name says: rename it to .jsonl")


def frame_of(path: Path, kind: str, content: bytes, above: int = 0) -> tuple[pl.DataFrame, int]:
    """The rows in `content`, `above` which so many lines of the file lie, and the line of the first row in it.

    Every column of a CSV arrives as strings. Raises `InputError` where it can't be read or names a column twice.
    """
    with readable(path, kind):
        return _READERS[kind](content, path.name, above)


@contextmanager
def readable(path: Path, kind: str) -> Iterator[None]:
    """Turns the errors of those who read a file into an `InputError`."""
    try:
        yield
    except (pl.exceptions.PolarsError, UnicodeDecodeError, csv.Error) as error:
        reason = str(error).split("\n")[0][:160]
        advice = "save it as UTF-8" if "utf-8" in reason else "check the file and its ending"
        raise InputError(f"{path} can't be read as {kind} ({reason}): {advice}") from error


def _csv(content: bytes, name: str, above: int) -> tuple[pl.DataFrame, int]:  # noqa: ARG001  (one signature for all readers)
    if not content.strip():
        raise InputError(f"{name} is empty: pass a file with a header and at least one row")
    if b"\n" not in content and b"\r" in content.strip():
        raise InputError(f"{name} ends its lines with carriage returns alone: save it with line feeds")
    header = next(csv.reader([content.lstrip(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode().rstrip("\r")]))
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise InputError(f"{name} has more than one column {twice[0]!r}: give every column a name of its own")
    return pl.read_csv(content, infer_schema=False), BELOW_HEADER


def _json(content: bytes, name: str, above: int) -> tuple[pl.DataFrame, int]:
    if not content.strip():
        raise InputError(f"{name} is empty: pass a file with at least one line")
    try:
        return pl.read_ndjson(content, infer_schema_length=None), 1
    except pl.exceptions.PolarsError as error:
        for number, line in enumerate(content.splitlines(), above + 1):
            if fault := _fault_of_json(line):
                raise InputError(f"{name}, line {number} must be a JSON object, received {fault}: mend it") from error
        raise


def _fault_of_json(line: bytes) -> str:
    try:
        found = msgspec.json.decode(line) if line.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"what isn't JSON ({error})"
    return "" if isinstance(found, dict) else f"JSON of another kind ({type(found).__name__})"


def _parquet(content: bytes, name: str, above: int) -> tuple[pl.DataFrame, int]:  # noqa: ARG001
    return pl.read_parquet(content), 1


_READERS: dict[str, Callable[[bytes, str, int], tuple[Any, int]]] = {"csv": _csv, "json": _json, "parquet": _parquet}
