"""Everything that is held about a user, for that user to read."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from nearsight.manifest import Manifest
from nearsight.profile import PARTS, Tally
from nearsight.snapshot import thaw
from nearsight.store.record import Event

__all__ = ["portrait"]

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAY_SECONDS = 86_400


def portrait(
    manifest: Manifest,
    pseudonym: bytes,
    consents: Mapping[str, float],
    snapshot: bytes,
    events: Sequence[Event],
    budget: bytes | None,
    day: int,
) -> dict[str, Any]:
    """Pseudonym, consents, the day of the last write, history, journal and reports as plain JSON; all there is."""
    found = thaw(snapshot, manifest.model, manifest.trunk, manifest.spec.counted)
    names = ("something unknown", *manifest.spec.event.vocabulary)
    expected = found.expected
    return {
        "pseudonym": pseudonym.hex(),
        "consents": {purpose: _moment(time) for purpose, time in consents.items()},
        "last_written": time.strftime("%Y-%m-%d", time.gmtime(_DAY_SECONDS * day)),
        "history": {
            "model": found.model,
            "events": found.cursor.count,
            "first_time": found.cursor.first_time,
            "last_time": found.cursor.last_time,
            "counts": {names[code]: count for code, count in found.cursor.counts.items()},
            "state": np.frombuffer(found.state, np.float32).tolist(),
            "habits": None if found.tally is None else _habits(found.tally, names),
            "expected_next": None if expected is None else np.frombuffer(expected.outputs, np.float32).tolist(),
            "surprise_bits": None if expected is None else expected.bits,
        },
        "journal": [msgspec.structs.asdict(event) for event in events],
        "reports": None if budget is None else msgspec.json.decode(budget),
    }


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _habits(tally: Tally, names: Sequence[str]) -> dict[str, Any]:
    """A tally with its codes as names and its quarters of days by day and part."""
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
