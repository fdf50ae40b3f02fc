"""What was dropped and why: counts, never values."""

from collections.abc import Mapping
from threading import Lock

__all__ = ["Audit"]


class Audit:
    """Counts that wait to be written. Safe to be used from several threads."""

    def __init__(self) -> None:
        self._lock, self._counts = Lock(), dict[str, int]()

    def note(self, what: str, number: int = 1) -> None:
        """Count something."""
        if number:
            with self._lock:
                self._counts[what] = self._counts.get(what, 0) + number

    def note_all(self, counts: Mapping[str, int]) -> None:
        """Count what could not be written after all."""
        for what, number in counts.items():
            self.note(what, number)

    def taken(self) -> dict[str, int]:
        """What waits; from now on it waits no longer."""
        with self._lock:
            taken, self._counts = self._counts, {}
        return taken
