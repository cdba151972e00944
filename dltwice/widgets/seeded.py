"""Random numbers from a seed, the same in Python and in the page (``random.js``).

NumPy's generators have no twin in JavaScript. A widget whose page draws random numbers therefore draws them
with this small generator on both sides. It is for pictures, not for statistics or secrets.
"""

from __future__ import annotations

import math

_BITS = 0xFFFFFFFF


class Seeded:
    """A stream of random numbers: Tommy Ettinger's mulberry32, 32 bits of state.

    Args:
        seed: a whole number; only its lowest 32 bits count.

    Source: G. E. P. Box and M. E. Muller, "A Note on the Generation of Random Normal Deviates", Annals of
    Mathematical Statistics 29 (1958), for ``normal``.
    """

    def __init__(self, seed: int) -> None:
        self._state = seed & _BITS

    def uniform(self) -> float:
        """Return the next number u, 0 ≤ u < 1, a multiple of 2⁻³²."""
        self._state = state = (self._state + 0x6D2B79F5) & _BITS
        t = (state ^ (state >> 15)) * (state | 1) & _BITS
        t ^= (t + ((t ^ (t >> 7)) * (t | 61) & _BITS)) & _BITS
        return (t ^ (t >> 14)) / 2**32

    def normal(self) -> float:
        """Return the next normal number, mean 0, standard deviation 1. It takes two uniform numbers."""
        radius = math.sqrt(-2 * math.log(1 - self.uniform()))
        return radius * math.cos(2 * math.pi * self.uniform())
