"""Export of one customer's row as named plain values, without loss: the row can be built again from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.ledger.storage import Intake
from models.memory.rows import seal
from models.settings import LedgerSettings
from models.state.columns import CELL, CUSTOMER, NO_EVENT, OPEN_LINE, PRODUCT
from models.state.row_formats import shortened
from models.state.state import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from models.memory.dictionary import Dictionary

_SECTIONS = ("cells", "products", "open_lines")
"""Columns of `CUSTOMER` that count runs. The export leaves them out, because it holds the runs themselves."""
_PLACES = ("stores", "store_visits", "channel")
_RING = ("ring_at", "ring_hash", "ring_content")


class Export:
    """Reader of customers' rows that exports them as plain values.

    Args:
        rows: Partition-level rows and the rows of the customers asked for: the greatest row of each key.
        partitions: Partition count of the log.

    Raises:
        RowError: A row is damaged or of another format version.
    """

    def __init__(self, rows: Iterable[tuple[bytes, bytes]], *, partitions: int = 1) -> None:
        self._state = State(LedgerSettings(), partitions)
        intake = Intake(self._state, {})
        intake.take(rows)
        intake.settle_for_a_look()

    def of(self, customer: bytes) -> dict[str, Any] | None:
        """Return all columns of a customer's row, JSON-able, named as in `models.state.columns`.

        Categories, products, stores and the channel appear by name. Days are numbers that count from
        2000-01-01, which is day 1. Instants are ms since 1970 UTC, money is 1/10,000 of the currency, and
        quantities on open days are 1/1,000 of a unit.

        Args:
            customer: Customer id.

        Returns:
            The columns; None for an unknown customer.
        """
        state = self._state
        row = state.rows.get(customer)
        if row is None:
            return None
        record = state.customers[row]
        told = {
            name: record[name].tolist() for name in CUSTOMER.names or () if name not in (*_SECTIONS, *_RING)
        }
        stores = state.store_names.names(told["stores"])
        told["stores"] = [
            {"store": store, "purchases_at_least": visits}
            for store, visits in zip(stores, told.pop("store_visits"), strict=True)
            if visits
        ]
        told["channel"] = state.channel_names.name(told["channel"])
        told["events"] = [
            {"occurred_ms": at, "hash": f"{event:016x}", "content": f"{content:08x}"}
            for at, event, content in sorted(zip(*(record[name].tolist() for name in _RING), strict=True))
            if at != NO_EVENT
        ]
        told["cells"] = self._named(state.cells.run(row))
        told["products"] = self._named(state.products.run(row))
        told["open_lines"] = [self._named(lines.run(row)) for lines in state.open_lines]
        return told

    def row(self, told: Mapping[str, Any]) -> bytes:
        """Build the customer's row again from the columns that `of` returned.

        Raises:
            KeyError: A column is missing.
        """
        record = np.zeros(1, CUSTOMER)
        for name in CUSTOMER.names or ():
            if name not in (*_SECTIONS, *_RING, *_PLACES):
                record[name] = told[name]
        for place, visited in enumerate(told["stores"]):
            record["stores"][0, place] = self._state.store_names.find([visited["store"]])[0]
            record["store_visits"][0, place] = visited["purchases_at_least"]
        record["channel"] = self._state.channel_names.find([told["channel"]])[0]
        events = told["events"]
        record["ring_at"] = NO_EVENT
        if events:
            record["ring_at"][0, -len(events) :] = [event["occurred_ms"] for event in events]
            record["ring_hash"][0, -len(events) :] = [int(event["hash"], 16) for event in events]
            record["ring_content"][0, -len(events) :] = [int(event["content"], 16) for event in events]
        runs = [
            self._numbered(told["cells"], CELL),
            self._numbered(told["products"], PRODUCT),
            *(self._numbered(lines, OPEN_LINE) for lines in told["open_lines"]),
        ]
        record["cells"], record["products"] = len(runs[0]), len(runs[1])
        record["open_lines"] = [len(runs[2]), len(runs[3])]
        return seal(shortened(record.tobytes(), len(events)), *(run.tobytes() for run in runs))

    def _named(self, records: NDArray[Any]) -> list[dict[str, Any]]:
        fields = records.dtype.names or ()
        return [
            {
                field: names.name(int(value)) if (names := self._names(field)) else _plain(value)
                for field, value in zip(fields, record, strict=True)
            }
            for record in records.tolist()
        ]

    def _numbered(self, told: Iterable[Mapping[str, Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
        rows = [
            tuple(
                names.find([each[field]])[0] if (names := self._names(field)) else each[field]
                for field in dtype.names or ()
            )
            for each in told
        ]
        return np.array([_deep(row) for row in rows], dtype)

    def _names(self, field: str) -> Dictionary | None:
        """Return the dictionary of a column that holds numbers of names; None for other columns."""
        return {"category": self._state.category_names, "product": self._state.product_names}.get(field)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _deep(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a record with its lists as tuples, because numpy takes sub-arrays as tuples."""
    return tuple(tuple(value) if isinstance(value, list) else value for value in row)
