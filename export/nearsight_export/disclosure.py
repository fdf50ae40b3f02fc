"""What an audit found, in words. Loads neither TensorFlow nor a runtime."""

from collections.abc import Iterator

from nearsight_export.questions import percent
from nearsight_export.reports import Audit, Disclosure, Membership
from nearsight_training.metrics import Interval

__all__ = ["LARGEST", "outlined", "place", "told"]

LARGEST = 0.55  # the AUC of an attack from which on a model is said to remember users
_ENDINGS = {2: "nd", 3: "rd"}


def told(audit: Audit) -> Iterator[str]:
    """A sentence each on membership, on the events that a state tells, and on the numbers."""
    if audit.membership is None:
        yield "Whether it gives away who was trained on wasn't measured: too few users have answers that are known."
    else:
        yield from _inferred(audit.membership)
    if audit.disclosure is None:
        yield "What a state gives away wasn't measured: there are too few events."
    else:
        yield from _disclosed(audit.disclosure)


def outlined(audit: Audit) -> str:
    """The figures that matter most, in half a line."""
    parts = []
    if (found := audit.membership) is not None:
        parts.append(f"members are told from others with an AUC of {found.attacks[found.strongest].value:.3f}")
    if audit.disclosure is not None and audit.disclosure.events:
        parts.append(f"a state tells the last event in {percent(audit.disclosure.events[0].share)}")
    return ", ".join(parts) or "little was measured"


def place(back: int) -> str:
    """Where an event stands, counted from the end.

    >>> place(1), place(2), place(10)
    ('last', '2nd last', '10th last')
    """
    return "last" if back == 1 else f"{back}{_ENDINGS.get(back, 'th')} last"


def _inferred(found: Membership) -> Iterator[str]:
    best = found.attacks[found.strongest]
    yield (
        f"Of {found.members:,} users whom it was trained on and {found.others:,} others, the strongest of "
        f"{len(found.attacks)} attacks ({found.strongest}) tells which is which with an AUC of {_figure(best)}, where "
        f"0.5 is chance, and their histories alone, without the model, with {_figure(found.control)}. At 1 % false "
        f"alarms it finds {percent(found.found.value)} of those trained on."
    )
    if best.value > LARGEST:
        yield f"That is more than {LARGEST}{_why(best, found.control)}"


def _why(best: Interval, control: Interval) -> str:
    if control.low > 0.5 and control.high >= best.value:
        return ", but their histories alone tell about as much: the users differ, and the model needn't be why."
    if best.low <= LARGEST:
        return ", where its interval begins below that: among so few users it can be chance."
    return ": it remembers users. Train on more of them, or a smaller network."


def _disclosed(found: Disclosure) -> Iterator[str]:
    if found.events:
        each = (
            f"the {place(event.back)}{' event' if event.back == 1 else ''} in {percent(event.share)} "
            f"({percent(event.guessing)}; {percent(event.from_answers)})"
            for event in found.events
        )
        yield (
            f"From a state of {found.size} numbers an attacker who has the bundle tells, of {found.states:,} held-out "
            "states (in brackets: by guessing the commonest; from the answers that the app shows anyway), "
            f"{', '.join(each)}."
        )
    if found.numbers:
        each = (f"{each.name} {percent(each.share)} ({percent(each.from_answers)})" for each in found.numbers)
        yield (
            "Of the variance of these numbers' logarithms a state explains (in brackets: the answers alone): "
            f"{'; '.join(each)}."
        )
    yield "A state is as personal as the events that it sums up: keep it where you would keep these."


def _figure(found: Interval) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"
