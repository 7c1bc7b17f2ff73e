"""The purchases of the latency pass are good ones, each of a customer nobody knew."""

from __future__ import annotations

from cartpulse.demo.latency import purchases
from models.contracts.purchases import Purchase, read


def test_every_purchase_keeps_the_contract_and_names_a_new_customer() -> None:
    start = 1_514_808_000_001
    records = list(purchases(1_500, start))
    assert len({record.key for record in records}) == 1_500
    assert [record.occurred_at for record in records] == list(range(start, start + 1_500))
    for record in records[:3]:
        purchase = read(record.value)
        assert isinstance(purchase, Purchase)
        assert purchase.event_id == purchase.customer_id == (record.key or b"").decode()
