"""One user's history, observed event by event."""

from nearsight.backends import Backend
from nearsight.cursor import Cursor
from nearsight.errors import EventError
from nearsight.features import Encoder
from nearsight.heads import Questions, Reading
from nearsight.manifest import Manifest
from nearsight.profile import Profile, Tally, profiled
from nearsight.snapshot import Expected, freeze, thaw
from nearsight.spec import Reset
from nearsight.surprise import Outcome, Recent

__all__ = ["Model", "Session"]

_FLOAT_BYTES = 4


class Model:
    """What all sessions of one loaded bundle share."""

    __slots__ = ("average", "backend", "encoder", "id", "questions", "trunk")

    def __init__(self, backend: Backend, manifest: Manifest) -> None:
        self.backend, self.encoder = backend, Encoder(manifest.spec)
        self.questions = Questions(manifest.heads, manifest.segments, manifest.alarm)
        self.trunk, self.id, self.average = manifest.trunk, manifest.model, manifest.average

    @property
    def empty_state(self) -> bytes:
        """The state of an empty history."""
        return bytes(_FLOAT_BYTES * self.trunk.state_size)


class Session:
    """A stream of one user's events. Sessions of one `Insight` share its runtime's memory: one thread at a time.

    An event that raises leaves the session as it was. A time earlier than the last event's counts as the last
    event's time. Where the specification says so, the event after a long gap or a full count starts the history anew.
    """

    __slots__ = ("_binding", "_cursor", "_model", "_recent", "_reset", "_state", "_tally")

    def __init__(self, model: Model, snapshot: bytes | None = None) -> None:
        self._model = model
        reset = model.encoder.spec.reset
        self._reset = None if reset == Reset() else reset  # asked before every event
        self._binding = model.backend.bind(1)
        self._tally = None if model.average is None else Tally()
        self._recent = None if model.questions.alarm is None else Recent()
        if snapshot is None:
            self._cursor, self._state = Cursor(), model.empty_state
        else:
            self._restore(snapshot)

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
        code = model.encoder.fill(binding.row_bytes, event, seconds, fields, cursor)
        binding.state_bytes[:] = state
        binding.run()
        self._state = binding.next_state.tobytes()
        cursor.advance(seconds, code if code in model.encoder.counted else None)
        self._cursor = cursor
        outputs = binding.heads.tobytes()
        if self._tally is not None:
            self._tally.add(code, seconds)
        if self._recent is not None:
            self._recent = self._recent.then(code, outputs)
        return Reading(model.questions, outputs, binding.embedding.tobytes(), self._recent)

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
        return Reading(model.questions, binding.heads.tobytes(), binding.embedding.tobytes(), self._recent)

    def profile(self) -> Profile | None:
        """What this user does most, when and how fast, beside the average user; None where the model knows none.

        It covers all events since the session was new, also those before the history last began anew.
        """
        model = self._model
        if self._tally is None or model.average is None:
            return None
        return profiled(self._tally, model.encoder.spec.event.vocabulary, model.average)

    def snapshot(self) -> bytes:
        """The whole history as about 1.5 kB, for `Insight.session`."""
        recent, head = self._recent, self._model.questions.next_event
        expected = Expected(recent.outputs, recent.bits(head.start, head.size)) if recent and head else None
        return freeze(self._model.id, self._cursor, self._state, self._tally, expected)

    def _restore(self, snapshot: bytes) -> None:
        found = thaw(snapshot, self._model.id, self._model.trunk, self._model.encoder.counted)
        self._cursor, self._state = found.cursor, found.state
        if self._tally is not None and found.tally is not None:
            self._tally = found.tally
        if self._recent is not None and found.expected is not None:
            outcomes = tuple(Outcome(b"", 0, bits) for bits in found.expected.bits)
            self._recent = Recent(found.expected.outputs, outcomes)

    def _history(self, seconds: float) -> tuple[Cursor, bytes]:
        """The cursor and state that an event at `seconds` follows: empty ones where it starts the history anew."""
        cursor = self._cursor
        if self._reset is not None and self._reset.due(cursor.count, cursor.gap(seconds)):
            return Cursor(), self._model.empty_state
        return cursor, self._state
