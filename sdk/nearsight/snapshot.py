"""A history as bytes, for the app to keep wherever it wants: cursor, state, tally and what was last expected."""

from collections.abc import Sequence

import msgspec
import numpy as np

from nearsight.cursor import Cursor
from nearsight.errors import SnapshotError
from nearsight.profile import Tally
from nearsight.trunk import Trunk

__all__ = ["Expected", "Frozen", "freeze", "thaw"]

_FORMAT = 2  # format 1 ended with the state


class Expected(msgspec.Struct, array_like=True):
    """The answers `(O,)` float32 that stand, and by how many bits each of the last events exceeded what it met."""

    outputs: bytes = b""
    bits: list[float] = []


class Frozen(msgspec.Struct, array_like=True):
    """What a snapshot holds; `tally` and `expected` are None where the model keeps none or an older SDK wrote it."""

    format: int
    model: str
    cursor: Cursor
    state: bytes  # (S,) float32, little-endian
    tally: Tally | None = None
    expected: Expected | None = None


def freeze(model: str, cursor: Cursor, state: bytes, tally: Tally | None, expected: Expected | None) -> bytes:
    """The snapshot of a history under the model with that identifier; `state` is `(S,)` float32.

    It is `Frozen`, whose cursor ends with the counts only where there are any: without them the format hasn't changed.
    """
    if expected is not None:
        expected = Expected(_little(expected.outputs), expected.bits)
    first_time, last_time, count, counts = msgspec.structs.astuple(cursor)
    place = (first_time, last_time, count, counts) if counts else (first_time, last_time, count)
    return msgspec.msgpack.encode((_FORMAT, model, place, _little(state), tally, expected))


def thaw(snapshot: bytes, model: str, trunk: Trunk, counted: Sequence[int]) -> Frozen:
    """What `freeze` took, in this machine's byte order; formats 1 and 2 are read. `counted` are the specification's.

    Raises `SnapshotError` where it is damaged, of a newer format, or was taken from another model.
    """
    try:
        found = msgspec.msgpack.decode(snapshot, type=Frozen)
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, RecursionError) as error:
        raise SnapshotError(f"this isn't a snapshot of a session ({error}): start with an empty session") from error
    if not 1 <= found.format <= _FORMAT:
        raise SnapshotError(
            f"the snapshot has format {found.format} where formats up to {_FORMAT} are read: update nearsight"
        )
    if found.model != model:
        raise SnapshotError("the snapshot was taken from another model: replay the events, or start anew")
    if len(found.state) != 4 * trunk.state_size:
        raise SnapshotError(
            f"the snapshot's state has {len(found.state)} bytes where {4 * trunk.state_size} are needed"
        )
    found.state = _native(found.state)
    _check(found, trunk, counted)
    return found


def _check(found: Frozen, trunk: Trunk, counted: Sequence[int]) -> None:
    """Raises `SnapshotError` where a part can't be what a session left."""
    numbers = np.frombuffer(found.state, np.float32).tolist()
    numbers += [found.cursor.first_time, found.cursor.last_time]
    if found.tally is not None:
        numbers += [found.tally.first_time, found.tally.last_time]
        if not found.tally.fits(trunk.code_sizes[0]):
            raise SnapshotError("the snapshot's tally doesn't add up: start with an empty session")
    if found.expected is not None:
        if len(found.expected.outputs) not in (0, 4 * trunk.outputs):
            raise SnapshotError(
                "the snapshot's answers have another size than the model's: start with an empty session"
            )
        found.expected.outputs = _native(found.expected.outputs)
        numbers += [*np.frombuffer(found.expected.outputs, np.float32).tolist(), *found.expected.bits]
    if not np.isfinite(numbers).all():
        raise SnapshotError("the snapshot holds numbers that aren't finite: start with an empty session")
    if found.cursor.count < 0:
        raise SnapshotError("the snapshot counts fewer than no events: start with an empty session")
    if not found.cursor.fits(counted):
        raise SnapshotError("the snapshot's counts don't add up: start with an empty session")


def _little(floats: bytes) -> bytes:
    return np.frombuffer(floats, np.float32).astype("<f4").tobytes()


def _native(floats: bytes) -> bytes:
    return np.frombuffer(floats, "<f4").astype(np.float32).tobytes()
