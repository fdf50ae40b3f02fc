"""A history as bytes: the state vector and the cursor, for the app to keep wherever it wants."""

import msgspec
import numpy as np

from nearsight.cursor import Cursor
from nearsight.errors import SnapshotError

__all__ = ["freeze", "thaw"]

_FORMAT = 1


class _Snapshot(msgspec.Struct, array_like=True):
    format: int
    model: str
    cursor: Cursor
    state: bytes  # (S,) float32, little-endian


def freeze(model: str, cursor: Cursor, state: bytes) -> bytes:
    """The snapshot of a history under the model with that identifier; `state` is `(S,)` float32."""
    little = np.frombuffer(state, np.float32).astype("<f4").tobytes()
    return msgspec.msgpack.encode(_Snapshot(_FORMAT, model, cursor, little))


def thaw(snapshot: bytes, model: str, state_size: int) -> tuple[Cursor, bytes]:
    """The cursor and the state of a snapshot, as `freeze` took them.

    Raises `SnapshotError` where it is damaged, of a newer format, or was taken from another model.
    """
    try:
        found = msgspec.msgpack.decode(snapshot, type=_Snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, RecursionError) as error:
        raise SnapshotError(f"this isn't a snapshot of a session ({error}): start with an empty session") from error
    if found.format != _FORMAT:
        raise SnapshotError(f"the snapshot has format {found.format} where {_FORMAT} is read: update nearsight")
    if found.model != model:
        raise SnapshotError("the snapshot was taken from another model: replay the events, or start anew")
    if len(found.state) != 4 * state_size:
        raise SnapshotError(f"the snapshot's state has {len(found.state)} bytes where {4 * state_size} are needed")
    state = np.frombuffer(found.state, "<f4").astype(np.float32)
    if not np.isfinite(state).all() or not np.isfinite((found.cursor.first_time, found.cursor.last_time)).all():
        raise SnapshotError("the snapshot holds numbers that aren't finite: start with an empty session")
    if found.cursor.count < 0:
        raise SnapshotError("the snapshot counts fewer than no events: start with an empty session")
    return found.cursor, state.tobytes()
