"""How long work tells what it is doing: a title, a number of steps, a note per step. The CLI draws it."""

from typing import Protocol

__all__ = ["SILENT", "Progress"]


class Progress(Protocol):
    """One stage at a time: `start`, any number of `advance`, `finish`."""

    def start(self, title: str, total: int) -> None:
        """A stage of `total` steps begins."""

    def advance(self, note: str = "") -> None:
        """One step is done; `note` says how it went."""

    def finish(self, summary: str = "") -> None:
        """The stage is over, possibly before its last step."""


class _Silent:
    def start(self, title: str, total: int) -> None:
        """Say nothing."""

    def advance(self, note: str = "") -> None:
        """Say nothing."""

    def finish(self, summary: str = "") -> None:
        """Say nothing."""


SILENT: Progress = _Silent()
