"""State of one partition: customers in columns, dictionaries, priors, thresholds and the clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.learning.assortment import assortment_of
from models.learning.catalogue import Catalogue
from models.learning.pairs import Pairs
from models.learning.popularity import Popularity
from models.learning.priors import Priors
from models.learning.rfm import Histograms, RfmScores
from models.memory import structured
from models.memory.arena import RESERVED_CUSTOMERS, Arena, grown, reserved
from models.memory.dictionary import Dictionary
from models.memory.rows import ROW_VERSION, RowError, seal, unseal
from models.state.calendar import calendar_of
from models.state.clock_row import ClockRow
from models.state.columns import (
    CELL,
    CUSTOMER,
    MOST_CELLS,
    MOST_OPEN_LINES,
    MOST_PRODUCTS,
    NO_EVENT,
    NO_SEGMENT,
    OPEN_LINE,
    PRODUCT,
)
from models.state.row_formats import in_memory, shortened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.learning.rfm import Thresholds
    from models.settings import LedgerSettings

MOST_CATEGORY_BYTES = 512 * 1024
MOST_PRODUCT_BYTES = 3 * 1024 * 1024
MOST_STORE_BYTES = 48 * 1024
MOST_CHANNEL_BYTES = 16 * 1024
"""Bytes of names in the dictionaries. With the priors they stay under 4 MiB, so that recovery reads little
besides customers. The catalogue has a bound of its own."""


@dataclass(slots=True)
class Sweep:
    """Customers whom an unfinished boundary concerns, in order of their ids."""

    rows: NDArray[np.int64]
    at: int = 0

    def without(self, row: int, last: int) -> Sweep:
        """Return the sweep after a customer was removed and the last customer took the free row."""
        passed = int(np.count_nonzero(self.rows[: self.at] == row))
        rows = self.rows[self.rows != row]
        return Sweep(np.where(rows == last, row, rows), self.at - passed)


class Image(NamedTuple):
    """Copy of some customers at an earlier moment."""

    rows: NDArray[np.int64]
    """(k,) rows of the customers."""
    records: NDArray[Any]
    """(k,) fixed columns of the customers."""
    lengths: list[NDArray[np.int32]]
    """Per arena: (k,) records in each customer's run."""
    runs: bytes
    """Bytes of all runs, arena by arena and customer by customer."""


class State:
    """Columns over the customers of one partition. A row is a customer's place in the columns.

    Args:
        settings: Settings that shape outputs.
        partitions: Partition count of the log.
    """

    def __init__(self, settings: LedgerSettings, partitions: int) -> None:
        self.adopted_at = 0
        """Boundary (day) at which the settings came into force; 0 for the first settings."""
        self.rows: dict[bytes, int] = {}
        self.ids: list[bytes] = []
        self.customers: NDArray[Any] = reserved(RESERVED_CUSTOMERS, CUSTOMER)
        self.cells = Arena(CELL, MOST_CELLS)
        self.products = Arena(PRODUCT, MOST_PRODUCTS)
        self.open_lines = (Arena(OPEN_LINE, MOST_OPEN_LINES), Arena(OPEN_LINE, MOST_OPEN_LINES))
        self.category_names = Dictionary(most_names=(1 << 16) - 1, most_bytes=MOST_CATEGORY_BYTES)
        self.product_names = Dictionary(most_names=(1 << 32) - 1, most_bytes=MOST_PRODUCT_BYTES)
        self.store_names = Dictionary(most_names=(1 << 16) - 1, most_bytes=MOST_STORE_BYTES)
        self.channel_names = Dictionary(most_names=(1 << 16) - 1, most_bytes=MOST_CHANNEL_BYTES)
        self.adopt(settings)
        self.catalogue = Catalogue()
        self.priors = Priors()
        self.popularity, self.pairs = Popularity(), Pairs()
        self.learnt_until = 0
        """Last day whose trips the priors, the popularity and the pairs hold; 0 before the first."""
        self.assortment = assortment_of(self.popularity, self.pairs, self.category_names)
        self.histograms = Histograms(0)
        self.thresholds: tuple[Thresholds | None, ...] = ()
        self.sweep: Sweep | None = None
        self.clock = ClockRow(
            wall=settings.clock == "wall", partitions=partitions, fingerprint=settings.fingerprint
        )

    def adopt(self, settings: LedgerSettings) -> None:
        """Put settings into force, with the calendar and the classes of categories that follow from them."""
        self.settings, self.calendar = settings, calendar_of(settings)
        self.category_names.classify(settings.class_of)

    @property
    def dictionaries(self) -> dict[bytes, Dictionary]:
        """Dictionaries by the kind that their rows' keys name."""
        return {
            b"categories": self.category_names,
            b"products": self.product_names,
            b"stores": self.store_names,
            b"channels": self.channel_names,
        }

    @property
    def arenas(self) -> tuple[Arena, ...]:
        """Arenas of a row's runs, in the order in which a stored row holds the runs."""
        return (self.cells, self.products, *self.open_lines)

    def add(self, customer: bytes) -> int:
        """Add a new customer, who counts as having seen every boundary begun so far; return the row."""
        row = len(self.ids)
        self.reserve(row + 1)
        record = self.customers[row : row + 1]
        record[:] = np.zeros(1, CUSTOMER)
        record["offset"] = -1
        record["boundary"] = self.clock.begun
        record["segment"] = NO_SEGMENT
        record["ring_at"] = NO_EVENT
        self.rows[customer] = row
        self.ids.append(customer)
        return row

    def reserve(self, customers: int) -> None:
        """Make room for at least `customers` customers."""
        self.customers = grown(self.customers, customers)
        for arena in self.arenas:
            arena.reserve(customers)

    def drop_last(self, count: int) -> None:
        """Remove the customers added after the first `count`."""
        while len(self.ids) > count:
            for arena in self.arenas:
                arena.release(len(self.ids) - 1)
            del self.rows[self.ids.pop()]

    def forget(self, row: int) -> None:
        """Remove a customer without leaving any of the customer's data in the columns.

        The last customer takes the free row, in an unfinished sweep too.
        """
        for arena in self.arenas:
            arena.wipe(row)
        del self.rows[self.ids[row]]
        last = len(self.ids) - 1
        if self.sweep is not None:
            self.sweep = self.sweep.without(row, last)
        if row != last:
            self._change_place(last, row)
        self.customers[last] = np.zeros(1, CUSTOMER)[0]
        self.ids.pop()

    def recall(self, row: int, customer: bytes) -> None:
        """Give a removed customer the old row back, without data.

        The caller must restore an unfinished sweep.
        """
        last = len(self.ids)
        self.add(customer)
        if row != last:
            self.ids[last] = b""
            self._change_place(row, last)
            self.ids[row] = customer
            self.rows[customer] = row

    def _change_place(self, row: int, to: int) -> None:
        """Move a customer to a row that holds nobody."""
        self.customers[to] = self.customers[row]
        for arena in self.arenas:
            arena.hand_over(row, to)
        self.ids[to] = self.ids[row]
        self.rows[self.ids[to]] = to

    def image(self, rows: NDArray[np.int64]) -> Image:
        """Copy customers as they are now, for `put_back`."""
        return Image(
            rows,
            structured.take(self.customers, rows),
            [arena.lengths[rows] for arena in self.arenas],
            b"".join([run for arena in self.arenas for run in arena.slices(rows)]),
        )

    def put_back(self, image: Image) -> None:
        """Restore customers to an earlier copy."""
        structured.put(self.customers, image.rows, image.records)
        at = 0
        for arena, lengths in zip(self.arenas, image.lengths, strict=True):
            records = np.frombuffer(image.runs, arena.records.dtype, int(lengths.sum()), at)
            at += records.nbytes
            arena.put_all(image.rows, np.repeat(np.arange(len(lengths)), lengths), records)

    def encode(self, rows: NDArray[np.int64]) -> list[bytes]:
        """Encode customers as changelog rows.

        Recent events are sorted by time, whatever order they came in.
        """
        ring_at, ring_hash = self.customers["ring_at"][rows], self.customers["ring_hash"][rows]
        order = np.lexsort((ring_hash, ring_at), axis=1)
        sorted_places = rows[:, None], order
        for column in ("ring_at", "ring_hash", "ring_content"):
            places = self.customers[column]
            places[rows] = places[sorted_places]
        events = (ring_at != NO_EVENT).sum(axis=1).tolist()
        heads = [shortened(head, filled) for head, filled in zip(self._heads(rows), events, strict=True)]
        runs = [arena.slices(rows) for arena in self.arenas]
        return [seal(*pieces) for pieces in zip(heads, *runs, strict=True)]

    def decode(self, row: int, value: bytes) -> None:
        """Decode a changelog row into the place of a customer.

        Raises:
            RowError: The row is damaged, cut off, of another format version, or its sections differ from its
                counts.
        """
        body = in_memory(unseal(value))
        if len(body) < CUSTOMER.itemsize:
            raise RowError(f"a customer's row of {len(body)} bytes is cut off")
        record = np.frombuffer(body, CUSTOMER, 1)
        counts = (int(record["cells"][0]), int(record["products"][0]), *record["open_lines"][0].tolist())
        if any(count > arena.longest for count, arena in zip(counts, self.arenas, strict=True)):
            raise RowError(f"a customer's row of {len(body)} bytes claims sections beyond their bounds")
        sizes = [count * arena.records.itemsize for count, arena in zip(counts, self.arenas, strict=True)]
        if CUSTOMER.itemsize + sum(sizes) != len(body):
            raise RowError(f"a customer's row of {len(body)} bytes holds other sections than it says")
        at = CUSTOMER.itemsize
        for arena, count, size in zip(self.arenas, counts, sizes, strict=True):
            arena.put(row, np.frombuffer(body, arena.records.dtype, count, at))
            at += size
        self.customers[row] = record[0]

    def _heads(self, rows: NDArray[np.int64]) -> list[bytes]:
        """Encode the fixed columns of each customer, which precede the runs in a row."""
        records = structured.take(self.customers, rows)
        records["version"] = ROW_VERSION
        records["cells"], records["products"] = self.cells.lengths[rows], self.products.lengths[rows]
        for slot, arena in enumerate(self.open_lines):
            records["open_lines"][:, slot] = arena.lengths[rows]
        size, heads = CUSTOMER.itemsize, memoryview(records.view(np.uint8).data)
        return [bytes(heads[at : at + size]) for at in range(0, len(heads), size)]

    def standing(self, rows: NDArray[np.int64]) -> RfmScores:
        """Return recency, frequency and spend of customers, as if their open days were closed."""
        customers = self.customers
        open_days = customers["open_purchase"][rows].sum(axis=1, dtype=np.int64)
        return RfmScores(
            customers["last_purchase"][rows],
            customers["frequency"][rows] + open_days,
            customers["spend"][rows],
        )

    def rebuild_histograms(self) -> None:
        """Count every customer anew. Histograms are derived from the rows and stored nowhere."""
        start = self.calendar.start(self.clock.begun + 1)
        self.histograms = Histograms.build(self.standing(np.arange(len(self.ids))), start)
