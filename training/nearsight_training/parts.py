"""A log larger than memory, in parts: its users are parted by chance, and each part is a log of its own on disk.

The first part is what everything is fitted and judged on, exactly as a log in memory is: the split and its moments,
the specification, heads, teaching, calibration, test, segments and simpler models. The users of the other parts are
trained on alone, encoded and cut off as the first part's training users are, so that nothing of the test's time is
looked at; every epoch of the network passes over all of them, one part in memory at a time.
"""

import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import polars as pl

from nearsight.errors import InputError
from nearsight.names import Names
from nearsight_training.blocks import BLOCK, blocks, extent
from nearsight_training.cleaning import Dropped
from nearsight_training.columns import Table, names_of, required
from nearsight_training.config import LogConfig
from nearsight_training.formats import kind_of, readable
from nearsight_training.histories import Stored
from nearsight_training.log import EventLog, log_of
from nearsight_training.memory import in_words
from nearsight_training.preparation import Prepared, prepare_more, prepare_split
from nearsight_training.progress import SILENT, Progress
from nearsight_training.split import place_of, plan

__all__ = ["Parts", "Totals", "divided", "in_parts", "parts_within"]

_MOST = 64
_PROCESS = 1_300_000_000  # bytes that training takes of a log of no size, TensorFlow's among them
_PER_EVENT, _PER_COLUMN = 600, 60  # bytes that training takes for each event of a part and for each of its columns
_STORED = 250  # bytes of an event on disk, with the questions behind it, about
_ROW = "nearsight:row"  # where a row stood in the file, counted from 0
_PURPOSE = b"part"


def parts_within(path: Path, memory: int) -> int:
    """In how many parts a log can be trained on in about `memory` bytes; 1 where it fits as a whole.

    Raises `InputError` where the file can't be read, or isn't small enough in the most parts there may be.
    """
    found = extent(path)
    needed = found.rows * (_PER_EVENT + _PER_COLUMN * found.columns) + 2 * found.bytes
    least = _PROCESS + math.ceil(needed / _MOST)
    if memory < least:
        raise InputError(
            f"{path.name} needs --memory {in_words(least)} at least, received {in_words(memory)}: "
            "pass more, or a smaller log"
        )
    return max(1, math.ceil(needed / (memory - _PROCESS)))


@dataclass(frozen=True)
class Totals:
    """What all parts of a file hold together; times are seconds since 1970."""

    rows: int
    events: int
    users: int
    first_time: float
    last_time: float


@contextmanager
def in_parts(
    path: Path, config: LogConfig, out: Path, progress: Progress = SILENT
) -> Iterator[tuple[Prepared, Totals]]:
    """Divide a log into `config.parts` and prepare them, in a temporary folder beside `out` that goes with the block.

    Raises `InputError` as `log_of` and `prepare` do, and where the folder can't be written.
    """
    place = next(folder for folder in out.absolute().parents if os.path.lexists(folder))
    _check_room(path, place)
    try:
        temporary = tempfile.TemporaryDirectory(dir=place, prefix=f".{out.name}.")
    except OSError as error:
        raise _unwritten(place, error) from error
    with temporary as folder:
        try:
            prepared = _prepared(divided(path, config, Path(folder), progress), config, progress)
        except OSError as error:
            raise _unwritten(place, error) from error
        yield prepared


def _check_room(path: Path, place: Path) -> None:
    found, free = extent(path), shutil.disk_usage(place).free
    needed = found.bytes + found.rows * _STORED
    if free < needed:
        raise InputError(
            f"{path.name} in parts needs about {in_words(needed)} of disk beside the run, received "
            f"{in_words(free)} in {place}: make room, or pass another --out"
        )


def _unwritten(place: Path, error: OSError) -> InputError:
    reason = error.strerror or error
    return InputError(f"the parts can't be written to {place} ({reason}): make room, or pass another --out")


@dataclass(frozen=True)
class Parts:
    """The parts of a file with R rows, which lie in a folder; `empty` has all of its columns and no row."""

    path: Path
    folder: Path
    count: int
    rows: int
    empty: pl.DataFrame

    def take(self, part: int) -> Table:
        """One part in the file's order, which leaves the disk. Its lines are those of the file."""
        pieces = sorted(self.folder.glob(f"{part}.*.arrow"))
        frames = [pl.read_ipc(piece.read_bytes()) for piece in pieces]
        for piece in pieces:
            piece.unlink()
        with readable(self.path, kind_of(self.path)):
            frame = pl.concat([self.empty, *frames], how="diagonal_relaxed", rechunk=True)
        return Table(self.path.name, frame.drop(_ROW), 1, origin=(self, frame[_ROW]))

    def line(self, row: int) -> str:
        """Where a row of the file stands, in words: it is gone through once more."""
        for block in blocks(self.path):
            if row < len(block):
                return block.line(row)
            row -= len(block)
        raise IndexError(row)


def divided(path: Path, config: LogConfig, folder: Path, progress: Progress = SILENT, size: int = BLOCK) -> Parts:
    """Write a file's rows into `folder` by part, blocks of about `size` bytes at a time. A user is in one part alone.

    Raises `InputError` where the file can't be read or names no users.
    """
    progress.start("dividing", 0)
    rows, empty = 0, pl.DataFrame()
    for number, block in enumerate(blocks(path, size)):
        frame = block.frame.with_row_index(_ROW, rows).with_columns(pl.col(_ROW).cast(pl.Int64))
        drawn = _drawn(block, config)
        for part in drawn.unique():
            frame.filter(drawn == part).write_ipc(folder / f"{part}.{number:06}.arrow", compression="lz4")
        with readable(path, kind_of(path)):  # where columns are of kinds that don't go together
            empty = pl.concat([empty, frame.clear()], how="diagonal_relaxed")
        rows += len(block)
        progress.advance(f"{rows:,} rows")
    progress.finish(f"{rows:,} rows into {config.parts} parts")
    return Parts(path, folder, config.parts, rows, empty)


def _drawn(block: Table, config: LogConfig) -> pl.Series:
    """Each row's part, (R,); rows without a user are in the first, where they are refused before the rest is read."""
    block.column(config.user, "--user")
    users = names_of(block, config.user)
    users = required(block, config.user) if users is None else users
    names = users.unique()
    seed = config.fitting.seed
    parts = [int(place_of(name, seed, _PURPOSE) * config.parts) if name else 0 for name in names]
    return users.replace_strict(names, pl.Series(parts, dtype=pl.UInt32))


def _prepared(parts: Parts, config: LogConfig, progress: Progress) -> tuple[Prepared, Totals]:
    progress.start("reading", parts.count)
    log = log_of(parts.take(0), config)
    split, dropped, logs = plan(log, config), log.dropped, [_totals(log)]
    prepared = prepare_split(replace(log, dropped=Dropped()), config, split)
    progress.advance()
    alike, numbers = _alike(prepared, log, config)
    del log
    further = []
    for part in range(1, parts.count):
        table = parts.take(part)
        if len(table):
            log = log_of(table, alike, numbers)
            del table
            dropped, logs = dropped + log.dropped, [*logs, _totals(log)]
            histories = prepare_more(log, alike, split, prepared.spec)
            further.append(Stored.write(parts.folder / f"{part}.npz", histories))
        progress.advance()
    totals = _added(parts.rows, logs)
    notes = (_told(parts.count, logs[0], totals), *dropped.notes, *prepared.notes)
    progress.finish(f"{totals.events:,} events of {totals.users:,} users")
    return replace(prepared, notes=notes, further=tuple(each for each in further if each.events)), totals


def _alike(prepared: Prepared, log: EventLog, config: LogConfig) -> tuple[LogConfig, tuple[str, ...]]:
    """The configuration that reads of other parts what is learned from, as of the first; and its fields of numbers."""
    asked = [value.field for value in config.values] + ([config.next_item.field] if config.next_item else [])
    fields = tuple(dict.fromkeys((*prepared.spec.fields, *asked)))
    names = tuple(name for name in fields if isinstance(log.fields[name], Names))
    groups = {name: edges for name, edges in config.groups.items() if name in fields}
    alike = msgspec.structs.replace(config, fields=fields, categories=names, groups=groups)
    return alike, tuple(name for name in fields if name not in names)


def _totals(log: EventLog) -> Totals:
    return Totals(0, len(log.times), len(log.users), float(log.times.min()), float(log.times.max()))


def _added(rows: int, logs: list[Totals]) -> Totals:
    return Totals(
        rows=rows,
        events=sum(each.events for each in logs),
        users=sum(each.users for each in logs),
        first_time=min(each.first_time for each in logs),
        last_time=max(each.last_time for each in logs),
    )


def _told(count: int, first: Totals, totals: Totals) -> str:
    return (
        f"read in {count} parts: {totals.events:,} events of {totals.users:,} users; figures are of the first part, "
        f"{first.events:,} events of {first.users:,} users, which is also all that simpler models learn from; the "
        "network learned from the others' users, too"
    )
