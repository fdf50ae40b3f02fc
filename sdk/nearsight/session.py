"""One user's history, observed event by event."""

from nearsight.backends import Backend
from nearsight.cursor import Cursor
from nearsight.errors import EventError
from nearsight.features import Encoder
from nearsight.heads import Questions, Reading
from nearsight.manifest import Manifest
from nearsight.snapshot import freeze, thaw
from nearsight.spec import Reset

__all__ = ["Model", "Session"]

_FLOAT_BYTES = 4


class Model:
    """What all sessions of one loaded bundle share."""

    __slots__ = ("backend", "encoder", "id", "questions", "trunk")

    def __init__(self, backend: Backend, manifest: Manifest) -> None:
        self.backend, self.encoder, self.questions = backend, Encoder(manifest.spec), Questions(manifest.heads)
        self.trunk, self.id = manifest.trunk, manifest.model

    @property
    def empty_state(self) -> bytes:
        """The state of an empty history."""
        return bytes(_FLOAT_BYTES * self.trunk.state_size)


class Session:
    """A stream of one user's events. Not safe for use from several threads at once.

    An event that raises leaves the session as it was. A time earlier than the last event's counts as the last
    event's time. Where the specification says so, the event after a long gap or a full count starts the history anew.
    """

    __slots__ = ("_binding", "_cursor", "_model", "_reset", "_state")

    def __init__(self, model: Model, snapshot: bytes | None = None) -> None:
        self._model = model
        reset = model.encoder.spec.reset
        self._reset = None if reset == Reset() else reset  # asked before every event
        self._binding = model.backend.bind(1)
        if snapshot is None:
            self._cursor, self._state = Cursor(), model.empty_state
        else:
            self._cursor, self._state = thaw(snapshot, model.id, model.trunk.state_size)

    @property
    def count(self) -> int:
        """How many events the history holds since it last began."""
        return self._cursor.count

    def observe(self, event: str, /, time: float | None = None, **fields: object) -> Reading:
        """Add one event and read what the model now says.

        `time` is in seconds since 1970 by the same clock as the training log's. Fields that the specification doesn't
        name are dropped; a field that it names and that isn't given, or is None or NaN, is missing; an event or value
        that training didn't see is unknown. Raises `EventError` where the time is missing or a part has a wrong type.
        """
        model, binding = self._model, self._binding
        seconds = model.encoder.seconds(time)
        cursor, state = self._history(seconds)
        model.encoder.fill((binding.codes, binding.numbers), event, seconds, fields, cursor)
        binding.state_bytes[:] = state
        binding.run()
        self._state = binding.next_state.tobytes()
        cursor.advance(seconds)
        self._cursor = cursor
        return Reading(model.questions, binding.heads.tobytes(), binding.embedding.tobytes())

    def score(self, time: float) -> Reading:
        """Read what the model says at a later `time` if nothing happens until then; the history stays as it is.

        Raises `EventError` for a model whose events have no times.
        """
        model, binding = self._model, self._binding
        if model.encoder.spec.clock is None:
            raise EventError("this model's events have no times, so it can't look ahead: keep the last reading")
        seconds = model.encoder.seconds(time)
        binding.codes[:], binding.numbers[:] = model.encoder.now(seconds, self._cursor)
        binding.state_bytes[:] = self._state
        binding.run()
        return Reading(model.questions, binding.heads.tobytes(), binding.embedding.tobytes())

    def snapshot(self) -> bytes:
        """The whole history as about 1.5 kB, for `Insight.session`."""
        return freeze(self._model.id, self._cursor, self._state)

    def _history(self, seconds: float) -> tuple[Cursor, bytes]:
        """The cursor and state that an event at `seconds` follows: empty ones where it starts the history anew."""
        cursor = self._cursor
        if self._reset is not None and self._reset.due(cursor.count, cursor.gap(seconds)):
            return Cursor(), self._model.empty_state
        return cursor, self._state
