"""What a model answers and reads, in words."""

from nearsight.heads import BinaryHead, Head, NextEventHead, ValueHead
from nearsight.spec import Groups, Number, Spec

__all__ = ["asked", "duration", "percent", "question", "reads"]

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def duration(seconds: float) -> str:
    """A duration in its largest whole unit: `7 days`, `90 minutes`, `0.5 seconds`."""
    for size, unit in _UNITS:
        if seconds and seconds % size == 0:
            return _counted(int(seconds // size), unit)
    return f"{seconds:g} seconds"


def percent(share: float) -> str:
    """A share as a percentage with as many digits as help."""
    return f"{100 * share:.3g} %"


def question(head: Head) -> str:
    """The question that a head answers, with its name and threshold."""
    threshold = f" (yes from {percent(head.threshold)} on)" if isinstance(head, BinaryHead) else ""
    return f"{head.name}: {asked(head)}{threshold}"


def asked(head: Head) -> str:
    """The question that a head answers, alone."""
    if isinstance(head, ValueHead):
        return _number_asked(head)
    if isinstance(head, NextEventHead) and head.field:
        new = " that is new to the user" if head.unseen else ""
        return f"which of {len(head.vocabulary)} {head.field} comes next{new}{_of(head)}?"
    if not isinstance(head, BinaryHead):
        return f"which of {len(head.vocabulary)} events comes next?"
    if head.kind == "label":
        later = f", known {duration(head.delay_seconds)} later" if head.delay_seconds else ""
        return f"is {head.column} yes for this {head.per}{later}?" if head.column else "is the label 1?"
    what = " or ".join(head.events)
    if head.within_events is not None:
        return f"will {what} be among the next {_counted(head.within_events, 'event')}?"
    if head.session_gap_seconds is not None:
        return f"will {what} happen before the session ends, with {duration(head.session_gap_seconds)} of silence?"
    span = duration(head.within_seconds or 0.0)
    if head.kind == "inactive":
        active = head.active_within_seconds
        whom = f", asked of who was active within {duration(active)}" if active else ""
        own = f" or {head.rhythm:g} times the user's mean gap, whichever is shorter" if head.rhythm else ""
        return f"will {f'no {what}' if what else 'nothing'} happen for {span}{own}{whom}?"
    return f"will {what} happen within {span}?"


def _of(head: NextEventHead) -> str:
    return f", of {' or '.join(head.events)}" if head.events else ""


def _number_asked(head: ValueHead) -> str:
    what, span = " or ".join(head.events) or "anything", duration(head.within_seconds)
    if head.kind == "total":
        asks = f"how much {head.field} will {what} add up to within {span}?"
    else:
        asks = f"what {head.field} will the next {what} have, if it comes within {span}?"
    return f"{asks} (with an interval that holds {percent(head.coverage)} of the cases)"


def reads(spec: Spec) -> list[str]:
    """What an event must or may carry, one line each."""
    names = spec.event.vocabulary
    lines = [f"event, always {names[0]}" if spec.steps else f"event, {len(names)} known {_plural('name', len(names))}"]
    if spec.counts:
        counts = ", ".join(f"{number.name} (up to {number.high:.6g})" for number in spec.counts)
        lines[0] += f", of which it sees how often each of these has happened so far: {counts}"
    if spec.clock:
        parts = ["the gap since the last event", "the age of the history"]
        parts += ["the hour of day"] if spec.clock.hour else []
        parts += ["the day of week"] if spec.clock.weekday else []
        parts += ["the season"] if spec.clock.season else []
        coarse = spec.clock.coarsen_seconds
        told = f", coarsened to {duration(coarse)}" if coarse else ""
        lines.append(f"time in seconds since 1970{told}, of which it sees {', '.join(parts)}")
    lines += [
        f"{category.name}, {len(category.vocabulary)} known {_plural('name', len(category.vocabulary))}"
        for category in spec.categories
    ]
    lines += [_groups(groups) for groups in spec.groups]
    lines += [_number(number) for number in spec.numbers]
    if spec.steps:
        lines.append(f"{spec.steps.name}, a number with bounds for each of {len(spec.steps.lows)} positions")
    return lines


def _groups(groups: Groups) -> str:
    return f"{groups.name}, a number of which it sees only the group: {', '.join(groups.names)}"


def _number(number: Number) -> str:
    scale = ", by its logarithm" if number.log else ""
    scale += f" and in {len(number.edges) - 1} parts" if number.edges else ""
    return f"{number.name}, a number from {number.low:.6g} to {number.high:.6g}{scale}; anything beyond is clipped"


def _counted(count: int, word: str) -> str:
    return f"{count} {_plural(word, count)}"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
