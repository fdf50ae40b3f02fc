"""What can be chosen: the kind of network, and the recipe that it is exported by."""

from collections.abc import Iterator

from nearsight_benchmarks.networks import Networks
from nearsight_benchmarks.networks import table as network_table
from nearsight_benchmarks.recipes import Recipes, notes
from nearsight_benchmarks.recipes import table as recipe_table
from nearsight_benchmarks.sections.markdown import code

__all__ = ["cooked", "networked"]


def networked(*comparisons: Networks) -> Iterator[str]:
    """Every kind of network on each data set."""
    yield "## Which network"
    yield (
        "All kinds train on the same histories with the same settings, become 8-bit step graphs, answer the test's "
        "questions with these files in LiteRT, and are timed in turns in one process."
    )
    for each in comparisons:
        yield code(each.command)
        yield network_table(each).strip()


def cooked(found: Recipes) -> Iterator[str]:
    """Every preset on each run."""
    yield "## What recipes cost"
    yield code(found.command)
    busy = "" if found.load_average is None else f" The load average was {found.load_average:.1f} at the end."
    yield (
        "Each run is exported by each preset. Its step graph answers the test's questions in LiteRT; given are its AUC "
        "less the trained network's on the same resampled users, and the share of answers on the other side of the "
        "threshold, each network's own. The runtime's time for a step is a multiple of that by `quick`, in turns in "
        f"one process.{busy}"
    )
    for run in found.runs:
        yield f"{run.data}, {run.users:,} test users:"
        yield recipe_table(run)
        if said := list(notes(run)):
            yield "\n".join(f"- {sentence}" for sentence in said)
