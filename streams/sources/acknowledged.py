"""Offsets that a broker acknowledged, kept in runs."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class Sent:
    """Offsets that were acknowledged: partition -> runs [first, stop), ascending."""

    runs: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def note(self, partition: int, first: int, count: int) -> None:
        """Add the offsets of one acknowledged batch.

        Args:
            partition: Partition of the batch.
            first: Offset of the batch's first record; below 0 the broker did not report it, and nothing is
                added.
            count: Records in the batch.
        """
        if first < 0:
            return
        runs = self.runs.setdefault(partition, [])
        if runs and runs[-1][1] == first:
            runs[-1] = (runs[-1][0], first + count)
        else:
            runs.append((first, first + count))

    def __contains__(self, place: tuple[int, int]) -> bool:
        """Return True if a (partition, offset) was acknowledged."""
        partition, offset = place
        runs = self.runs.get(partition, [])
        at = bisect_right(runs, (offset, offset + 1 << 62)) - 1
        return at >= 0 and offset < runs[at][1]

    @property
    def total(self) -> int:
        """Number of acknowledged records."""
        return sum(stop - first for runs in self.runs.values() for first, stop in runs)

    def before(self, ends: Mapping[int, int]) -> int:
        """Return the number of acknowledged records that lie before an offset of their partition.

        Args:
            ends: Partition -> offset; records of partitions without an offset do not count.
        """
        return sum(
            max(0, min(stop, ends.get(partition, 0)) - first)
            for partition, runs in self.runs.items()
            for first, stop in runs
        )
