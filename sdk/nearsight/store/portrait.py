"""Everything that is held about a user, for that user to read."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nearsight.manifest import Manifest
from nearsight.profile import PARTS, Tally
from nearsight.snapshot import thaw
from nearsight.store.record import Event, exported

__all__ = ["portrait"]

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_EPOCH = datetime.date(1970, 1, 1).toordinal()


def portrait(
    manifest: Manifest, consents: Mapping[str, float], snapshot: bytes, events: Sequence[Event], day: int
) -> dict[str, Any]:
    """Consents, history, journal and the day of the last write as plain JSON; nothing that is kept is left out."""
    found = thaw(snapshot, manifest.model, manifest.trunk)
    vocabulary = manifest.spec.event.vocabulary
    expected = found.expected
    return {
        "consents": {purpose: _moment(time) for purpose, time in consents.items()},
        "last_written": datetime.date.fromordinal(_EPOCH + day).isoformat(),
        "history": {
            "model": found.model,
            "events": found.cursor.count,
            "first_time": found.cursor.first_time,
            "last_time": found.cursor.last_time,
            "state": np.frombuffer(found.state, np.float32).tolist(),
            "habits": None if found.tally is None else _habits(found.tally, vocabulary),
            "expected_next": None if expected is None else np.frombuffer(expected.outputs, np.float32).tolist(),
            "surprise_bits": None if expected is None else expected.bits,
        },
        "journal": [exported(event) for event in events],
    }


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()


def _habits(tally: Tally, vocabulary: Sequence[str]) -> dict[str, Any]:
    """A tally with its codes as names and its quarters of days by day and part."""
    names = ("something unknown", *vocabulary)
    parts = len(PARTS)
    return {
        "events": {names[code]: count for code, count in tally.events.items()},
        "week": {
            name: dict(zip(PARTS, tally.week[day * parts : (day + 1) * parts], strict=True))
            for day, name in enumerate(_DAYS)
        },
        "visits": tally.visits,
        "first_time": tally.first_time,
        "last_time": tally.last_time,
    }
