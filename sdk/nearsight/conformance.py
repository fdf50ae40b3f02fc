"""Proof that a client gives the answers that it should: invented histories with the rows, readings and states expected.

The bundle's `vectors.json` holds them, so that a client in any language can prove itself. No user's event is in it.
"""

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.backends import Backend
from nearsight.cursor import Cursor
from nearsight.errors import BundleError
from nearsight.features import Encoder
from nearsight.manifest import Manifest
from nearsight.spec import Spec
from nearsight.trunk import Trunk

__all__ = ["Difference", "History", "Moment", "Tolerance", "Vectors", "differences", "played", "read_vectors", "verify"]

Floats = NDArray[np.float32]
ROW_TOLERANCE = 1e-6  # of a row's number where that is above 1: rows are float32


class Tolerance(msgspec.Struct, frozen=True, kw_only=True):
    """How far readings (heads and embedding) and states may lie from the float32 reference."""

    readings: float
    state: float


class Moment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event, or with `event` None a question asked at `time` that leaves the state as it is.

    `codes (K,)` and `numbers (N,)` are the row expected, `heads (O,)` the reading.
    """

    event: str | None
    time: float | None = None
    fields: dict[str, str | float | None] = {}
    codes: tuple[int, ...] = ()
    numbers: tuple[float, ...] = ()
    heads: tuple[float, ...] = ()


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Moments in order, from an empty history; `embedding (U,)` and `state (S,)` are those after the last one."""

    moments: tuple[Moment, ...]
    embedding: tuple[float, ...] = ()
    state: tuple[float, ...] = ()


class Vectors(msgspec.Struct, frozen=True, kw_only=True):
    """What a client is held to. `tolerances` are by the precision of the step graph that it runs."""

    format: int = 1
    tolerances: dict[str, Tolerance]
    histories: tuple[History, ...]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The largest differences from what is expected; rows' are relative where their numbers are above 1."""

    rows: float
    readings: float
    state: float

    def within(self, tolerance: Tolerance) -> bool:
        """Whether a client with these differences proves itself; not a number never does."""
        apart = (self.rows, self.readings, self.state)
        allowed = (ROW_TOLERANCE, tolerance.readings, tolerance.state)
        return all(found <= bound for found, bound in zip(apart, allowed, strict=True))


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What a client gave at one moment: arrays with a batch of 1."""

    codes: NDArray[np.int32]
    numbers: Floats
    heads: Floats
    embedding: Floats
    state: Floats


def played(spec: Spec, trunk: Trunk, backend: Backend, history: History) -> Iterator[Played]:
    """Feed a history to a step graph as a session does, moment by moment."""
    encoder, reset = Encoder(spec), spec.reset
    empty = np.zeros((1, trunk.state_size), np.float32)
    cursor, state = Cursor(), empty
    for moment in history.moments:
        seconds = encoder.seconds(moment.time)
        if moment.event is None:
            codes, numbers = encoder.now(seconds, cursor)
        else:
            if reset.due(cursor.count, cursor.gap(seconds)):
                cursor, state = Cursor(), empty
            codes, numbers = encoder.event(moment.event, seconds, moment.fields, cursor)
        heads, embedding, after = backend.step(codes, numbers, state)
        if moment.event is not None:
            code = int(codes[0, 0])
            cursor.advance(seconds, code if code in encoder.counted else None)
            state = after
        yield Played(codes=codes, numbers=numbers, heads=heads, embedding=embedding, state=state)


def differences(vectors: Vectors, manifest: Manifest, backend: Backend) -> Difference:
    """How far a step graph's rows, readings and states lie from the vectors' at most."""
    rows = readings = states = 0.0
    for history in vectors.histories:
        last = None
        for moment, last in zip(history.moments, played(manifest.spec, manifest.trunk, backend, history), strict=True):
            rows = max(rows, _apart(last.codes, moment.codes), _apart(last.numbers, moment.numbers, scaled=True))
            readings = max(readings, _apart(last.heads, moment.heads))
        if last is not None:
            readings = max(readings, _apart(last.embedding, history.embedding))
            states = max(states, _apart(last.state, history.state))
    return Difference(rows=rows, readings=readings, state=states)


def read_vectors(content: bytes) -> Vectors:
    """Read a bundle's `vectors.json`. Raises `BundleError` where it is damaged."""
    try:
        return msgspec.json.decode(content, type=Vectors)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"vectors.json can't be read ({error}): export the bundle again") from error


def verify(vectors: Vectors, manifest: Manifest, backend: Backend, precision: str) -> Difference:
    """The differences of a step graph of `precision`. Raises `BundleError` where they exceed the tolerance."""
    tolerance, found = vectors.tolerances[precision], differences(vectors, manifest, backend)
    if not found.within(tolerance):
        raise BundleError(
            f"{backend.name} lies {found.rows:.2g} (rows), {found.readings:.2g} (readings), {found.state:.2g} (state) "
            f"from the vectors, allowed are {ROW_TOLERANCE:g}, {tolerance.readings:g} and {tolerance.state:g}: "
            "export the bundle again, or report it with the runtime's version"
        )
    return found


def _apart(found: NDArray[np.generic], expected: tuple[float, ...], scaled: bool = False) -> float:
    """The largest difference, `scaled` by the number expected where that is above 1; infinite where sizes differ."""
    if found.size != len(expected):
        return float("inf")
    # What is expected was written as the shortest text of a float32: reading it back as one loses nothing.
    wanted = np.array(expected, np.float32).astype(np.float64)
    apart = np.abs(found.ravel().astype(np.float64) - wanted)
    if scaled:
        apart /= np.maximum(1.0, np.abs(wanted))
    return float("inf") if np.isnan(apart).any() else float(apart.max(initial=0.0))
