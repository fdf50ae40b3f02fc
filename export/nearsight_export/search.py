"""The trials of a search, one after another: each is kept as it ends, until the time is over."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nearsight.errors import NearsightError
from nearsight_export.errors import LateError, UnpromisingError
from nearsight_export.recommendation import Trial
from nearsight_training.progress import Progress

if TYPE_CHECKING:
    import optuna

    from nearsight_export.study import Study

__all__ = ["Choices", "Search", "Within"]

Choices = Mapping[str, Any]
_ARTIFACTS = "trials"


class Search(ABC):
    """What the searches for a network and for a recipe have in common; `figure` is what a score is called."""

    def __init__(self, study: "Study", out: Path, progress: Progress, figure: str) -> None:
        self.study, self.out, self.progress, self.figure = study, out, progress, figure

    @property
    @abstractmethod
    def wanted(self) -> tuple[Choices, ...]:
        """What is tried ahead of anything drawn; every trial is compared with the first of them, the reference."""

    @property
    @abstractmethod
    def stages(self) -> int:
        """About how often a trial's progress advances."""

    @abstractmethod
    def drawn(self, trial: "optuna.trial.Trial") -> Choices:
        """A trial's choices, by name."""

    @abstractmethod
    def measured(self, trial: Trial, reference: Trial | None, deadline: float) -> Trial:
        """The trial with its figures. Raises `LateError` and `UnpromisingError`, but none of them for the reference."""

    @property
    def reference(self) -> Trial | None:
        """The done trial that the others are compared with."""
        done = (trial for trial in self.study.trials if trial.state == "done")
        return next((trial for trial in done if trial.choices == self.wanted[0]), None)

    def run(self, deadline: float, most: int | None) -> bool:
        """Go on until the time is over or `most` were tried; returns whether Ctrl-C ended it.

        Raises what ends the reference.
        """
        durations = list[float]()
        while most is None or len(durations) < most:
            expected = sum(durations) / len(durations) if durations else 0.0
            if self.reference is not None and time.monotonic() + expected > deadline:
                break
            try:
                durations.append(self._tried(deadline).seconds)
            except KeyboardInterrupt:
                if self.reference is None:
                    raise
                return True
        return False

    def artifact(self, number: int) -> Path:
        """Where a trial's step graph lies."""
        return self.out / _ARTIFACTS / f"{number:04d}.tflite"

    def _tried(self, deadline: float) -> Trial:
        """One trial, kept in the study. Raises what ends the reference, and `KeyboardInterrupt`."""
        reference, began = self.reference, time.monotonic()
        drawn = self.study.begun(self._next(reference))
        choices, left = self.drawn(drawn), max(0.0, deadline - began) / 60
        self.progress.start(f"trial {drawn.number}, {left:.0f} min left", self.stages)
        found = Trial(number=drawn.number, state="failed", choices=choices, seconds=0.0, reason="it was interrupted")
        try:
            found = self.measured(found, reference, deadline)
        except (LateError, UnpromisingError) as end:
            found = msgspec.structs.replace(found, state="pruned", reason=str(end))
        except NearsightError as error:
            found = msgspec.structs.replace(found, reason=str(error))
            if reference is None:
                raise
        finally:
            found = msgspec.structs.replace(found, seconds=time.monotonic() - began)
            self.study.ended(drawn, found)
        self.progress.finish(self._told(found))
        return found

    def _next(self, reference: Trial | None) -> Choices | None:
        """What the coming trial shall choose: the reference until it is done, then the rest of what is wanted."""
        if reference is None:
            return self.wanted[0]
        tried = [trial.choices for trial in self.study.trials]
        return next((choices for choices in self.wanted if choices not in tried), None)

    def _told(self, trial: Trial) -> str:
        if trial.state != "done":
            return f"{trial.state}: {trial.reason}"
        score, pace, size = trial.values
        return f"{self.figure} {abs(score):.4f}, {trial.p50_us:.1f} µs ({pace:.2f}), {size / 1000:.1f} kB"


class Within:
    """Passes on the steps of a trial's parts, whose beginnings and ends are nobody's business, until time is over."""

    def __init__(self, outer: Progress, deadline: float = float("inf")) -> None:
        self._outer, self._deadline = outer, deadline

    def start(self, title: str, total: int) -> None:
        """The trial has begun already."""

    def advance(self, note: str = "") -> None:
        """One step of the trial. Raises `LateError` past the deadline."""
        if time.monotonic() > self._deadline:
            raise LateError("the time was over")
        self._outer.advance(note)

    def finish(self, summary: str = "") -> None:
        """The trial goes on."""
