"""What a worker counts."""

from __future__ import annotations

from collections import Counter


class Counts:
    """Simple counters, by name; those of one event's kind share a prefix, as in `dead_letters.json`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, name: str, count: int = 1) -> None:
        """Count something."""
        self._counts[name] += count

    def level(self, name: str, level: int) -> None:
        """Note what is no count of events but stands at a level, such as a lag."""
        self._counts[name] = level

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    def snapshot(self) -> dict[str, int]:
        """All counters so far, sorted by name."""
        return dict(sorted(self._counts.items()))
