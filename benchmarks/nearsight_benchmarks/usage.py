"""All that an app would do with a model that was loaded."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from nearsight import Insight, Reading, Session
from nearsight.spec import Spec

__all__ = ["observed", "used", "usual_events"]

Event = tuple[str, float, dict[str, Any]]


def usual_events(spec: Spec) -> list[Event]:
    """Five events with a number in every field."""
    names = spec.event.vocabulary
    return [(names[turn % len(names)], 1.7e9 + 5000.0 * turn, dict.fromkeys(spec.fields, turn)) for turn in range(5)]


def used(insight: Insight, events: Sequence[Any]) -> None:
    """Observe, keep, go on, score and batch; whatever is wrong with the model raises."""
    session = insight.session()
    for event in events:
        observed(session, event)
    insight.session(session.snapshot()).profile()
    if insight.manifest.spec.clock is not None:
        _read(session.score(1.8e9))
    insight.score_many([events, events[:2]])


def observed(session: Session, event: Any) -> None:
    """Observe something, which may be no event, and read all that the reading says."""
    match event:
        case (name, time, dict(fields)):
            _read(session.observe(name, time, **fields))
        case _:
            session.observe(event)


def _read(reading: Reading) -> None:
    for name in reading:
        reading.decides(name)
    with suppress(KeyError):  # a model without a head for what comes next says so
        reading.next(3)
    reading.segment, reading.surprise, reading.unusual  # noqa: B018 - they are computed when they are asked for
