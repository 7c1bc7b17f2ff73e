"""Runs of records of many customers in one structured array: each customer's run lies in one piece."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESERVED_CUSTOMERS = 1 << 18
"""Customers for which address space is taken at the start. Pages cost memory only once touched, and doubling
a full array costs 0.7 to 1.0 us an event; beyond this many it doubles all the same."""
_PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}
_SMALLEST = 4
"""Records of the smallest run that is handed out; runs grow by doubling, and freed ones are used again."""


class Arena:
    """A run of records per customer, at most `longest` each.

    Unlike a matrix of cell numbers, a run costs 16 bytes of index and its bytes are the bytes of the stored
    row: reading or writing a customer is one slice. A run that grows moves to a room of twice the size.

    Args:
        dtype: The structured type of a record.
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
        """One customer's records, as a view."""
        start = self._starts[row]
        return self.records[start : start + self.lengths[row]]

    def positions(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the records of many customers lie.

        Args:
            rows: (k,) customers.

        Returns:
            (m,) index into `rows` of each record's customer, ascending, and (m,) position in `records`.
        """
        lengths = self.lengths[rows]
        owners = np.repeat(np.arange(len(rows)), lengths)
        first = np.cumsum(lengths) - lengths
        return owners, np.arange(len(owners)) + np.repeat(self._starts[rows] - first, lengths)

    def gather(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Copies of the records of many customers: (m,) index into `rows`, ascending, and (m,) records."""
        owners = np.repeat(np.arange(len(rows)), self.lengths[rows])
        return owners, np.frombuffer(bytearray().join(self.slices(rows)), self.records.dtype)

    def slices(self, rows: NDArray[np.int64]) -> list[memoryview]:
        """The bytes of each customer's run, as views that the next change makes stale."""
        memory, size = self.records.view(np.uint8).data, self.records.itemsize
        starts = self._starts[rows]
        ends = ((starts + self.lengths[rows]) * size).tolist()
        return [memory[start:end] for start, end in zip((starts * size).tolist(), ends, strict=True)]

    def put(self, row: int, records: NDArray[Any]) -> None:
        """Replace one customer's run.

        Raises:
            ValueError: More records than a run may hold.
        """
        count = len(records)
        if count > self.longest:
            raise ValueError(f"{count} records in a run of at most {self.longest}")
        if count > self._rooms[row]:
            self._move(row, count)
        start = self._starts[row]
        self.records[start : start + count] = records
        self.lengths[row] = count

    def put_all(self, rows: NDArray[np.int64], owners: NDArray[np.int64], records: NDArray[Any]) -> None:
        """Replace the runs of many customers.

        Args:
            rows: (k,) customers, each once.
            owners: (m,) index into `rows` of each record's customer, ascending.
            records: (m,) records; customers without one get an empty run.
        """
        lengths = np.bincount(owners, minlength=len(rows)).astype(np.int32)
        for index in np.flatnonzero(lengths > self._rooms[rows]).tolist():
            self._move(int(rows[index]), int(lengths[index]))
        self.lengths[rows] = lengths
        data, at = memoryview(records.tobytes()), 0
        for place in self.slices(rows):
            place[:] = data[at : at + len(place)]
            at += len(place)

    def clear(self, rows: NDArray[np.int64]) -> None:
        """Empty the runs of customers; their rooms stay theirs."""
        self.lengths[rows] = 0

    def release(self, row: int) -> None:
        """Free one customer's run."""
        room = int(self._rooms[row])
        if room:
            self._free.setdefault(room, []).append(int(self._starts[row]))
        self._rooms[row] = 0
        self.lengths[row] = 0

    def wipe(self, row: int) -> None:
        """Free one customer's run, and leave nothing of it in memory."""
        start = self._starts[row]
        self.records[start : start + self._rooms[row]] = np.zeros(1, self.records.dtype)
        self.release(row)

    def hand_over(self, row: int, to: int) -> None:
        """Give one customer's run to another, who has none."""
        for column in (self.lengths, self._starts, self._rooms):
            column[to], column[row] = column[row], 0

    def reserve(self, customers: int) -> None:
        """Make room in the index for at least this many customers."""
        self.lengths = grown(self.lengths, customers)
        self._starts = grown(self._starts, customers)
        self._rooms = grown(self._rooms, customers)

    @property
    def extent(self) -> tuple[int, int]:
        """How many records its rooms span, and how many freed rooms there are: what `resize` wants."""
        return self._end, sum(map(len, self._free.values()))

    def columns(self, customers: int) -> tuple[NDArray[Any], ...]:
        """All that it holds of the first customers but the freed rooms, as views: for a checkpoint."""
        index = (self.lengths, self._starts, self._rooms)
        return (self.records[: self._end], *(column[:customers] for column in index))

    def freed(self) -> NDArray[np.int64]:
        """(k, 2) size and start of every freed room, for a checkpoint."""
        rooms = [(room, start) for room, starts in self._free.items() for start in starts]
        return np.array(rooms, np.int64).reshape(-1, 2)

    def resize(self, customers: int, end: int) -> tuple[NDArray[Any], ...]:
        """Make room for what `columns` gave; the answer is where to put it. `check` afterwards."""
        self.reserve(customers)
        self.records = grown(self.records, end)
        self._end = end
        return self.columns(customers)

    def check(self, customers: int, freed: NDArray[np.int64]) -> None:
        """Take back freed rooms, and look whether the columns put into `resize` fit together.

        Raises:
            ValueError: A run or a freed room lies outside of the rooms.
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
        """Give one customer room for `count` records; what it held is gone."""
        room = min(max(_SMALLEST, 1 << (count - 1).bit_length()), self.longest)
        if not self._free.get(room):
            self.records = grown(self.records, self._end + room)  # before anything changes: it may raise
        self.release(row)
        spare = self._free.get(room)
        if spare:
            start = spare.pop()
        else:
            start = self._end
            self._end += room
        self._starts[row] = start
        self._rooms[row] = room


def reserved(count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeros in a mapping of their own, of which a page costs memory only once it is touched.

    An allocator that keeps freed memory would give an array recycled pages and clear them, so that every page
    is resident: 65 MB a partition with each rebalance.
    """
    try:
        memory = mmap.mmap(-1, max(1, count * dtype.itemsize), **_PRIVATE)
    except OSError as error:  # no fault of the data's, and never to be taken for one
        raise MemoryError(f"no room for {count} records of {dtype.itemsize} bytes") from error
    if hasattr(mmap, "MADV_NOHUGEPAGE"):  # Linux; a huge page would make 2 MiB resident at a touch
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, dtype, count)


def grown(array: NDArray[Any], needed: int) -> NDArray[Any]:
    """The array, or a copy of twice its length or more if it holds fewer than `needed` items."""
    if needed <= len(array):
        return array
    larger = reserved(max(needed, 2 * len(array)), array.dtype)
    larger[: len(array)] = array
    return larger
