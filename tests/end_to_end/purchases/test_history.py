"""Loading a history in silence and then going live, on a real worker."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from streams.operations.go_live import NEVER, write_live
from streams.sources.complete_journey import CompleteJourney
from streams.sources.ticks import with_ticks
from tests.end_to_end.purchases.test_bad_input import REAL, until_swept, write
from tests.support.data.bad_input import Placed
from tests.support.kafka.cluster import Cluster
from tests.support.ledgers.logs import replay_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.brokers.embedded import LocalBroker
    from streams.settings.settings import Settings

pytestmark = pytest.mark.end_to_end

DAYS = 24
LIVE = datetime(2017, 1, 19, 12, tzinfo=UTC)
"""When the tick comes that closes 18 January in New York."""


async def test_nothing_of_a_history_is_sent_and_all_that_comes_after_live_is(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(tansu, partitions=1, time_zone="America/New_York")
    feeds = list(with_ticks(CompleteJourney(days=DAYS), settings))
    records = [Placed(0, feed.key, feed.value) for feed in feeds]
    loaded = sum(feed.occurred_at <= LIVE.timestamp() * 1_000 for feed in feeds)
    async with Cluster(settings, tmp_path, REAL) as cluster:
        await write_live(settings, NEVER)
        await write(settings, records[:loaded])
        cluster.start_worker()
        await until_swept(cluster, 1 + loaded, 60)
        assert await cluster.outputs() == 0
        counts = (await cluster.command({"command": "counts"}))["counts"]
        assert (counts["history"], counts["suppressed"] > 100) == (1, True)

        await write_live(settings, LIVE)
        await write(settings, records[loaded:])
        await until_swept(cluster, 2 + len(feeds), 60)
        whole = replay_of([feed.value for feed in feeds], settings.ledger)
        news = {output.value for output in whole.outputs if output.timestamp > LIVE.timestamp() * 1_000}
        sent = await cluster._sent(0)
        assert {record.value for record in sent} == news
        assert len(sent) == len(news) > 100
