"""The contestants in the groups and the order in which a reader takes them in, the same in every table."""

from collections.abc import Sequence

from nearsight_benchmarks.results import Entry

__all__ = ["GROUPS", "grouped"]

# By family, as `Entry` has them: what an app would call, then what is below it, then what would be there instead.
GROUPS = {
    "observe": "session.observe, as an app calls it",
    "step": "Steps: one event a call",
    "window": "Windows: their events anew at each call",
    "rival": "The same network as other tools convert it",
    "peer": "Other models: the history at each call",
}


def grouped(entries: Sequence[Entry]) -> tuple[tuple[str, tuple[Entry, ...]], ...]:
    """Each group's title and its entries, the fastest first and untimed ones last; a group without any is left out."""
    members = {family: tuple(sorted((e for e in entries if e.family == family), key=_p50)) for family in GROUPS}
    return tuple((title, members[family]) for family, title in GROUPS.items() if members[family])


def _p50(entry: Entry) -> float:
    return entry.latency.p50_us if entry.latency else float("inf")
