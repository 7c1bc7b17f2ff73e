"""State of one partition: customers in columns, dictionaries, priors, thresholds and the clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import numpy as np

from models.learning.activity import Activity
from models.learning.assortment import assortment_of
from models.learning.calibration import Calibrations
from models.learning.catalogue import Catalogue
from models.learning.pairs import Pairs
from models.learning.popularity import Popularity
from models.learning.priors import Priors
from models.learning.rfm import Histograms, RfmScores
from models.learning.watch import Watches
from models.memory import structured
from models.memory.arena import RESERVED_CUSTOMERS, Arena, grown, reserved
from models.memory.dictionary import Dictionary
from models.memory.rows import ROW_VERSION, habits_key
from models.state.calendar import calendar_of
from models.state.clock_row import ClockRow
from models.state.columns import (
    CELL,
    CUSTOMER,
    MOST_CELLS,
    MOST_OPEN_LINES,
    MOST_PRODUCTS,
    NO_CLUSTER,
    NO_EVENT,
    NO_SEGMENT,
    OPEN_LINE,
    PRODUCT,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.learning.clusters import Clusters
    from models.learning.fifths import Limits
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


def _newcomer() -> NDArray[Any]:
    """Return the (1,) columns of a customer of whom nothing is known."""
    record = np.zeros(1, CUSTOMER)
    record["version"], record["offset"] = ROW_VERSION, -1
    record["segment"], record["ring_at"], record["cluster"] = NO_SEGMENT, NO_EVENT, NO_CLUSTER
    return record


_NEWCOMER = _newcomer()


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
        self.calibration = Calibrations()
        self.activity = Activity()
        self.watches = Watches()
        self.clusters: Clusters | None = None
        """Clusters that the boundary begun last learnt; None where too few customers are known."""
        self.learnt_until = 0
        """Last day whose trips and outcomes the priors, popularity, pairs and calibration hold; 0 before."""
        self.assortment = assortment_of(self.popularity, self.pairs, self.category_names)
        self.histograms = Histograms(0)
        self.limits: Limits | None = None
        """Limits between fifths that the boundary begun last froze; None where it ranked nobody."""
        self.sweep: Sweep | None = None
        self.later_sections: dict[bytes, bytes] = {}
        """Sections that a later release wrote, by the key of their row: kept, and written back untouched."""
        self.clock = ClockRow(
            wall=settings.clock == "wall", partitions=partitions, fingerprint=settings.fingerprint
        )

    def adopt(self, settings: LedgerSettings) -> None:
        """Put settings into force, with the calendar and the classes of categories that follow from them."""
        self.settings, self.calendar = settings, calendar_of(settings)
        self.category_names.classify(settings.class_of)
        self.category_names.group(settings.group_of)

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
        """Arenas of a customer's runs."""
        return (self.cells, self.products, *self.open_lines)

    def add(self, customer: bytes) -> int:
        """Add a new customer, who counts as having seen every boundary begun so far; return the row."""
        return int(self.add_all([customer])[0])

    def add_all(self, customers: Sequence[bytes]) -> NDArray[np.int64]:
        """Add k new customers; return their (k,) rows."""
        first, end = len(self.ids), len(self.ids) + len(customers)
        self.reserve(end)
        self.customers[first:end] = _NEWCOMER
        self.customers["boundary"][first:end] = self.clock.begun
        self.customers["drawn"][first:end] = [crc32(customer) for customer in customers]
        self.ids += customers
        self.rows.update(zip(customers, range(first, end), strict=True))
        return np.arange(first, end)

    def reserve(self, customers: int) -> None:
        """Make room for at least `customers` customers."""
        self.customers = grown(self.customers, customers)
        for arena in self.arenas:
            arena.reserve(customers)

    def drop_last(self, count: int) -> None:
        """Remove the customers added after the first `count`."""
        while len(self.ids) > count:
            for arena in self.arenas:
                arena.wipe(len(self.ids) - 1)
            del self.rows[self.ids.pop()]

    def forget(self, row: int) -> None:
        """Remove a customer without leaving any of the customer's data in the columns.

        The last customer takes the free row, in an unfinished sweep too.
        """
        for arena in self.arenas:
            arena.wipe(row)
        for key in (self.ids[row], habits_key(self.ids[row])):
            self.later_sections.pop(key, None)
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
