"""A public file: in a folder of the user's, in the cache, or fetched from its source and checked."""

import gzip
import io
import logging
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nearsight.errors import InputError

__all__ = ["FOLDER", "File", "as_served", "member"]

FOLDER = "NEARSIGHT_DATA"
_GZIP = b"\x1f\x8b"

Kept = Callable[[bytes], bytes]


def as_served(download: bytes) -> bytes:
    """All of a download."""
    return download


def member(download: bytes, name: str) -> bytes:
    """The file of this name in a zip archive. Raises `InputError` where the download is none or doesn't hold it."""
    try:
        with zipfile.ZipFile(io.BytesIO(download)) as archive:
            return archive.read(name)
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"a zip archive with {name} was expected, received something else ({error})") from error


@dataclass(frozen=True, kw_only=True)
class File:
    """Where a data set's file lies and how to know it.

    `place` is its path in the folder `$NEARSIGHT_DATA`. `kept` takes from what `url` serves what is worth keeping in
    the cache, under the name `cached`; `sha256` is that of what was kept, so that an archive may be packed anew at its
    source without harm, and no other content passes.
    """

    place: str
    url: str
    cached: str
    sha256: str
    kept: Kept = as_served

    def content(self) -> bytes:
        """What the file holds, unzipped where it is gzip data.

        Taken from the folder `$NEARSIGHT_DATA` where that holds it, else from the cache, else fetched. Raises
        `InputError` where it can't be fetched or isn't what was expected.
        """
        content = (self.in_folder() or self._fetched()).read_bytes()
        return gzip.decompress(content) if content.startswith(_GZIP) else content

    def in_folder(self) -> Path | None:
        """The file in the folder `$NEARSIGHT_DATA`, None where there is none."""
        folder = os.environ.get(FOLDER)
        path = Path(folder, self.place) if folder else None
        return path if path and path.is_file() else None

    def in_cache(self) -> Path | None:
        """The file in the cache, None where it wasn't fetched yet."""
        path = _cache() / self.cached
        return path if path.is_file() else None

    def _fetched(self) -> Path:
        import pooch

        try:
            with _quiet(pooch.get_logger()):
                return Path(pooch.retrieve(self.url, self.sha256, self.cached, _cache(), downloader=self._download))
        except InputError as error:
            raise InputError(f"{self.url} isn't what it was: {error}; {self._advice()}") from error
        except OSError as error:
            raise InputError(f"{self.url} can't be fetched ({_reason(error)}): {self._advice()}") from error
        except ValueError as error:
            raise InputError(
                f"{self.url} isn't what it was: data with the SHA-256 {self.sha256} were expected, received others; "
                f"{self._advice()}"
            ) from error

    def _download(self, url: str, output: Any, pooch: Any) -> None:
        """Pooch's way to fetch; it checks what was kept and moves it into the cache only where that is right."""
        from pooch import HTTPDownloader

        whole = io.BytesIO()
        HTTPDownloader()(url, whole, pooch)
        Path(output).write_bytes(self.kept(whole.getvalue()))

    def _advice(self) -> str:
        return f"try again later, or set {FOLDER} to a folder that holds {self.place}"


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("nearsight"))


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Pooch tells every step on standard error, where a command has one sentence of its own to say."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _reason(error: OSError) -> str:
    response = getattr(error, "response", None)
    return f"HTTP status {response.status_code}" if response is not None else type(error).__name__
