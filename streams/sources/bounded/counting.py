"""Counts of names in bounded memory: the number of different names, and the most frequent one."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from hashlib import blake2b
from typing import Final

EXACT: Final = 1 << 20
"""Names that `Distinct` counts exactly, with about 70 bytes each. Beyond that, `Distinct` holds every second,
fourth, ... name and multiplies, which is off by a tenth of a percent or so."""

FOLLOWED: Final = 1 << 18
"""Names that `Frequent` follows at once, with about 150 bytes each."""


class Distinct:
    """Number of different texts: exact up to `most`, approximate beyond (adaptive sampling).

    Args:
        most: Texts that are held, as hashes of 64 bits.

    >>> names = Distinct()
    >>> for name in ("milk", "bread", "milk"):
    ...     names.add(name)
    >>> names.count, names.exact
    (2, True)

    References:
        P. Flajolet, "On adaptive sampling", Computing 43, 1990.
    """

    def __init__(self, most: int = EXACT) -> None:
        self._most = most
        self._halvings = 0
        self._held: set[int] = set()

    def add(self, text: str) -> None:
        """Add one text, new or not."""
        code = _code(text)
        if code & ((1 << self._halvings) - 1):
            return
        self._held.add(code)
        while len(self._held) > self._most:
            self._halvings += 1
            mask = (1 << self._halvings) - 1
            self._held = {each for each in self._held if not each & mask}

    @property
    def count(self) -> int:
        """Different texts so far."""
        return len(self._held) << self._halvings

    @property
    def exact(self) -> bool:
        """True as long as every text was held."""
        return not self._halvings


class Frequent:
    """Most frequent text and its count: exact up to `most` different ones, then a lower bound (Misra-Gries).

    A text that makes up more than a share of 2 / `most` of all is never lost.

    Args:
        most: Texts that are followed at once.

    >>> names = Frequent()
    >>> for name in ("milk", "bread", "milk"):
    ...     names.add(name)
    >>> names.largest, names.total
    (('milk', 2), 3)

    References:
        J. Misra and D. Gries, "Finding repeated elements", Science of Computer Programming 2, 1982.
    """

    def __init__(self, most: int = FOLLOWED) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()
        self.total = 0
        """Texts taken, repeats included."""
        self.exact = True
        """False once rare texts were dropped."""

    def add(self, text: str) -> None:
        """Add one text."""
        self.total += 1
        self._counts[text] += 1
        if len(self._counts) > self._most:
            self.exact = False
            middle = sorted(self._counts.values())[len(self._counts) // 2]
            self._counts = Counter(
                {name: count - middle for name, count in self._counts.items() if count > middle}
            )

    @property
    def largest(self) -> tuple[str, int]:
        """Most frequent text, the first of several, and its count; empty and 0 where there is none."""
        return max(self._counts.items(), key=lambda pair: pair[1], default=("", 0))


@lru_cache(maxsize=1 << 16)
def _code(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "big")
