"""CDNOW: purchases as the input contract has them, and what is judged of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.quality.log.cdnow import SETTINGS, Cdnow
from benchmarks.quality.log.outlook import Outlook
from benchmarks.quality.tables import value
from benchmarks.quality.tables.next_purchase import OURS
from models.records.decoder import Decoder, Raw

CUSTOMERS = 300


def made_up() -> Cdnow:
    """Customers who begin in the first weeks; those with even numbers come again."""
    random = np.random.default_rng(4)
    rows = []
    for customer in range(1, CUSTOMERS + 1):
        days = [int(random.integers(0, 60))]
        if customer % 2 == 0:
            days += [int(day) for day in random.integers(60, 500, 8)]
        rows += [
            (customer, day, int(random.integers(1, 4)), int(random.integers(500, 4_000))) for day in days
        ]
    return Cdnow(*np.array(sorted(rows, key=lambda row: row[1])).T)


def test_purchases_are_sound_events_up_to_the_last_day() -> None:
    cdnow = made_up()
    feeds = list(cdnow.feeds(100))
    assert len(feeds) == int((cdnow.days <= 100).sum())
    records, refusals = Decoder(SETTINGS).decode(
        [Raw(place, feed.value, feed.occurred_at) for place, feed in enumerate(feeds)]
    )
    assert not refusals
    assert np.abs(records.spends / 100 - cdnow.cents[: len(feeds)]).max() < 1
    assert json.loads(feeds[0].value)["occurred_at"].startswith("2007-")


def test_who_knows_who_comes_again_is_best() -> None:
    cdnow = made_up()
    held = (cdnow.days > 272) & (cdnow.days <= 545)
    spend = np.bincount(cdnow.customers[held], cdnow.cents[held] / 100, CUSTOMERS + 1)[1:].astype(float)
    right = Outlook(np.arange(1, CUSTOMERS + 1), (spend > 0).astype(float), spend, 0)
    table = value.table_of_cdnow(cdnow, (272, 545), right)
    assert table.rows[OURS] == pytest.approx((1.0, 1.0, 0.0, 1.0))
    assert table.title.startswith("E. CDNOW, 39 weeks known and 39 held out, 300 customers")
