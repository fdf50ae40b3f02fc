"""Which network? Every kind of them trained, exported and asked alike: `python -m nearsight_benchmarks.networks`.

All train on the same histories of a public data set with the same settings, become the bundle's default, an 8-bit step
graph, and answer the test's questions with that very file in LiteRT. Their steps are timed in turns in one process.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.backends import choose
from nearsight.bundle import write_atomically
from nearsight.errors import NearsightError
from nearsight.trunk import Kind
from nearsight_benchmarks.config import BenchConfig
from nearsight_benchmarks.contestants import weight
from nearsight_benchmarks.host import Host, describe, load_average
from nearsight_benchmarks.material import Material, gathered
from nearsight_benchmarks.results import Weight
from nearsight_benchmarks.scoring import auc_difference, quality
from nearsight_benchmarks.timing import Calls, Latency, interleaved, summary
from nearsight_export.config import ExportConfig
from nearsight_export.replay import replayed
from nearsight_training.config import LogConfig
from nearsight_training.datasets.catalogue import DataSet, dataset
from nearsight_training.declaration import read_declaration
from nearsight_training.log import log_of
from nearsight_training.metrics import Interval
from nearsight_training.preparation import Prepared, prepare
from nearsight_training.progress import SILENT, Progress
from nearsight_training.run import Source

__all__ = ["Asked", "Compared", "Networks", "asked", "compared", "config_of", "made", "table"]

KINDS: tuple[Kind, ...] = get_args(Kind)
_STEP = "step.tflite"


class Compared(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One network. `more` is its AUC less the first one's on the same resampled users, None for that one itself.

    `weights` counts its numbers, `state` those that sum up a history; `size` is the step graph's and `training` the
    seconds and epochs of its training.
    """

    network: Kind
    auc: Interval
    more: Interval | None
    size: Weight
    latency: Latency
    weights: int
    state: int
    training_seconds: float
    epochs: int


class Networks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All networks on one question of a data set."""

    data: str
    question: str
    questions: int
    users: int
    seed: int
    resamples: int
    networks: tuple[Compared, ...]
    load_average: float | None
    host: Host
    command: str


class Asked(msgspec.Struct, frozen=True):
    """A network from disk: its step graph, what it answers `(Q,)` by kind of question, and how its step is timed."""

    material: Material
    step: bytes
    answers: dict[str, NDArray[np.float64]]
    calls: Calls


def config_of(data: DataSet, epochs: int | None = None, seed: int = 1) -> LogConfig:
    """The training's configuration with the questions that the catalogue declares; `epochs` None is the default."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(data.questions)
        file.flush()
        config = read_declaration(Path(file.name)).config()
    given = dict(zip((option.removeprefix("--") for option in data.options[::2]), data.options[1::2], strict=True))
    fitting = msgspec.structs.replace(config.fitting, seed=seed, epochs=epochs or config.fitting.epochs)
    return msgspec.structs.replace(config, **given, fitting=fitting)


def made(
    prepared: Prepared, config: LogConfig, source: Source, kind: Kind, folder: Path, progress: Progress = SILENT
) -> tuple[Path, Path]:
    """Train a network of that kind and export it; returns its run and its bundle below `folder`.

    Raises as training and export do.
    """
    from nearsight_export.export import export
    from nearsight_training.train import train_prepared

    config = msgspec.structs.replace(config, size=msgspec.structs.replace(config.size, network=kind))
    path, bundle = folder / kind, folder / f"{kind}.nsight"
    train_prepared(prepared, config, source, path, progress)
    export(path, ExportConfig(variants=("int8",)), bundle, progress)
    return path, bundle


def asked(run: Path, bundle: Path, bench: BenchConfig) -> Asked:
    """Put the test's questions to the bundle's step graph in LiteRT."""
    material = gathered(run, bundle, bench)
    step, trunk, exam = material.bundle.members[_STEP], material.run.trunk, material.exam
    backend = choose("litert", {_STEP: step}, trunk)
    replay = replayed(backend, trunk, exam.histories)
    given = {"event": replay.heads, "ask": replay.asked}
    answers = {each.kind: given[each.kind][each.indices, exam.column].astype(np.float64) for each in exam.kinds}
    return Asked(material, step, answers, material.tape.step(trunk.kind, backend, trunk.state_size))


def compared(networks: Sequence[Asked], bench: BenchConfig, progress: Progress = SILENT, command: str = "") -> Networks:
    """Time the networks' steps in turns and set each beside the first. All come of the same data and seed."""
    times = interleaved([each.calls for each in networks], bench.plan, seed=bench.seed, progress=progress)
    first = networks[0].material
    questions = first.exam.kinds[0]
    return Networks(
        data=first.run.source.name,
        question=first.question,
        questions=len(questions),
        users=len(np.unique(questions.users)),
        seed=first.run.seed,
        resamples=bench.resamples,
        networks=tuple(_figures(each, networks[0], summary(times[each.calls.name]), bench) for each in networks),
        load_average=load_average(),
        host=describe(),
        command=command,
    )


def _figures(network: Asked, first: Asked, latency: Latency, bench: BenchConfig) -> Compared:
    run, questions = network.material.run, network.material.exam.kinds[0]
    draws, seed, kind = bench.resamples, bench.seed, questions.kind
    mine, other = network.answers[kind], first.answers[kind]
    return Compared(
        network=run.trunk.kind,
        auc=quality([questions], network.answers, draws, seed)[kind]["auc"],
        more=None if network is first else auc_difference(questions, mine, other, draws, seed),
        size=weight(network.step),
        latency=latency,
        weights=sum(int(np.prod(shape)) for shape in run.trunk.weight_shapes.values()),
        state=run.trunk.state_size,
        training_seconds=sum(epoch.seconds for epoch in run.history),
        epochs=len(run.history),
    )


def table(found: Networks) -> str:
    """The comparison in Markdown."""
    names = ["network", "AUC", f"more than {found.networks[0].network}, paired", "step, kB", "step, µs", "state", "s"]
    rows = [names, ["---"] * len(names), *(_row(each) for each in found.networks)]
    about = (
        f"{found.data}: {found.question} {found.questions:,} questions about {found.users:,} test users, "
        f"{found.resamples} resamples of users, seed {found.seed}."
    )
    return "\n".join([about, "", *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _row(each: Compared) -> list[str]:
    return [
        each.network,
        f"{each.auc.value:.4f} ({each.auc.low:.4f} to {each.auc.high:.4f})",
        f"{each.more.value:+.4f} ({each.more.low:+.4f} to {each.more.high:+.4f})" if each.more else "",
        f"{each.size.raw / 1000:.1f}",
        f"{each.latency.p50_us:.1f}",
        str(each.state),
        f"{each.training_seconds:.0f}",
    ]


def main(arguments: Sequence[str]) -> None:
    """Parse, compare, print, write."""
    parser = argparse.ArgumentParser("python -m nearsight_benchmarks.networks", description="Every kind of network.")
    parser.add_argument("--data", default="cdnow", help="a public data set, as nearsight datasets lists them")
    parser.add_argument("--head", help="the yes/no question to score; without it the first")
    parser.add_argument("--network", action="append", choices=KINDS, help="only some of them; repeat it")
    parser.add_argument("--epochs", type=int, help="fewer for a look; the default is the training's own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    options = parser.parse_args(arguments)
    try:
        found = _on(options, " ".join(["python -m nearsight_benchmarks.networks", *arguments]))
    except NearsightError as error:
        parser.error(str(error))
    sys.stdout.write(table(found))
    if options.out:
        write_atomically(options.out, msgspec.json.format(msgspec.json.encode(found), indent=1))


def _on(options: argparse.Namespace, command: str) -> Networks:
    data = dataset(options.data)
    config, loaded = config_of(data, options.epochs, options.seed), data.load()
    log = log_of(loaded, config)
    source = Source(name=data.name, sha256="", rows=len(loaded), users=len(log.users))
    prepared, bench = prepare(log, config), BenchConfig(head=options.head)
    with tempfile.TemporaryDirectory() as folder:
        paths = [made(prepared, config, source, kind, Path(folder)) for kind in options.network or KINDS]
        return compared([asked(*each, bench) for each in paths], bench, command=command)


if __name__ == "__main__":
    main(sys.argv[1:])
