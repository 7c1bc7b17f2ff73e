"""Pairs (household, category) as of a day, with what they did before it and what they did then.

A pair is asked about once it was bought on three days: what is bought less often has no interval to speak of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from benchmarks.quality.log.journey import DAYS, Bought

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]

LEAST_PURCHASES: Final = 3
NEVER: Final = 10**6
"""Days until a purchase that is not seen."""


class Asked(NamedTuple):
    """Pairs of which something is asked, one entry each."""

    last: Integers
    """(k,) place in the history of the pair's last known purchase day."""
    first: Integers
    """(k,) place of its first."""
    day: Integers
    """(k,) last day known when it is asked."""
    until: Integers
    """(k,) days from `day` to the next purchase; `NEVER` if none is seen."""

    @property
    def purchases(self) -> Integers:
        """(k,) purchase days known."""
        return self.last - self.first + 1


class History:
    """Purchase days of every pair, and the questions asked of them.

    Args:
        bought: Who bought what on which day.
    """

    def __init__(self, bought: Bought) -> None:
        self.bought = bought
        width = int(bought.names.max(initial=0)) + 1
        keys = bought.households * width + bought.names
        self.begins = np.flatnonzero(np.diff(keys, prepend=-1))
        """(p,) place of each pair's first purchase day."""
        self.sizes = np.diff(np.append(self.begins, len(keys)))
        self.pair = np.repeat(np.arange(len(self.begins)), self.sizes)
        """(n,) pair of each purchase day."""
        self._order = self.pair * DAYS + bought.days
        self.gaps = np.diff(bought.days, prepend=0)
        """(n,) days since the pair's purchase before; 0 at its first."""
        self.gaps[self.begins] = 0
        later = np.append(bought.days[1:], 0) - bought.days
        later[self.begins + self.sizes - 1] = NEVER
        self.until = later
        """(n,) days to the pair's next purchase; `NEVER` if none is seen."""

    def households(self, asked: Asked) -> Integers:
        """Return the (k,) households of pairs."""
        return self.bought.households[asked.last]

    def names(self, asked: Asked) -> Integers:
        """Return the (k,) categories of pairs."""
        return self.bought.names[asked.last]

    def elapsed(self, asked: Asked) -> Integers:
        """Return the (k,) days since the last known purchase."""
        return asked.day - self.bought.days[asked.last]

    def at(self, cut: int) -> Asked:
        """Ask of every pair with three purchase days before a day, as of the day before it."""
        known = np.searchsorted(self._order, np.arange(len(self.begins)) * DAYS + cut) - self.begins
        pairs = np.flatnonzero(known >= LEAST_PURCHASES)
        last = self.begins[pairs] + known[pairs] - 1
        day = np.full(len(pairs), cut - 1)
        until = np.where(self.until[last] == NEVER, NEVER, self.bought.days[last] + self.until[last] - day)
        return Asked(last, self.begins[pairs], day, until)

    def after(self, days: range) -> Asked:
        """Ask at every purchase of some days that is the pair's third or a later one, as of its own day."""
        number = np.arange(len(self.pair)) - self.begins[self.pair] + 1
        chosen = (number >= LEAST_PURCHASES) & (self.bought.days >= days.start)
        last = np.flatnonzero(chosen & (self.bought.days < days.stop))
        return Asked(last, self.begins[self.pair[last]], self.bought.days[last], self.until[last])

    def medians(self) -> Reals:
        """Return the (n,) median of each pair's intervals up to each purchase day; 0 at the first."""
        found = np.zeros(len(self.gaps))
        for begin, size in zip(self.begins.tolist(), self.sizes.tolist(), strict=True):
            gaps = self.gaps[begin + 1 : begin + size]
            for number in range(1, size):
                found[begin + number] = _median(gaps[:number])
        return found

    def running(self, values: Reals) -> Reals:
        """Return the (n,) sum of values of each pair up to and with each purchase day."""
        total = np.cumsum(values)
        return total - np.repeat(total[self.begins] - values[self.begins], self.sizes)


def _median(values: Integers) -> float:
    ordered = np.sort(values)
    middle = len(ordered) // 2
    return float(ordered[middle] + ordered[-middle - 1]) / 2
