"""A loaded bundle: sessions for single users, and many histories at once."""

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from nearsight.backends import choose
from nearsight.batch import Event, encoded, last_readings
from nearsight.bundle import read_bundle
from nearsight.errors import EventError
from nearsight.heads import Questions, Reading, values_of
from nearsight.manifest import Manifest
from nearsight.session import Model, Session
from nearsight.signature import Key

__all__ = ["Insight", "Readings", "load"]


def load(source: str | os.PathLike[str] | bytes, *, runtime: str = "auto", public_key: Key | None = None) -> "Insight":
    """Load a bundle from a path or from bytes.

    `runtime` is "litert", "tflite", "onnx", "numpy" or "auto": the first of these that is installed and that the
    bundle has a graph for. With a `public_key`, an Ed25519 key in PEM as a path or as bytes, only a bundle that its
    owner signed is loaded. Raises `BundleError` for a file that can't be trusted, `RuntimeMissingError` with what to
    install, and `InputError` where the key can't be used.
    """
    bundle = read_bundle(source, public_key)
    backend = choose(runtime, bundle.members, bundle.manifest.trunk)
    return Insight(bundle.manifest, Model(backend, bundle.manifest))


class Insight:
    """A model ready to answer. Made by `load`.

    It and its sessions serve one thread at a time: load one for each thread, which shares nothing with the others. A
    process that was forked may go on with what it has.
    """

    def __init__(self, manifest: Manifest, model: Model) -> None:
        self.manifest = manifest
        self._model = model

    @property
    def runtime(self) -> str:
        """The runtime that was chosen: "litert", "tflite", "onnx" or "numpy"."""
        return self._model.backend.name

    def session(self, snapshot: bytes | None = None) -> Session:
        """A session with an empty history, or with the one of a snapshot. Raises `SnapshotError` for a foreign one."""
        return Session(self._model, snapshot)

    def score_many(self, histories: Sequence[Sequence[Event]], *, time: float | None = None) -> "Readings":
        """Read many users' histories at once: what `observe` says after each one's last event.

        A history is its events in order; an event is `(name, time)` or `(name, time, {field: value})`, and `(name,)`
        is enough for a model whose events have no times. With `time`, the readings are those of `score(time)`.
        Raises `EventError` for an empty history (unless `time` is given) and as `observe` does.
        """
        lengths = np.fromiter(map(len, histories), np.int64, len(histories))
        if time is None and not lengths.all():
            raise EventError(
                f"history {int(np.argmin(lengths))} has no event to read after: leave it out, or pass time"
            )
        rows = encoded(self._model.encoder, list(chain.from_iterable(histories)), lengths)
        if time is not None:
            rows = rows.asked(self._model.encoder, time)
        heads, embedding = last_readings(self._model, rows)
        return Readings(self._model.questions, heads, embedding)


class Readings(Mapping[str, NDArray[np.float32]]):
    """One reading for each history: `readings["purchase"]` is `(H,)` float32, `embedding` `(H, U)`.

    There is no surprise and no profile among them: those are a session's, which has seen the events one by one.
    """

    def __init__(self, questions: Questions, outputs: NDArray[np.float32], embedding: NDArray[np.float32]) -> None:
        self._questions, self._outputs, self.embedding = questions, outputs, embedding

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        column: NDArray[np.float32] = self._outputs[:, self._questions.columns[name]]
        return column

    def value(self, name: str) -> NDArray[np.float64]:
        """The number that the question `name` asks for: point, low and high `(H, 3)`. Raises `KeyError` for others."""
        head = self._questions.values[name]
        return values_of(self._outputs[:, head.start : head.start + head.size], head)

    @property
    def segments(self) -> list[str] | None:
        """The name of each history's segment; None where the model has none."""
        segments = self._questions.segments
        return [segments.names[place] for place in segments.places(self.embedding)] if segments else None

    def __iter__(self) -> Iterator[str]:
        return iter(self._questions.columns)

    def __len__(self) -> int:
        return len(self._questions.columns)

    def reading(self, history: int) -> Reading:
        """The reading of one history."""
        return Reading(self._questions, self._outputs[history].tobytes(), self.embedding[history].tobytes())
