"""Where the chance of private training comes from: the system's generator, whose numbers nobody can have again.

NumPy's generators would do where noise is all that matters, but whoever learns their seed can take the noise away.
"""

import secrets

import numpy as np
from numpy.typing import NDArray

__all__ = ["Noise"]

_BYTES = 8
_BITS = 53  # of a float's mantissa


class Noise:
    """Draws from the system's generator; with a `seed`, from NumPy's, so that tests can repeat them."""

    def __init__(self, seed: int | None = None) -> None:
        self._seeded = None if seed is None else np.random.default_rng(seed)

    def generator(self) -> np.random.Generator:
        """NumPy's, for chance that nobody may know but that is no noise; a seed gives the one that follows from it."""
        return np.random.default_rng(None if self._seeded is None else self._seeded.integers(2**63))

    def uniform(self, size: int) -> NDArray[np.float64]:
        """Numbers in [0, 1), `(size,)`."""
        if self._seeded is not None:
            return self._seeded.random(size)
        bits = np.frombuffer(secrets.token_bytes(_BYTES * size), np.uint64) >> np.uint64(64 - _BITS)
        return np.asarray(bits / 2**_BITS, np.float64)

    def normal(self, size: int) -> NDArray[np.float64]:
        """Numbers from the standard normal distribution, `(size,)` (Box & Muller 1958)."""
        half = (size + 1) // 2
        radius, angle = np.sqrt(-2 * np.log1p(-self.uniform(half))), 2 * np.pi * self.uniform(half)
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:size]

    def chosen(self, size: int, rate: float) -> NDArray[np.int64]:
        """The places of `size` that are drawn, each by itself with the chance `rate`."""
        return np.flatnonzero(self.uniform(size) < rate)
