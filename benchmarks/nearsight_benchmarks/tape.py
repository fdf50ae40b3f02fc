"""Real test events laid out for timing: the same ones for every contestant, prepared before the clock starts."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.backends import Backend
from nearsight.insight import Insight
from nearsight_benchmarks.timing import Calls
from nearsight_training.histories import Histories
from nearsight_training.peers import Past, Peer

__all__ = ["Tape"]

Floats = NDArray[np.float32]
Window = tuple[NDArray[np.int32], Floats, NDArray[np.int32]]
Event = tuple[str, float | None, dict[str, object]]
_PACE_SECONDS = 3600.0  # one event an hour: a stream never ends, so its times are the tape's own
_TAPE = 1024  # a power of two


class Tape:
    """Up to 1,024 consecutive test events, played round and round."""

    def __init__(self, histories: Histories, has_clock: bool) -> None:
        places = np.resize(np.arange(min(len(histories.codes), _TAPE)), _TAPE)
        self._codes, self._numbers = histories.codes[places], histories.numbers[places]
        self._names = histories.names[places].tolist()
        columns = {name: column[places].tolist() for name, column in histories.fields.items()}
        self._fields = [{name: column[i] for name, column in columns.items()} for i in range(_TAPE)]
        self._start = float(histories.times[places[0]])
        self._has_clock = has_clock

    def event(self, number: int) -> Event:
        """The event with that number in an endless stream: name, time and fields."""
        place = number % _TAPE
        time = self._start + number * _PACE_SECONDS if self._has_clock else None
        return self._names[place], time, self._fields[place]

    def step(self, name: str, backend: Backend, state_size: int) -> Calls:
        """Rows and a state through a backend's `step`, the next state taken over."""
        rows = [(self._codes[i : i + 1], self._numbers[i : i + 1]) for i in range(_TAPE)]
        step, state, turn = backend.step, np.zeros((1, state_size), np.float32), 0

        def call() -> None:
            nonlocal state, turn
            codes, numbers = rows[turn & (_TAPE - 1)]
            _, _, state = step(codes, numbers, state)
            turn += 1

        return Calls(name, call)

    def observe(self, name: str, insight: Insight, snapshot: bytes, count: int) -> Calls:
        """`session.observe` from a snapshot after `count` events on; each block starts from it again."""
        session, turn = insight.session(snapshot), count
        events = [self.event(number) for number in range(count, count + _TAPE)]

        def prepare() -> None:
            nonlocal session, turn
            session, turn = insight.session(snapshot), 0

        def call() -> None:
            nonlocal turn
            event, time, fields = events[turn]
            session.observe(event, time, **fields)
            turn += 1

        return Calls(name, call, prepare)

    def snapshot(self, insight: Insight, count: int) -> bytes:
        """The snapshot of a session that observed the first `count` events of the stream."""
        session = insight.session()
        for number in range(count):
            event, time, fields = self.event(number)
            session.observe(event, time, **fields)
        return session.snapshot()

    def window(self, name: str, size: int, run: Callable[..., Any]) -> Calls:
        """Full windows of `size` events through `run(codes, numbers, length)`."""
        windows = [self._window(start, size) for start in range(64)]
        turn = 0

        def call() -> None:
            nonlocal turn
            run(*windows[turn & 63])
            turn += 1

        return Calls(name, call)

    def peer(self, peer: Peer, pasts: Sequence[Past]) -> Calls:
        """A peer on whole histories, in turn."""
        turn = 0

        def call() -> None:
            nonlocal turn
            peer.score(pasts[turn % len(pasts)])
            turn += 1

        return Calls(peer.name, call)

    def _window(self, start: int, size: int) -> Window:
        places = (start + np.arange(size)) % _TAPE
        return self._codes[None, places], self._numbers[None, places], np.array([size], np.int32)
