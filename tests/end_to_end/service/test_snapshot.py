"""A snapshot of a real service, asked by DuckDB what a shop would ask."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING

import duckdb
import pytest

from models.records.partitioner import partition_of
from streams.operations.customers import gather as look_up
from streams.operations.snapshot import gather, silent, write
from streams.sources.feed import Feed
from streams.sources.ticks import with_ticks
from tests.end_to_end.purchases.test_bad_input import REAL, until_swept
from tests.end_to_end.purchases.test_bad_input import write as write_log
from tests.support.data.bad_input import Placed
from tests.support.kafka.cluster import Cluster
from tests.support.ledgers.logs import FIRST_DAY, basket
from tests.support.paths import DOCS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streams.brokers.embedded import LocalBroker
    from streams.settings.settings import Settings

pytestmark = pytest.mark.end_to_end

DAYS = 84
LOST = ("lost-1", "lost-2", "lost-3")
"""Customers who spent most and have stayed away since day 45."""


def shop() -> Iterator[tuple[str, float, bytes]]:
    """Twenty customers with rhythms of their own; three of the best stop."""
    customers = [*LOST, *(f"c{number}" for number in range(17))]
    for number, customer in enumerate(customers):
        every, price = (4, 9.0 + number) if customer in LOST else (6 + number % 9, 2.0 + number % 3)
        day = number / 24
        while day < (45 if customer in LOST else DAYS):
            lines = ("COFFEE", "p1", 1.0, price), *((("MILK", "p2", 2.0, 1.0),) if int(day) % 2 else ())
            yield customer, day, basket(f"{customer}:{day}", customer, day, *lines)
            day += every


def log(settings: Settings) -> list[Placed]:
    """The shop's purchases with ticks, each in its partition; ticks are in all."""
    feeds = [
        Feed(customer.encode(), value, round((FIRST_DAY + timedelta(days=day)).timestamp()) * 1000)
        for customer, day, value in sorted(shop(), key=lambda each: each[1])
    ]
    return [
        Placed(place, feed.key, feed.value)
        for feed in with_ticks(feeds, settings.ledger)
        for place in (
            range(settings.partitions)
            if feed.key is None
            else [partition_of(feed.key, settings.partitions, settings.partitioner)]
        )
    ]


def questions() -> list[str]:
    """The questions that the page asks."""
    (block,) = re.findall(r"```sql\n(.*?)```", (DOCS / "snapshot.md").read_text(encoding="utf-8"), re.DOTALL)
    return [each for each in block.split(";") if each.strip()]


async def test_a_shop_s_questions_are_answered_as_its_customers_pages_answer_them(
    tansu: LocalBroker,
    fresh_settings: Callable[..., Settings],
    tmp_path: Path,
) -> None:
    settings = fresh_settings(
        tansu,
        partitions=2,
        segment_minimum_population=5,
        alert_minimum_probability=0.25,
        alert_minimum_lift=0.0,
    )
    async with Cluster(settings, tmp_path, REAL) as cluster:
        records = log(settings)
        await write_log(settings, records)
        cluster.start_worker()
        await until_swept(cluster, len(records), 60)
        taken = await gather(settings, silent)
        ids = taken.customers["customer_id"].to_pylist()
        known = {each: await look_up(settings, each.encode(), None, silent) for each in ids}
    assert len(known) == 20
    folder = tmp_path / "state"
    folder.mkdir()
    write(taken, folder)
    at_risk, due = (duckdb.execute(each.replace("'state/", f"'{folder}/")).fetchall() for each in questions())

    lost = [told for told in known.values() if told["segment"] == "At Risk"]
    assert {told["customer_id"] for told in lost} >= set(LOST)
    wanted = sorted((-told["spend"], told["customer_id"]) for told in lost)
    assert [(-float(spend), customer) for customer, spend, _ in at_risk] == wanted

    week = [date.fromisoformat(known[ids[0]]["as_of"]["closed_day"]) + timedelta(days=n) for n in (1, 7)]
    assert {(customer, category, str(day), quantity) for customer, category, day, quantity in due} == {
        (told["customer_id"], habit["category"], habit["expected_date"], habit["usual_quantity"])
        for told in known.values()
        for habit in told["habits"]
        if habit["enough_known"] and str(week[0]) <= habit["expected_date"] <= str(week[1])
    }
    assert due
    days = [day for _, _, day, _ in due]
    assert days == sorted(days)
