"""From a file to a run: `train_log` for event logs, `train_table` for wide tables. TensorFlow comes in with a call."""

import hashlib
import tempfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from nearsight.errors import InputError
from nearsight_training.columns import Table
from nearsight_training.config import LogConfig, TableConfig
from nearsight_training.guarantee import check_private
from nearsight_training.histories import SPLITS
from nearsight_training.log import EventLog, log_of
from nearsight_training.parts import in_parts
from nearsight_training.preparation import Prepared, prepare
from nearsight_training.progress import SILENT, Progress
from nearsight_training.run import Run, Source, check_place, save_run

__all__ = ["sha256", "train_log", "train_prepared", "train_table"]

_LARGEST_SEED = 2**32 - 1  # what NumPy's global generator takes, which tf_keras seeds
_PACKAGES = ("nearsight", "numpy", "polars", "scikit-learn", "tensorflow", "tf_keras")


def train_log(source: Path | Table, config: LogConfig, out: Path, progress: Progress = SILENT) -> Run:
    """Train on an event log and write a run folder to `out`, all of it or nothing.

    `source` is a file or a table that was read already (`nearsight_training.datasets`). Raises `InputError` where the
    file, the configuration or the data can't be used.
    """
    check_place(out)
    _check(config)
    if config.parts > 1:
        return _train_in_parts(source, config, out, progress)
    progress.start("reading", 2)
    table = source if isinstance(source, Table) else Table.read(source)
    log = log_of(table, config)
    found = f"{len(log.times):,} events of {len(log.users):,} users"
    progress.advance(found)
    origin = _source(source, table, log)
    del table
    prepared = prepare(log, config)
    progress.finish(found)
    return train_prepared(prepared, config, origin, out, progress)


def _train_in_parts(source: Path | Table, config: LogConfig, out: Path, progress: Progress) -> Run:
    if isinstance(source, Table):
        raise InputError(f"a log in {config.parts} parts must be a file, received a table in memory: train on it whole")
    with in_parts(Path(source), config, Path(out), progress) as (prepared, totals):
        found = Source(
            name=Path(source).name,
            sha256=sha256(source),
            rows=totals.rows,
            users=totals.users,
            first_time=totals.first_time,
            last_time=totals.last_time,
        )
        return train_prepared(prepared, config, found, out, progress)


def train_table(source: Path, config: TableConfig, out: Path, progress: Progress = SILENT) -> Run:
    """Train the article's network on a wide table and write a run folder to `out`; raises as `train_log` does."""
    from nearsight_training.table import prepare_table, read_table

    check_place(out)
    _check(config)
    table = Table.read(source)
    progress.start("reading", 1)
    samples = read_table(table)
    prepared = prepare_table(samples, config)
    progress.finish(f"{len(table):,} rows of {samples.values.shape[1]} steps")
    found = Source(name=table.name, sha256=sha256(source), rows=len(table), users=len(table))
    return train_prepared(prepared, config, found, out, progress)


def train_prepared(
    prepared: Prepared, config: LogConfig | TableConfig, source: Source, out: Path, progress: Progress = SILENT
) -> Run:
    """Train on histories that are ready, calibrate, measure and write the run."""
    from nearsight_training.ablation import relying
    from nearsight_training.answers import Walker
    from nearsight_training.baselines import gated
    from nearsight_training.discovery import discovered
    from nearsight_training.histories import reference
    from nearsight_training.learning import cutoff_of, learn
    from nearsight_training.transfer import pinned

    config = pinned(config, source)
    with tempfile.TemporaryDirectory() as logs:
        learned = learn(prepared, config, Path(logs), progress)
        cutoff, seed = cutoff_of(config), config.fitting.seed
        gates = gated(prepared, learned.heads, learned.answers, cutoff, seed, progress)
        gates = relying(gates, learned.model, prepared, learned.heads, learned.answers, cutoff, seed, progress)
        walk, part = Walker(learned.trunk, learned.weights), reference(config.fitting)
        beside = discovered(walk, prepared, learned.heads, cutoff, seed, progress, part)
        run = Run(
            name=Path(out).name,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            config=config,
            source=source,
            spec=prepared.spec,
            trunk=learned.trunk,
            heads=learned.heads,
            window=learned.window,
            data=_summary(source, prepared),
            metrics=learned.metrics,
            gates=gates,
            taught=learned.taught,
            beside=beside,
            guarantee=learned.guarantee,
            versions={name: metadata.version(name) for name in _PACKAGES},
            history=learned.epochs,
            notes=(*prepared.notes, *learned.notes, *beside.notes),
        )
        save_run(out, run, learned.weights, prepared.histories, Path(logs))
    return run


def _check(config: LogConfig | TableConfig) -> None:
    """Raises `InputError` where the seed isn't one that every generator takes, and as `check_private` does."""
    check_private(config)
    if not 0 <= config.fitting.seed <= _LARGEST_SEED:
        raise InputError(f"a seed must lie between 0 and {_LARGEST_SEED}, received {config.fitting.seed}")


def _source(source: Path | Table, table: Table, log: EventLog) -> Source:
    return Source(
        name=table.name,
        sha256=sha256(source),
        rows=len(table),
        users=len(log.users),
        first_time=float(log.times.min()),
        last_time=float(log.times.max()),
    )


def sha256(source: Path | Table) -> str:
    """By what a log is known again: the digest of its file, or of its table as CSV."""
    if isinstance(source, Table):
        return hashlib.sha256(source.frame.write_csv().encode()).hexdigest()
    with Path(source).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _summary(source: Source, prepared: Prepared) -> dict[str, str | int | float]:
    summary: dict[str, str | int | float] = {"source": source.name, "rows": source.rows, "users": source.users}
    if source.first_time is not None and source.last_time is not None:
        summary |= {"from": _day(source.first_time), "to": _day(source.last_time)}
    counts = {f"{name}_users": int((prepared.histories.split == k).sum()) for k, name in enumerate(SPLITS)}
    counts["train_users"] += sum(each.users for each in prepared.further)
    return summary | counts


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
