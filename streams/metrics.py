"""Counters and times of a worker, kept in one place; `streams/monitoring/prometheus.py` shows them.

Everything here happens once for a batch or less often, never for an event, and costs a dictionary's look-up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from typing import Final

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the classes of a duration, in seconds: from a small batch to half a send's deadline."""


class Times:
    """Durations, counted by class: a histogram."""

    def __init__(self) -> None:
        self._classes = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        """Their sum."""

    def observe(self, seconds: float) -> None:
        """Count a duration."""
        self._classes[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def cumulative(self) -> list[tuple[float, int]]:
        """For each upper bound, infinity last, how many durations were not longer."""
        return list(zip((*BOUNDS, float("inf")), accumulate(self._classes), strict=True))


class Counts:
    """Simple counters, by name; those of one event's kind share a prefix, as in `dead_letters.json`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._levels: dict[str, int] = {}
        self.applying = Times()
        """How long the agent had a batch."""
        self.delivering = Times()
        """From when a batch was handed to the agent until all that came of it was acknowledged."""
        self.sweeping = Times()
        """How long one slice of a day boundary's sweep took to compute."""

    def add(self, name: str, count: int = 1) -> None:
        """Count something."""
        self._counts[name] += count

    def level(self, name: str, level: int | None) -> None:
        """Note what is no count of events but stands at a level, such as a lag; None for not known."""
        if level is None:
            self._levels.pop(name, None)
        else:
            self._levels[name] = level

    def __getitem__(self, name: str) -> int:
        return self._levels[name] if name in self._levels else self._counts[name]

    def counted(self) -> dict[str, int]:
        """The counters alone."""
        return dict(self._counts)

    def levels(self) -> dict[str, int]:
        """The levels alone, as far as they are known."""
        return dict(self._levels)

    def snapshot(self) -> dict[str, int]:
        """All counters and levels so far, sorted by name."""
        return dict(sorted({**self._counts, **self._levels}.items()))
