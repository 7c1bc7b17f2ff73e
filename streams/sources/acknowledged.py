"""Offsets that a broker acknowledged, kept in runs."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class Sent:
    """The offsets that were acknowledged, in runs: [first, stop) each, by partition and ascending."""

    runs: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def note(self, partition: int, first: int, count: int) -> None:
        """Take note of one acknowledged batch; an offset below 0 is one that the broker did not tell."""
        if first < 0:
            return
        runs = self.runs.setdefault(partition, [])
        if runs and runs[-1][1] == first:
            runs[-1] = (runs[-1][0], first + count)
        else:
            runs.append((first, first + count))

    def __contains__(self, place: tuple[int, int]) -> bool:
        """Whether a (partition, offset) is one of them."""
        partition, offset = place
        runs = self.runs.get(partition, [])
        at = bisect_right(runs, (offset, offset + 1 << 62)) - 1
        return at >= 0 and offset < runs[at][1]

    @property
    def total(self) -> int:
        """How many records they are."""
        return sum(stop - first for runs in self.runs.values() for first, stop in runs)

    def before(self, ends: Mapping[int, int]) -> int:
        """How many of them lie before an offset of their partition."""
        return sum(
            max(0, min(stop, ends.get(partition, 0)) - first)
            for partition, runs in self.runs.items()
            for first, stop in runs
        )
