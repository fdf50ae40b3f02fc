"""What a benchmark is told."""

from pathlib import Path

import msgspec

from nearsight_benchmarks.timing import Plan

__all__ = ["BenchConfig"]


class BenchConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which question is scored, which windows are timed, and how thoroughly.

    `head` is the yes/no head to score, None for the first. `windows` are lengths in events. `quick` makes fewer
    calls, puts one kind of question, draws fewer resamples, starts fewer processes and doesn't convert integer windows
    anew: about a minute instead of several. `tflite_python`, an interpreter with tflite-runtime, lets that take part.
    """

    head: str | None = None
    windows: tuple[int, ...] = (32, 128)
    quick: bool = False
    seed: int = 0
    tflite_python: Path | None = None

    def __post_init__(self) -> None:
        if not self.windows or min(self.windows) < 2:
            raise ValueError("a benchmark needs window lengths of at least 2 events")

    @property
    def plan(self) -> Plan:
        """How many calls are timed."""
        return Plan(seconds=0.6, fewest=10, rounds=10, warm_up=12) if self.quick else Plan(seconds=4.0, fewest=100)

    @property
    def users(self) -> int:
        """At most how many test users are asked about; quick or not, so that both find the same AUC."""
        return 20_000

    @property
    def training_questions(self) -> int:
        """At most how many questions LightGBM is fitted on."""
        return 30_000 if self.quick else 300_000

    @property
    def resamples(self) -> int:
        """How many times users are drawn anew for the intervals."""
        return 200 if self.quick else 500

    @property
    def processes(self) -> int:
        """How many fresh processes each start-up figure is the median of; a slow one gets a third of them."""
        return 3 if self.quick else 9

    @property
    def replays(self) -> int:
        """How many times `score_many` replays the histories."""
        return 3 if self.quick else 7
