"""Counters and times of a worker; `streams/monitoring/prometheus.py` exposes them.

Every call costs one dictionary look-up and happens once per batch or less often, never once per event.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from typing import Final

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of a duration, in seconds: from a small batch to half a send's deadline."""


class Times:
    """Histogram of durations: a count per bucket."""

    def __init__(self) -> None:
        self._classes = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        """Sum of the observed durations, in seconds."""

    def observe(self, seconds: float) -> None:
        """Count a duration."""
        self._classes[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def cumulative(self) -> list[tuple[float, int]]:
        """Return, for each upper bound, infinity last, the number of durations that were not longer."""
        return list(zip((*BOUNDS, float("inf")), accumulate(self._classes), strict=True))


class Counts:
    """Counters by name; the counters of one kind of event share a prefix, as in `dead_letters.json`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._levels: dict[str, int] = {}
        self.applying = Times()
        """Time for which the agent had a batch."""
        self.delivering = Times()
        """Time from the hand-over of a batch to the agent until all of the batch's output was
        acknowledged."""
        self.sweeping = Times()
        """Time to compute one slice of a day boundary's sweep."""

    def add(self, name: str, count: int = 1) -> None:
        """Add to a counter."""
        self._counts[name] += count

    def level(self, name: str, level: int | None) -> None:
        """Set a level, such as a lag, which is not a count of events; None removes an unknown level."""
        if level is None:
            self._levels.pop(name, None)
        else:
            self._levels[name] = level

    def __getitem__(self, name: str) -> int:
        return self._levels[name] if name in self._levels else self._counts[name]

    def counted(self) -> dict[str, int]:
        """Return the counters alone."""
        return dict(self._counts)

    def levels(self) -> dict[str, int]:
        """Return the known levels alone."""
        return dict(self._levels)

    def snapshot(self) -> dict[str, int]:
        """Return all counters and levels so far, sorted by name."""
        return dict(sorted({**self._counts, **self._levels}.items()))
