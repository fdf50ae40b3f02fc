"""Exact draws in whole numbers: uniform ones, rational chances, and the discrete Laplace distribution.

No float takes part: the gaps between floats betray what noise was added to (Mironov 2012, "On significance of the least
significant bits for differential privacy"). How long a draw takes isn't hidden; it depends on the noise.
"""

import os
from collections.abc import Callable
from fractions import Fraction

__all__ = ["Bits", "Chance", "system_bits"]

Bits = Callable[[int], int]


def system_bits(count: int) -> int:
    """`count` bits of the operating system's cryptographic generator, as a whole number."""
    return int.from_bytes(os.urandom((count + 7) // 8), "big") >> -count % 8


class Chance:
    """Draws from a source of fair bits: `bits(count)` gives that many of them as a whole number."""

    def __init__(self, bits: Bits = system_bits) -> None:
        self._bits = bits

    def below(self, end: int) -> int:
        """A whole number from 0 to `end` - 1, each as likely as any other."""
        size = (end - 1).bit_length()
        while (found := self._bits(size)) >= end:
            pass
        return found

    def happens(self, numerator: int, denominator: int) -> bool:
        """True with the chance `numerator / denominator`."""
        return self.below(denominator) < numerator

    def decays(self, numerator: int, denominator: int) -> bool:
        """True with the chance exp(-`numerator / denominator`), of a fraction from 0 to 1.

        Canonne, Kamath & Steinke 2020, "The discrete Gaussian for differential privacy", algorithm 1: the first k at
        which an event of the chance γ/k fails to happen is odd with the chance exp(-γ).
        """
        k = 1
        while self.happens(numerator, k * denominator):
            k += 1
        return k % 2 == 1

    def laplace(self, rate: Fraction) -> int:
        """A whole number z with a chance in proportion to exp(-`rate` · |z|).

        Algorithm 2 of the same paper, with s / t = `rate`: u + t · v is geometric with the rate 1 / t, and so its
        quotient by s with the rate s / t; of the two zeros, one is drawn again.
        """
        s, t = rate.numerator, rate.denominator
        while True:
            u = self.below(t)
            if not self.decays(u, t):
                continue
            v = 0
            while self.decays(1, 1):
                v += 1
            size, is_negative = (u + t * v) // s, self.happens(1, 2)
            if size or not is_negative:
                return -size if is_negative else size
