"""By how many bits a user's last events were less expected than the model itself expected.

An event that had probability p carries -log2 p bits (Shannon 1948). What a model expects to carry is its entropy, so a
user who varies a lot, and of whom the model knows it, isn't unusual; what exceeds it is. Nothing is computed before it
is asked for: an event leaves a reference to the answers that it met.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["WINDOW", "Alarm", "Outcome", "Recent", "averaged", "excess_bits"]

WINDOW = 10  # events; of 10, 20 and 50 the first flagged most planted take-overs at the same false alarms
_CALM = 3  # events without surprise that count as having come before, or one odd event at the start would set the alarm
_FLOAT_BYTES = 4
_LEAST = 1e-6  # of a probability, so that one event carries at most 20 bits and rounding in int8 graphs tells nothing


class Alarm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From how many bits per event on a history counts as unusual.

    `false_alarms` is the share of ordinary users for which the threshold was chosen: those who would be flagged at
    least once in a whole history. `measured` is that share of the test users, None where it isn't known.
    """

    threshold: float
    false_alarms: float
    measured: float | None = None


def excess_bits(chances: NDArray[np.floating], places: NDArray[np.integer]) -> NDArray[np.float64]:
    """The bits of what happened less those expected, `(n,)`: `chances` `(n, V)`, `places` `(n,)` of the event in V.

    A place of -1 is an event outside of the vocabulary: it counts as the least likely one.
    """
    bits = _bits(chances)
    happened = bits[np.arange(len(bits)), places]
    happened[places < 0] = bits[places < 0].max(1)
    found: NDArray[np.float64] = happened - (chances * bits).sum(1)
    return found


def _bits(chances: NDArray[np.floating]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = -np.log2(np.maximum(chances, _LEAST, dtype=np.float64))
    return found


def averaged(total: Any, count: Any) -> Any:
    """The surprise, bits per event: of `count` events with `total` bits too many in all; floats or arrays of them."""
    return total / (count + _CALM)


class Outcome:
    """An event with the answers `(O,)` float32 that it met; judged once, when it is asked for."""

    __slots__ = ("_bits", "_code", "_outputs")

    def __init__(self, outputs: bytes, code: int, bits: float | None = None) -> None:
        self._outputs, self._code, self._bits = outputs, code, bits

    def bits(self, start: int, size: int) -> float:
        """`excess_bits` under the next-event head at outputs `start` to `start + size`."""
        if self._bits is None:
            chances = np.frombuffer(self._outputs, np.float32, size, _FLOAT_BYTES * start)
            bits = _bits(chances)
            happened = bits[self._code - 1] if self._code else bits.max()
            self._bits = float(happened - chances.dot(bits))
            self._outputs = b""
        return self._bits


class Recent:
    """A user's last events, at most `WINDOW` of them, and the answers `outputs` that stand now. It never changes."""

    __slots__ = ("outcomes", "outputs")

    def __init__(self, outputs: bytes = b"", outcomes: tuple[Outcome, ...] = ()) -> None:
        self.outputs, self.outcomes = outputs, outcomes

    def then(self, code: int, outputs: bytes) -> "Recent":
        """The same after an event with that code, which `outputs` follow. The first event could not be expected."""
        if not self.outputs:
            return Recent(outputs)
        return Recent(outputs, (*self.outcomes[1 - WINDOW :], Outcome(self.outputs, code)))

    def bits(self, start: int, size: int) -> list[float]:
        """Each event's excess under the head there, the oldest first."""
        return [outcome.bits(start, size) for outcome in self.outcomes]
