"""What noise and private training cost, and what a model gives away."""

from collections.abc import Iterator

from nearsight_benchmarks.audit import Audits, tables
from nearsight_benchmarks.privacy import Privacy
from nearsight_benchmarks.privacy import table as noise_table
from nearsight_benchmarks.private_training import PrivateTraining
from nearsight_benchmarks.private_training import table as private_table
from nearsight_benchmarks.sections.markdown import code
from nearsight_benchmarks.verdict import duration

__all__ = ["audited", "noised", "trained_privately"]


def noised(found: Privacy) -> Iterator[str]:
    """What noise costs what leaves devices."""
    yield "## What noise costs"
    yield code(found.command)
    yield (
        "Invented users answer through `nearsight.report`, and `nearsight aggregate`'s estimates are compared with "
        f"what is true of these users. The error that 95 % of {found.trials} trials stay within, in percent of users "
        "(segments: the worst of six) or of the distance between the bounds (mean); in brackets what the noise's "
        "variance says."
    )
    yield noise_table(found).strip()
    yield "![Error against ε](privacy.svg)"
    most = max(each.users for each in found.accuracies)
    yield " ".join(
        f"A yes/no count over {each.users:,} users at ε = {each.epsilon:g} is off by at most 3 % of the users in "
        f"{100 * each.within_3:.1f} % of trials."
        for each in found.accuracies
        if (each.kind, each.users, each.epsilon) == ("count", most, 1)
    )
    times = ", ".join(f"{kind} {duration(microseconds)}" for kind, microseconds in found.report_us.items())
    yield f"A report, paid for, drawn with the system's generator and encoded (median): {times}."


def trained_privately(found: PrivateTraining) -> Iterator[str]:
    """AUC against ε."""
    yield "## What private training costs"
    yield code(found.command)
    made = next(point.guarantee for point in found.points if point.guarantee)
    yield (
        f"Will a CDNOW customer buy again? Trained on {made.users:,} customers with `--private` ((ε, δ)-differentially "
        f"private for each: gradients clipped to {made.clip_norm:g}, {made.sampling_rate * made.users:,.0f} customers "
        f"a step on average) and without, no trees teaching, and asked about {found.customers:,} others. One training "
        "each; the noise is the system's, so another call gives somewhat other figures."
    )
    yield private_table(found).strip()
    pace = found.pace
    busy = "" if found.load_average is None else f"; the load average was {found.load_average:.1f}"
    yield (
        f"A private step over one crop each of {pace.users} customers takes {pace.private_ms:.0f} ms, an ordinary one "
        f"{pace.ordinary_ms:.0f} ms: {pace.private_ms / pace.ordinary_ms:.1f} times as long (medians of {pace.repeats} "
        f"in turn{busy})."
    )


def audited(audit: Audits) -> Iterator[str]:
    """What attacks find."""
    yield "## What a model and a state give away"
    yield code(audit.command)
    yield (
        "An attacker has the 8-bit step graph that ships. Which of two users was trained on? The AUC of four attacks, "
        "0.5 being chance, with 95 % intervals over users, and of trees that see the histories but never the model: "
        "what these tell lies in the users. Then what is told of held-out users' states: how often the name of each of "
        "the last events is right, and which share of the variance of numbers' logarithms is explained, beside what "
        "the answers that an app shows tell anyway."
    )
    yield from tables(audit)
