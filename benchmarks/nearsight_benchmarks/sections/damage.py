"""A store over a long time, damage, and altered graphs."""

from collections.abc import Iterator

from nearsight_benchmarks.exposure import Exposure
from nearsight_benchmarks.exposure import outcome as altered
from nearsight_benchmarks.fuzz import Fuzzed
from nearsight_benchmarks.fuzz import outcome as refused
from nearsight_benchmarks.sections.markdown import code
from nearsight_benchmarks.soak import Soak, outcome

__all__ = ["damaged", "exposed", "soaked"]


def soaked(soak: Soak) -> Iterator[str]:
    """A process that is killed, and one that goes on."""
    yield "## A store over a long time"
    yield (
        "A process that writes to a store is killed at random moments, and what is left is held to the store's bounds; "
        "`observe` of a store, with its share of the writes, takes turns with that of plain sessions; and one process "
        f"observes on and on. {soak.host.processor}, {soak.host.cores} cores; the load average was "
        f"{soak.load_average[0]} before and {soak.load_average[1]} after."
    )
    yield code("\n".join([f"$ {soak.command}", *outcome(soak)]))


def damaged(fuzz: Fuzzed) -> Iterator[str]:
    """Damaged files and events."""
    yield "## Damage and strange input"
    yield "Bundles, snapshots, stores and events, damaged by chance, in NumPy: what isn't an error of ours is a fault."
    yield code(f"$ python -m nearsight_benchmarks.fuzz shop.nsight --cases {fuzz.cases}\n{refused(fuzz)}")


def exposed(*exposures: Exposure) -> Iterator[str]:
    """What altered graphs do to each runtime."""
    yield "## Altered graphs under hashes that fit"
    yield (
        "A bundle without a signature vouches for nothing, and its graph goes to the runtime's own parser. Half of the "
        "graphs have bytes changed anywhere, half have numbers rewritten in their structure."
    )
    for each in exposures:
        yield code(f"$ {each.command}\n{altered(each)}")
