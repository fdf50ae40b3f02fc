"""Keeps back the line that LiteRT prints on standard error when a process makes its first interpreter."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

__all__ = ["without_greeting"]

_GREETING = b"Created TensorFlow Lite XNNPACK delegate"
_MOST = 65_536  # bytes that a pipe holds on Linux, far more than a start says
_turn = Lock()


@contextmanager
def without_greeting() -> Iterator[None]:
    """Hold the process's standard error meanwhile, and then pass on everything but the greeting.

    Where the process has no standard error, as windowed apps have none, nothing is held. One thread at a time is
    within: two that put each other's pipe back would wait for each other.
    """
    with _turn:
        yield from _held()


def _held() -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    out, into = os.pipe()
    os.dup2(into, 2)
    os.close(into)
    try:
        yield
    finally:
        os.dup2(kept, 2)  # the pipe's last writer goes, so that reading it ends
        said = os.read(out, _MOST)
        os.close(out)
        rest = b"".join(line for line in said.splitlines(keepends=True) if _GREETING not in line)
        if rest:
            os.write(kept, rest)
        os.close(kept)
