"""Everybody who takes part in a benchmark of one run."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from nearsight_benchmarks import contestants
from nearsight_benchmarks.alternatives import alternatives, made
from nearsight_benchmarks.config import BenchConfig
from nearsight_benchmarks.contestants import HERE, RUNTIMES, Candidate, Found
from nearsight_benchmarks.lengths import at_lengths
from nearsight_benchmarks.material import Material
from nearsight_benchmarks.observing import observers
from nearsight_benchmarks.remote import devices
from nearsight_benchmarks.rivals import fit_rivals
from nearsight_training.progress import SILENT, Progress

__all__ = ["Lineup", "lined_up"]


class Lineup(msgspec.Struct, frozen=True):
    """The candidates, and why others are missing."""

    candidates: tuple[Candidate, ...]
    skipped: dict[str, str]


@contextmanager
def lined_up(
    material: Material, bundle_path: Path, config: BenchConfig, progress: Progress = SILENT
) -> Iterator[Lineup]:
    """Load every artifact, convert the windows that are missing, fit the peers, build the Keras models and let other
    tools convert the same network.

    A contestant that needs another process lives there as long as the block.
    """
    run, tape = material.run, material.tape
    progress.start("gathering contestants", 6 + bool(config.tflite_python))
    with ThreadPoolExecutor(1) as other_core:
        converting = other_core.submit(
            at_lengths,
            material.artifacts,
            run,
            material.weights,
            material.training,
            config.windows,
            integer=not config.quick,
            seed=config.seed,
        )
        making = other_core.submit(made, material, max(config.windows), config.seed, windows=not config.quick)
        found: list[Found] = [*observers(material, bundle_path)]
        progress.advance("observers")
        found += contestants.steps(material.artifacts, HERE, run.trunk, tape)
        found.append(contestants.step("fp32", "numpy", "step.npz", material.archive, run.trunk, tape))
        progress.advance("steps")
        found += fit_rivals(material, config.training_questions, config.seed)
        progress.advance("peers")
        found += contestants.keras(run.trunk, material.weights, config.windows, tape)
        progress.advance("Keras")
        lengths, others = converting.result(), making.result()
    found += contestants.window_graphs(lengths.graphs, HERE, run.trunk, tape)
    progress.advance("window graphs")
    found += alternatives(others, material)
    progress.advance("other tools")
    with ExitStack() as processes:
        if config.tflite_python:
            found = [each for each in found if isinstance(each, Candidate) or each[0] != RUNTIMES["tflite"]]
            away = devices(config.tflite_python, "tflite", material, bundle_path, config, lengths.graphs)
            found += processes.enter_context(away)
            progress.advance("the other interpreter's")
        progress.finish()
        candidates = tuple(each for each in found if isinstance(each, Candidate))
        missing = dict(each for each in found if not isinstance(each, Candidate))
        yield Lineup(candidates, missing | lengths.skipped)
