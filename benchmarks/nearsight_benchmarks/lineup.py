"""Everybody who takes part in a benchmark of one run."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from nearsight_benchmarks import contestants
from nearsight_benchmarks.config import BenchConfig
from nearsight_benchmarks.contestants import Candidate
from nearsight_benchmarks.lengths import at_lengths
from nearsight_benchmarks.material import Material
from nearsight_benchmarks.observing import observers
from nearsight_benchmarks.rivals import fit_rivals
from nearsight_training.progress import SILENT, Progress

__all__ = ["Lineup", "lined_up"]


class Lineup(msgspec.Struct, frozen=True):
    """The candidates, and why others are missing."""

    candidates: tuple[Candidate, ...]
    skipped: dict[str, str]


def lined_up(material: Material, bundle_path: Path, config: BenchConfig, progress: Progress = SILENT) -> Lineup:
    """Load every artifact, convert the windows that are missing, fit the peers and build the Keras models."""
    run, tape = material.run, material.tape
    progress.start("gathering contestants", 5)
    with ThreadPoolExecutor(1) as other_core:
        converting = other_core.submit(
            at_lengths,
            material.artifacts,
            run,
            material.weights,
            material.validation,
            config.windows,
            integer=not config.quick,
            seed=config.seed,
        )
        found: list[Candidate | tuple[str, str]] = [*observers(material, bundle_path)]
        progress.advance("observers")
        found += contestants.steps(material.artifacts, material.archive, run.trunk, tape)
        progress.advance("steps")
        found += fit_rivals(material, config.training_questions, config.seed)
        progress.advance("peers")
        found += contestants.keras(run.trunk, material.weights, config.windows, tape)
        progress.advance("Keras")
        lengths = converting.result()
    found += contestants.window_graphs(lengths.graphs, run.trunk, tape)
    progress.finish()
    candidates = tuple(each for each in found if isinstance(each, Candidate))
    missing = dict(each for each in found if not isinstance(each, Candidate))
    return Lineup(candidates, missing | lengths.skipped)
