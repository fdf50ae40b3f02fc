"""Large logs, and how long an epoch takes."""

from collections.abc import Iterator

from nearsight_benchmarks.scale import Scale
from nearsight_benchmarks.sections.markdown import code

__all__ = ["scaled"]


def scaled(scale: Scale) -> Iterator[str]:
    """From a large file to histories, an epoch, and a log in parts."""
    read, trained = scale.sequences, scale.epochs
    yield "## A large log, and an epoch"
    yield code(scale.command)
    stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in read.seconds.items())
    yield (
        f"From a CSV file of {read.events:,} events of {read.users:,} users ({read.file_megabytes:.0f} MB) to encoded, "
        f"labelled and split histories with {read.questions:,} questions: {stages}; {read.cpu_seconds:.1f} s of all "
        f"cores together, {read.peak_megabytes:,.0f} MB at the peak of the process. Medians of {read.processes}."
    )
    yield (
        f"An epoch over {trained.histories:,} histories of {trained.length} events, the check of validation included: "
        f"{trained.median_seconds:.1f} s, {trained.cpu_seconds_per_epoch:.1f} s of all cores together, "
        f"{trained.peak_megabytes:,.0f} MB at the peak."
    )
    if (large := scale.parted) is not None:
        yield (
            f"From a CSV file of {large.events:,} events of {large.users:,} users ({large.file_megabytes:,.0f} MB) to "
            f"histories, as a whole: {large.whole_seconds:.0f} s, {large.whole_megabytes:,.0f} MB at the peak of the "
            f"process; in the {large.parts} parts of `--memory {large.memory}`: {large.parts_seconds:.0f} s, "
            f"{large.parts_megabytes:,.0f} MB."
        )
