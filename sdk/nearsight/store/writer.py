"""The thread that writes what waits: soon after it began to wait, at once when there is much of it, else never."""

from collections.abc import Callable
from threading import Event, Thread

from nearsight.errors import StoreError

__all__ = ["Writer"]


class Writer:
    """Calls `write` within `seconds` of `begin`, or as soon as `hurry` says so; idle, it doesn't wake up at all.

    A `write` that raises `StoreError` is tried again after as many seconds.
    """

    def __init__(self, seconds: float, write: Callable[[], None]) -> None:
        self._seconds, self._write = seconds, write
        self._begun, self._hurried, self._stopped = Event(), Event(), False
        self.begin, self.hurry = self._begun.set, self._hurried.set
        self._thread = Thread(target=self._run, name="nearsight-store", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what it is writing is written first."""
        self._stopped = True
        self._begun.set()
        self._hurried.set()
        self._thread.join()

    def _run(self) -> None:
        while self._begun.wait() and not self._stopped:
            self._begun.clear()
            self._hurried.wait(self._seconds)
            self._hurried.clear()
            if self._stopped:
                return
            try:
                self._write()
            except StoreError:  # whoever calls flush, or observes until no more may wait, is told
                self._begun.set()
