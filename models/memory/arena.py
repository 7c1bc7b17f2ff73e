"""Arena: runs of records of many customers in one structured array, each customer's run in one piece."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESERVED_CUSTOMERS = 1 << 18
"""Customers for whom address space is reserved at the start. A page costs memory only once it is touched, and
doubling a full array costs 0.7 to 1.0 us per event. Beyond this many customers the array doubles all the
same."""
_PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}
_SMALLEST = 4
"""Records of the smallest room. Rooms grow by doubling, and freed rooms are used again."""


class Arena:
    """Runs of records, one per customer, of at most `longest` records each.

    A room is the block of records reserved for a run. A run costs 16 bytes of index. The bytes of a run are
    the bytes of the stored row, so that reading or writing a customer is one slice; a matrix of cell numbers
    would offer neither. A run that outgrows its room moves to a room of twice the size.

    Args:
        dtype: Structured type of a record.
        longest: Most records that a run may hold.
    """

    def __init__(self, dtype: np.dtype[Any], longest: int) -> None:
        self.longest = longest
        self.records: NDArray[Any] = reserved(RESERVED_CUSTOMERS * _SMALLEST, dtype)
        self.lengths: NDArray[np.int32] = reserved(RESERVED_CUSTOMERS, np.dtype(np.int32))
        self._starts = reserved(RESERVED_CUSTOMERS, np.dtype(np.int64))
        self._rooms = reserved(RESERVED_CUSTOMERS, np.dtype(np.int32))
        self._free: dict[int, list[int]] = {}
        self._end = 0

    def run(self, row: int) -> NDArray[Any]:
        """Return one customer's records, as a view."""
        start = self._starts[row]
        return self.records[start : start + self.lengths[row]]

    def positions(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find the records of many customers.

        Args:
            rows: (k,) rows of customers.

        Returns:
            (m,) index into `rows` of each record's customer, ascending, and (m,) position in `records`.
        """
        lengths = self.lengths[rows]
        owners = np.arange(len(rows)).repeat(lengths)
        first = lengths.cumsum() - lengths
        return owners, np.arange(len(owners)) + (self._starts[rows] - first).repeat(lengths)

    def gather(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Copy the records of many customers: (m,) index into `rows`, ascending, and (m,) records."""
        owners = np.arange(len(rows)).repeat(self.lengths[rows])
        return owners, np.frombuffer(bytearray().join(self.slices(rows)), self.records.dtype)

    def slices(self, rows: NDArray[np.int64]) -> list[memoryview]:
        """Return the bytes of each customer's run, as views that are valid until the next change."""
        memory, size = self.records.view(np.uint8).data, self.records.itemsize
        starts = self._starts[rows]
        ends = ((starts + self.lengths[rows]) * size).tolist()
        return [memory[start:end] for start, end in zip((starts * size).tolist(), ends, strict=True)]

    def put(self, row: int, records: NDArray[Any]) -> None:
        """Replace one customer's run.

        Raises:
            ValueError: There are more records than a run may hold.
        """
        count = len(records)
        if count > self.longest:
            raise ValueError(f"{count} records in a run of at most {self.longest}")
        if count > self._rooms[row]:
            self._move(row, count)
        if count < self.lengths[row]:
            self.clear(np.array([row]))
        start = self._starts[row]
        self.records[start : start + count] = records
        self.lengths[row] = count

    def put_all(self, rows: NDArray[np.int64], owners: NDArray[np.int64], records: NDArray[Any]) -> None:
        """Replace the runs of many customers.

        Args:
            rows: (k,) rows of customers, each once.
            owners: (m,) index into `rows` of each record's customer, ascending.
            records: (m,) records. A customer without records gets an empty run.
        """
        lengths = np.bincount(owners, minlength=len(rows)).astype(np.int32)
        for index in np.flatnonzero(lengths > self._rooms[rows]).tolist():
            self._move(int(rows[index]), int(lengths[index]))
        shrinking = rows[lengths < self.lengths[rows]]
        if len(shrinking):
            self.clear(shrinking)
        self.lengths[rows] = lengths
        data, at = memoryview(records.tobytes()), 0
        for place in self.slices(rows):
            place[:] = data[at : at + len(place)]
            at += len(place)

    def clear(self, rows: NDArray[np.int64]) -> None:
        """Empty the runs of customers, who keep their rooms, and overwrite them with zeros."""
        for run in self.slices(rows):
            run[:] = bytes(len(run))
        self.lengths[rows] = 0

    def wipe(self, row: int) -> None:
        """Free one customer's room.

        The room is overwritten with zeros, so that nothing of the customer stays in memory.
        """
        room, start = int(self._rooms[row]), int(self._starts[row])
        if room:
            self.records[start : start + room] = np.zeros(1, self.records.dtype)
            self._free.setdefault(room, []).append(start)
        self._rooms[row] = 0
        self.lengths[row] = 0

    def hand_over(self, row: int, to: int) -> None:
        """Move one customer's run to another row, which must have none."""
        for column in (self.lengths, self._starts, self._rooms):
            column[to], column[row] = column[row], 0

    def reserve(self, customers: int) -> None:
        """Make room in the index for at least `customers` customers."""
        self.lengths = grown(self.lengths, customers)
        self._starts = grown(self._starts, customers)
        self._rooms = grown(self._rooms, customers)

    @property
    def extent(self) -> tuple[int, int]:
        """Count of the records that all rooms span, and count of the freed rooms, as `resize` needs them."""
        return self._end, sum(map(len, self._free.values()))

    def columns(self, customers: int) -> tuple[NDArray[Any], ...]:
        """Return views for a checkpoint: all records up to the arena's end, and the first customers' index.

        The records include the space of freed rooms, which `freed` lists.
        """
        index = (self.lengths, self._starts, self._rooms)
        return (self.records[: self._end], *(column[:customers] for column in index))

    def freed(self) -> NDArray[np.int64]:
        """Return the (k, 2) size and start of every freed room, for a checkpoint."""
        rooms = [(room, start) for room, starts in self._free.items() for start in starts]
        return np.array(rooms, np.int64).reshape(-1, 2)

    def resize(self, customers: int, end: int) -> tuple[NDArray[Any], ...]:
        """Make room for the arrays that `columns` returned, and return the views to fill.

        The caller must call `check` afterwards.

        Args:
            customers: Count of customers.
            end: Count of the records that all rooms span.
        """
        self.reserve(customers)
        self.records = grown(self.records, end)
        self._end = end
        return self.columns(customers)

    def check(self, customers: int, freed: NDArray[np.int64]) -> None:
        """Take over freed rooms, and check that the columns written after `resize` fit together.

        Args:
            customers: Count of customers.
            freed: (k, 2) size and start of every freed room.

        Raises:
            ValueError: A run or a freed room lies outside the arena.
        """
        _, lengths, starts, rooms = self.columns(customers)
        sound = (starts >= 0) & (starts + rooms <= self._end) & (lengths >= 0) & (lengths <= rooms)
        sizes, places = freed[:, 0], freed[:, 1]
        fits = (sizes > 0) & (sizes <= self.longest) & (places >= 0) & (places + sizes <= self._end)
        if not (sound.all() and fits.all() and (rooms <= self.longest).all()):
            raise ValueError("runs of customers lie outside of the arena")
        self._free = {}
        for room, start in freed.tolist():
            self._free.setdefault(room, []).append(start)

    def _move(self, row: int, count: int) -> None:
        """Give one customer a room for `count` records. The old content is lost."""
        room = min(max(_SMALLEST, 1 << (count - 1).bit_length()), self.longest)
        if not self._free.get(room):
            # Grow first, because growing may raise, and nothing must have changed by then.
            self.records = grown(self.records, self._end + room)
        self.wipe(row)
        spare = self._free.get(room)
        if spare:
            start = spare.pop()
        else:
            start = self._end
            self._end += room
        self._starts[row] = start
        self._rooms[row] = room


def reserved(count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return zeros in a memory mapping of their own, in which a page costs memory only once it is touched.

    An allocator that keeps freed memory would reuse pages and clear them, so that every page of the array
    would be resident: 65 MB per partition at each rebalance.

    Args:
        count: Count of records.
        dtype: Type of a record.

    Raises:
        MemoryError: The mapping could not be created.
    """
    try:
        memory = mmap.mmap(-1, max(1, count * dtype.itemsize), **_PRIVATE)
    # Raise MemoryError, so that no caller mistakes the failure for a fault of the data.
    except OSError as error:
        raise MemoryError(f"no room for {count} records of {dtype.itemsize} bytes") from error
    # Linux only: a huge page would make 2 MiB resident at one touch.
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, dtype, count)


def grown(array: NDArray[Any], needed: int) -> NDArray[Any]:
    """Return the array, or a copy of at least twice its length if it holds fewer than `needed` items."""
    if needed <= len(array):
        return array
    larger = reserved(max(needed, 2 * len(array)), array.dtype)
    larger[: len(array)] = array
    return larger
