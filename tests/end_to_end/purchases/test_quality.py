"""What the benchmark of quality judges is what a service says: its rows, and its events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.quality.log.service import Service
from models.memory.rows import header
from models.records.partitioner import partition_of
from streams.sources.complete_journey import TIME_ZONE, CompleteJourney
from streams.sources.ticks import with_ticks
from tests.end_to_end.purchases.test_bad_input import REAL, until_swept, write
from tests.support.data.bad_input import Placed
from tests.support.kafka.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from models.contracts.changes import Changes
    from models.state.state import State
    from streams.brokers.embedded import LocalBroker
    from streams.settings.settings import Settings

pytestmark = pytest.mark.end_to_end

DAYS, PARTITIONS = 17, 2


class Recording:
    """Watcher that keeps all events and, of every key, the greatest row."""

    def __init__(self) -> None:
        self.instants: Sequence[int] = ()
        self.days = range(0, DAYS, 5)
        """Days at which the run is stopped, which must change nothing."""
        self.events: set[bytes] = set()
        self.rows: dict[bytes, bytes] = {}

    def at_day_end(self, day: int, states: Sequence[State]) -> None:
        """Look at nothing."""

    def at_instant(self, instant: int, states: Sequence[State]) -> None:
        """Look at nothing."""

    def take(self, changes: Changes) -> None:
        """Keep events and rows."""
        self.events.update(output.value for output in changes.outputs)
        for key, row in changes.rows:
            held = self.rows.get(key)
            if held is None or header(row)[1:3] >= header(held)[1:3]:
                self.rows[key] = row


async def test_the_service_s_rows_and_events_are_those_that_are_judged(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(tansu, partitions=PARTITIONS, time_zone=TIME_ZONE)
    feeds = list(with_ticks(CompleteJourney(days=DAYS), settings))
    records = [
        Placed(partition, feed.key, feed.value)
        for feed in feeds
        for partition in (
            range(PARTITIONS) if feed.key is None else [partition_of(feed.key, PARTITIONS, "murmur2")]
        )
    ]
    watcher = Recording()
    Service(watcher, partitions=PARTITIONS, settings=settings.ledger).run(feeds)
    async with Cluster(settings, tmp_path, REAL) as cluster:
        await write(settings, records)
        cluster.start_worker()
        await until_swept(cluster, len(records), 60)
        sent = [record for partition in range(PARTITIONS) for record in await cluster._sent(partition)]
        assert {record.value for record in sent} == watcher.events
        assert len(watcher.events) > 1_000
        rows = [await cluster._rows(partition) for partition in range(PARTITIONS)]
    # Both partitions have rows of their own under one key, as the clock's: the later of the two was kept.
    of_customers = {key: row for each in rows for key, row in each.items() if key in watcher.rows}
    alone = {key for key in watcher.rows if sum(key in each for each in rows) == 1}
    assert len(alone) > 2_000
    assert {key: of_customers[key] for key in alone} == {key: watcher.rows[key] for key in alone}
