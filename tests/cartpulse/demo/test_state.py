"""What a customer's row says of applied baskets is what was applied, and a damaged row is no answer."""

from __future__ import annotations

import pytest

from cartpulse.demo.state import baskets
from models.ledger.ledger import Ledger
from models.memory.rows import RowError
from models.records.decoder import Decoder, Raw
from models.settings import LedgerSettings
from tests.support.data.purchases import purchase


def row_of(customer: str, count: int) -> bytes:
    """The row of a customer after so many purchases."""
    settings = LedgerSettings()
    raws = [Raw(offset, purchase(offset, customer), -1) for offset in range(count)]
    records, refusals = Decoder(settings).decode(raws)
    assert not refusals
    rows = dict(Ledger(settings).advance(records).rows)
    return rows[customer.encode()]


@pytest.mark.parametrize("count", [1, 7])
def test_a_row_counts_the_purchases_that_were_applied(count: int) -> None:
    assert baskets(row_of("900", count)) == count


def test_a_damaged_row_is_refused() -> None:
    row = bytearray(row_of("900", 1))
    row[40] ^= 1
    with pytest.raises(RowError):
        baskets(bytes(row))
