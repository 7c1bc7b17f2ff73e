"""Export of one customer's rows as named plain values, without loss: they can be built again from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.ledger.intake import Intake
from models.ledger.storage import rows_of
from models.memory.rows import habits_key
from models.settings import LedgerSettings
from models.state.columns import CUSTOMER, NO_EVENT
from models.state.state import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from models.contracts.changes import Row
    from models.memory.dictionary import Dictionary

_PLACES = ("stores", "store_visits", "channel")
_RING = ("ring_at", "ring_hash", "ring_content")
_UNTOLD = ("heading", *_RING)
"""Columns that the export tells in another form, or that tell nothing."""


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
        told = {name: record[name].tolist() for name in CUSTOMER.names or () if name not in _UNTOLD}
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
        told["later_sections"] = [
            state.later_sections.get(key, b"").hex() for key in (customer, habits_key(customer))
        ]
        return told

    def rows(self, customer: bytes, told: Mapping[str, Any]) -> list[Row]:
        """Build a customer's rows again from the columns that `of` returned.

        Args:
            customer: Customer id.
            told: The columns.

        Returns:
            The day and, for a customer who has any, the habits.

        Raises:
            KeyError: A column is missing.
        """
        state = State(LedgerSettings(), 1)
        record = state.customers[state.add(customer) :][:1]
        for name in CUSTOMER.names or ():
            if name not in (*_UNTOLD, *_PLACES):
                record[name] = told[name]
        for place, visited in enumerate(told["stores"]):
            record["stores"][0, place] = self._state.store_names.find([visited["store"]])[0]
            record["store_visits"][0, place] = visited["purchases_at_least"]
        record["channel"] = self._state.channel_names.find([told["channel"]])[0]
        for place, event in enumerate(told["events"]):
            record["ring_at"][0, place] = event["occurred_ms"]
            record["ring_hash"][0, place] = int(event["hash"], 16)
            record["ring_content"][0, place] = int(event["content"], 16)
        runs = (told["cells"], told["products"], *told["open_lines"])
        for arena, run in zip(state.arenas, runs, strict=True):
            arena.put(0, self._numbered(run, arena.records.dtype))
        for key, held in zip((customer, habits_key(customer)), told["later_sections"], strict=True):
            if held:
                state.later_sections[key] = bytes.fromhex(held)
        return rows_of(state, [customer, habits_key(customer)])

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
