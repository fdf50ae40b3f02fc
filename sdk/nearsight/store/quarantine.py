"""Damaged stores are moved aside, not thrown away; and thrown away once somebody is to be forgotten."""

import time
from pathlib import Path

__all__ = ["move_aside", "moved_aside"]

BESIDE = ("", "-wal", "-shm")  # SQLite's files of one database


def move_aside(path: Path) -> Path:
    """Give the database's files another name, which is returned."""
    moment = int(time.time())
    while (target := path.with_name(f"{path.name}.damaged-{moment}")).exists():
        moment += 1
    for ending in BESIDE:
        file = path.with_name(path.name + ending)
        if file.exists():
            file.replace(target.with_name(target.name + ending))
    return target


def moved_aside(path: Path) -> list[Path]:
    """All files that were moved aside from `path`, sorted."""
    return sorted(file for file in path.parent.iterdir() if file.name.startswith(f"{path.name}.damaged-"))
