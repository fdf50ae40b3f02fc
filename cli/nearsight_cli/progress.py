"""Progress on standard error: a bar while a stage runs, one line once it is done."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

__all__ = ["Drawn"]


class Drawn:
    """Draws `nearsight_training.progress.Progress`. Where standard error isn't a terminal, only the lines remain.

    Use it in a `with` block, so that a stage that fails leaves the terminal as it was.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._title = ""
        self._began = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._erase()

    def start(self, title: str, total: int) -> None:
        """A stage of `total` steps begins; 0 steps are a stage of unknown length."""
        self._erase()
        self._title, self._began = title[:1].upper() + title[1:], time.monotonic()
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f}") if total else TextColumn(""),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
        )
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._task = self._bar.add_task(self._title, total=total or None, note="")
        self._bar.start()

    def advance(self, note: str = "") -> None:
        """One step is done; `note` stands beside the bar until the next one."""
        if self._bar:
            self._bar.update(self._task, advance=1, note=note)

    def finish(self, summary: str = "") -> None:
        """The stage is over: its bar makes room for a line with its summary and its time."""
        self._erase()
        seconds = time.monotonic() - self._began
        told = f"  {summary}" if summary else ""
        self._console.print(f"[green]done[/green]  {self._title}[dim]{told}  ({seconds:.0f} s)[/dim]")

    def _erase(self) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None
