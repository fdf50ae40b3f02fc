"""What is sealed: a user's record, and an event of the journal."""

from collections.abc import Mapping
from typing import Any

import msgspec

from nearsight.spec import Spec
from nearsight.values import finite

__all__ = ["Event", "Record", "Trimmer", "decoded", "encoded"]


class Record(msgspec.Struct, array_like=True):
    """All that is kept of a user besides the journal.

    `consents` map purposes to when they were consented to, in seconds since 1970; `snapshot` is the session's;
    `sequence` is the number of the last event in the journal; `budget` is the snapshot of what reports may cost and
    have cost, None where there was none yet.
    """

    consents: dict[str, float]
    snapshot: bytes
    sequence: int = 0
    budget: bytes | None = None


class Event(msgspec.Struct, array_like=True):
    """An event with the fields that the model reads, as `Session.observe` takes it."""

    name: str | bool
    time: float | None
    fields: dict[str, str | bool | float | None]


def encoded(content: Record | Event) -> bytes:
    """MessagePack."""
    return msgspec.msgpack.encode(content)


def decoded(content: bytes, kind: type[Any]) -> Any:
    """The same back; what was sealed is what was encoded."""
    return msgspec.msgpack.decode(content, type=kind)


class Trimmer:
    """Leaves of an event what the specification reads: names as text, numbers as floats, nothing else."""

    def __init__(self, spec: Spec) -> None:
        self._names = {category.name for category in spec.categories}
        self._has_clock = spec.clock is not None
        self.fields = frozenset(spec.fields)

    def event(self, name: object, time: float | None, fields: Mapping[str, object]) -> Event:
        """An event that a session has just taken, so that its values have types that can be kept."""
        kept = {field: self._value(field, value) for field, value in fields.items() if field in self.fields}
        return Event(_name(name), float(time) if self._has_clock and time is not None else None, kept)

    def _value(self, field: str, value: object) -> str | bool | float | None:
        if value is None:
            return None
        return _name(value) if field in self._names else finite(field, value)


def _name(value: object) -> str | bool:
    return value if isinstance(value, bool) else str(value).encode(errors="replace").decode()  # half a surrogate pair
