"""SHA-256 from the interpreter itself: hashlib would load OpenSSL, 3.6 MB of an app's memory, for the same digits.

The standard library's own random module takes its hash this way, for the same reason.
"""

import sys
from typing import Protocol

__all__ = ["sha256"]


class _Digest(Protocol):
    def update(self, content: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class _Sha256(Protocol):
    def __call__(self, content: bytes = ..., /) -> _Digest: ...


def _found() -> _Sha256:
    name = "_sha2" if sys.version_info >= (3, 12) else "_sha256"
    try:
        chosen: _Sha256 = __import__(name).sha256
    except ImportError:  # another interpreter than CPython
        import hashlib

        return hashlib.sha256
    return chosen


sha256 = _found()
