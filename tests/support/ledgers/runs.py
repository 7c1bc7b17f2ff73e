"""Runs of records for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.records.decoder import Decoder
from models.settings import LedgerSettings
from streams.partition.batch import Run
from streams.partition.run_queue import raw_of
from tests.support.data.purchases import purchase
from tests.support.kafka.fake_kafka import Record

if TYPE_CHECKING:
    from collections.abc import Sequence


def consumed(customers: Sequence[str], start: int = 0) -> list[Record]:
    """A purchase of each customer, as a consumer returns them; one called `bad` is not JSON."""
    values = (
        b"{bad" if customer == "bad" else purchase(start + number, customer)
        for number, customer in enumerate(customers)
    )
    return [
        Record("purchases", 0, start + number, customers[number].encode(), value)
        for number, value in enumerate(values)
    ]


def run_of(customers: Sequence[str], start: int = 0) -> Run:
    """The same, decoded."""
    raws = consumed(customers, start)
    records, refusals = Decoder(LedgerSettings()).decode([raw_of(raw) for raw in raws])
    return Run(records, raws, tuple(refusals))
