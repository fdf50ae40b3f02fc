"""How training grows with the log: time and memory from a file to sequences, and of an epoch over them.

`python -m nearsight_benchmarks.scale` invents a log of five million events and reads it in a fresh process, three
times, up to encoded, labelled and split histories. Then, in another one, it trains for some epochs on 25,000 histories
of 32 events, as `nearsight train` would. It takes a few minutes on two cores. With `--memory 2GB` it also invents a log
of twenty million events and prepares it as a whole and in the parts that such a training would take.
"""

import argparse
import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from nearsight.bundle import write_atomically
from nearsight_benchmarks.crowd import TARGET, crowd
from nearsight_benchmarks.fresh import measure
from nearsight_benchmarks.host import Host, describe, load_average
from nearsight_training.columns import Table
from nearsight_training.config import Fitting, LogConfig, Target
from nearsight_training.log import log_of
from nearsight_training.memory import bytes_of
from nearsight_training.parts import in_parts, parts_within
from nearsight_training.preparation import Prepared, prepare, prepare_split
from nearsight_training.split import TEST, TRAIN, VALIDATION, plan

__all__ = [
    "Epochs",
    "Parted",
    "Scale",
    "Sequences",
    "measured",
    "parted",
    "prepare_file",
    "prepare_file_in_parts",
    "sequences",
    "train_file",
]

_PREPARE = "import sys; from nearsight_benchmarks.scale import prepare_file; prepare_file(*sys.argv[1:])"
_PARTS = (
    "import sys; from nearsight_benchmarks.scale import prepare_file_in_parts; prepare_file_in_parts(*sys.argv[1:])"
)
_TRAIN = "import sys; from nearsight_benchmarks.scale import train_file; train_file(*sys.argv[1:])"
_WEEK_SECONDS = 7 * 86400.0
_PIECE = 5_000_000  # events that are invented together
_HELD_OUT = 10  # as many others for a test and a validation user each


class Sequences(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From a file to histories: medians. `process_seconds` begin with the spawn.

    `cpu_seconds` are those of all cores together, which another process beside this one hardly changes.
    """

    events: int
    users: int
    questions: int
    file_megabytes: float
    seconds: dict[str, float]
    cpu_seconds: float
    process_seconds: float
    peak_megabytes: float
    processes: int


class Epochs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Training on `histories` of `length` events each. `seconds` of each epoch hold the check of validation."""

    histories: int
    length: int
    seconds: tuple[float, ...]
    median_seconds: float
    cpu_seconds_per_epoch: float
    peak_megabytes: float


class Parted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One large log, prepared as a whole and in the parts with which training takes about `memory`."""

    events: int
    users: int
    file_megabytes: float
    memory: str
    parts: int
    whole_seconds: float
    whole_megabytes: float
    parts_seconds: float
    parts_megabytes: float


class Scale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it. `load_average` is what else the machine did, before and after."""

    sequences: Sequences
    epochs: Epochs
    parted: Parted | None = None
    seed: int
    load_average: tuple[float | None, float | None]
    host: Host
    command: str


class _Stages(msgspec.Struct):
    """What a process that reads a file says."""

    questions: int
    seconds: dict[str, float]
    cpu_seconds: float


class _Trained(msgspec.Struct):
    """What a process that trains says."""

    seconds: tuple[float, ...]
    cpu_seconds: float


def measured(
    events: int,
    users: int,
    histories: int,
    length: int,
    *,
    epochs: int,
    processes: int,
    seed: int,
    memory: str | None = None,
    many: int = 0,
    command: str = "",
) -> Scale:
    """Invent the logs, run the processes and take the medians. Raises `InputError` where one fails.

    With `memory` a log of `many` events is prepared in parts as well.
    """
    before = load_average()
    with tempfile.TemporaryDirectory() as folder:
        prepared = sequences(Path(folder), events, users, processes, seed)
        trained = _epochs(Path(folder), histories, length, epochs, seed)
        large = parted(Path(folder), many, many * users // events, memory, seed) if memory else None
    return Scale(
        sequences=prepared,
        epochs=trained,
        parted=large,
        seed=seed,
        load_average=(before, load_average()),
        host=describe(),
        command=command,
    )


def sequences(folder: Path, events: int, users: int, processes: int, seed: int) -> Sequences:
    """Invent a log in `folder` and read it in fresh processes, one after the other."""
    log, out = folder / "log.csv", folder / "stages.json"
    crowd(users, events, seed).write_csv(log)
    starts, stages = [], []
    for _ in range(processes):
        starts.append(measure(_PREPARE, (str(log), str(out)), 1, is_warm=True))
        stages.append(msgspec.json.decode(out.read_bytes(), type=_Stages))
    return Sequences(
        events=events,
        users=users,
        questions=stages[0].questions,
        file_megabytes=log.stat().st_size / 1e6,
        seconds={name: statistics.median(each.seconds[name] for each in stages) for name in stages[0].seconds},
        cpu_seconds=statistics.median(each.cpu_seconds for each in stages),
        process_seconds=statistics.median(start.seconds for start in starts),
        peak_megabytes=statistics.median(start.megabytes for start in starts),
        processes=processes,
    )


def parted(folder: Path, events: int, users: int, memory: str, seed: int) -> Parted:
    """Invent a log in `folder`, piece by piece, and prepare it in two fresh processes: as a whole, and in parts."""
    log, out = folder / "large.csv", folder / "parts.json"
    with log.open("wb") as file:
        for number, first in enumerate(range(0, events, _PIECE)):
            crowd(users, min(_PIECE, events - first), seed + number).write_csv(file, include_header=not number)
    whole = measure(_PREPARE, (str(log), str(out)), 1, is_warm=True)
    parts = measure(_PARTS, (str(log), memory, str(out)), 1, is_warm=True)
    return Parted(
        events=events,
        users=users,
        file_megabytes=log.stat().st_size / 1e6,
        memory=memory,
        parts=int(out.read_text()),
        whole_seconds=whole.seconds,
        whole_megabytes=whole.megabytes,
        parts_seconds=parts.seconds,
        parts_megabytes=parts.megabytes,
    )


def _epochs(folder: Path, histories: int, length: int, epochs: int, seed: int) -> Epochs:
    log, out = folder / "even.csv", folder / "epochs.json"
    everybody = histories + 2 * (histories // _HELD_OUT)
    crowd(everybody, everybody * length, seed, is_even=True).write_csv(log)
    start = measure(_TRAIN, (str(log), str(histories), str(epochs), str(out)), 1, is_warm=True)
    found = msgspec.json.decode(out.read_bytes(), type=_Trained)
    return Epochs(
        histories=histories,
        length=length,
        seconds=found.seconds,
        median_seconds=statistics.median(found.seconds),
        cpu_seconds_per_epoch=found.cpu_seconds / len(found.seconds),
        peak_megabytes=start.megabytes,
    )


def prepare_file(log: str, out: str) -> None:
    """Turn a file into histories and write to `out` how long each stage took."""
    config, before, clock = _config(1), time.process_time(), [time.perf_counter()]
    table = Table.read(Path(log))
    clock.append(time.perf_counter())
    read = log_of(table, config)
    del table
    clock.append(time.perf_counter())
    prepared = prepare(read, config)
    clock.append(time.perf_counter())
    names = ("read", "lay out", "prepare")
    seconds = {name: end - begin for name, begin, end in zip(names, clock[:-1], clock[1:], strict=True)}
    seconds["all"] = clock[-1] - clock[0]
    found = _Stages(len(prepared.histories.ask_time), seconds, time.process_time() - before)
    Path(out).write_bytes(msgspec.json.encode(found))


def prepare_file_in_parts(log: str, memory: str, out: str) -> None:
    """Turn a file into histories in as many parts as `memory` asks for, on disk beside `out`, and write how many."""
    parts = max(2, parts_within(Path(log), bytes_of(memory)))
    config = msgspec.structs.replace(_config(1), parts=parts)
    with in_parts(Path(log), config, Path(out)):
        Path(out).write_text(str(parts))


def train_file(log: str, histories: str, epochs: str, out: str) -> None:
    """Train on as many histories of a file and write to `out` how many seconds each epoch took."""
    from nearsight_training.fit import fit, seeded
    from nearsight_training.learning import trunk_of
    from nearsight_training.network import build

    config = _config(int(epochs))
    prepared = _split(Path(log), int(histories), config)
    seeded(config.fitting.seed)
    model = build(trunk_of(prepared.spec, prepared.heads, config.size), asks=True, dropout=config.fitting.dropout)
    training, validation = (prepared.histories.select(split) for split in (TRAIN, VALIDATION))
    before = time.process_time()
    found = fit(model, training, validation, prepared.heads, config.fitting, config.window)
    told = _Trained(tuple(epoch.seconds for epoch in found), time.process_time() - before)
    Path(out).write_bytes(msgspec.json.encode(told))


def _split(path: Path, histories: int, config: LogConfig) -> Prepared:
    """Prepared histories of which exactly so many are trained on."""
    log = log_of(Table.read(path), config)
    order = np.random.default_rng(config.fitting.seed).permutation(len(log.users))
    users = np.full(len(log.users), TRAIN, np.int8)
    users[order[histories::2]], users[order[histories + 1 :: 2]] = VALIDATION, TEST
    return prepare_split(log, config, dataclasses.replace(plan(log, config), users=users))


def _config(epochs: int) -> LogConfig:
    """What `nearsight train --target purchase --within 7d` would do, by users alone and without an early stop."""
    target = Target(name=TARGET, events=(TARGET,), within_seconds=_WEEK_SECONDS)
    return LogConfig(targets=(target,), split="user", fitting=Fitting(epochs=epochs, patience=epochs))


def _table(found: Scale) -> str:
    prepared, epochs = found.sequences, found.epochs
    stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in prepared.seconds.items())
    return (
        f"{prepared.events:,} events ({prepared.file_megabytes:.0f} MB) to histories and {prepared.questions:,} "
        f"questions: {stages}; {prepared.cpu_seconds:.1f} s of all cores, at most {prepared.peak_megabytes:.0f} MB\n"
        f"an epoch over {epochs.histories:,} histories of {epochs.length} events: {epochs.median_seconds:.1f} s; "
        f"{epochs.cpu_seconds_per_epoch:.1f} s of all cores, at most {epochs.peak_megabytes:.0f} MB\n"
    )


def _large(found: Parted) -> str:
    return (
        f"{found.events:,} events ({found.file_megabytes:.0f} MB) prepared as a whole: {found.whole_seconds:.0f} s, at "
        f"most {found.whole_megabytes:.0f} MB; for {found.memory} in {found.parts} parts: {found.parts_seconds:.0f} s, "
        f"at most {found.parts_megabytes:.0f} MB\n"
    )


def main(arguments: Sequence[str]) -> None:
    """Parse, measure, print, write."""
    parser = argparse.ArgumentParser("python -m nearsight_benchmarks.scale", description="Large logs and an epoch.")
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--users", type=int, default=150_000)
    parser.add_argument("--histories", type=int, default=25_000)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory", help="also prepare a larger log in the parts that training in so much takes: 2GB")
    parser.add_argument("--many", type=int, default=20_000_000, help="the events of that log")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    options = vars(parser.parse_args(arguments))
    out = options.pop("out")
    found = measured(**options, command=" ".join(["python -m nearsight_benchmarks.scale", *arguments]))
    sys.stdout.write(_table(found) + (_large(found.parted) if found.parted else ""))
    if out:
        write_atomically(out, msgspec.json.format(msgspec.json.encode(found), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
