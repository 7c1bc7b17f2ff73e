"""Exports: every column of a customer as plain values, and the same rows from them."""

from __future__ import annotations

import json

import pytest

from models.ledger.export import Export
from models.ledger.ledger import Ledger
from models.memory.rows import customer_of, is_erased
from models.settings import LedgerSettings
from models.state.columns import CUSTOMER
from tests.models.ledger.test_ledger import a_log
from tests.support.ledgers.logs import Replay, drive, records_of

SETTINGS = LedgerSettings(
    segment_minimum_population=3, alert_minimum_probability=0.25, alert_minimum_lift=0.0
)


def rows_of(seed: int) -> dict[bytes, bytes]:
    """What a changelog holds after a made-up month, in the middle of a day."""
    replay = Replay()
    ledger = Ledger(SETTINGS)
    drive(ledger, records_of(a_log(seed, days=30)[:-3], SETTINGS), replay)
    return replay.rows


@pytest.mark.parametrize("seed", range(6))
def test_an_export_read_back_is_the_same_rows(seed: int) -> None:
    rows = rows_of(seed)
    export, known = Export(rows.items()), 0
    for customer in {key for key in rows if customer_of(key) == key}:
        told = export.of(customer)
        if told is not None:
            known += 1
            made = export.rows(customer, json.loads(json.dumps(told)))
            assert dict(made) == {
                key: row for key, row in rows.items() if customer_of(key) == customer and not is_erased(row)
            }
    assert known > 2


def test_an_export_names_what_the_row_numbers() -> None:
    rows = rows_of(1)
    told = Export(rows.items()).of(b"2")
    assert told is not None
    assert {cell["category"] for cell in told["cells"]} <= {"MILK", "BREAD", "EGGS", "COUPON", "Käse"}
    assert {product["product"] for product in told["products"]} <= {"p0", "p1", "p2", "p3"}
    assert len(told["events"]) >= told["baskets"] > 3
    assert set(CUSTOMER.names or ()) - told.keys() == {
        "heading",
        "ring_at",
        "ring_hash",
        "ring_content",
        "store_visits",
    }


def test_nobody_is_exported_as_nothing() -> None:
    assert Export(rows_of(1).items()).of(b"nobody") is None
