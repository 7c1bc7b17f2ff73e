"""Go-live: the record that ends history, and topics that begin with such a record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from models.records.control import live
from models.state.clock_row import UNTIL_LIVE_MS
from streams.kafka.topics import create_topics
from streams.sources.control import write_signals
from streams.sources.feed import Feed

if TYPE_CHECKING:
    from streams.kafka.topics import TopicsReport
    from streams.settings.settings import Settings

NEVER = datetime.fromtimestamp(UNTIL_LIVE_MS / 1000, UTC)
"""Last day that an event may carry. All purchases are history until a `live` record names an earlier
moment."""


def live_record(moment: datetime) -> Feed:
    """Make the record that ends history at a moment.

    Args:
        moment: Instant with an offset; fractions of a second are dropped.
    """
    at = int(moment.timestamp()) * 1000
    return Feed(None, live(at), at)


async def write_live(settings: Settings, moment: datetime) -> None:
    """Write the `live` record of a moment to every partition.

    Raises:
        NotAcknowledgedError: The broker refused the record.
        BrokerUnreachableError: No broker answers.
    """
    await write_signals(settings, [live_record(moment)])


async def make_topics(
    settings: Settings, *, live: bool, until_live: bool = False, producer_time: bool = False
) -> TopicsReport:
    """Make the topics that are missing.

    A `purchases` topic that this call made can begin with a `live` record.

    Args:
        settings: Service settings.
        live: Write the `live` record of this moment: the service is live from its beginning.
        until_live: Write the `live` record of the last day: all purchases are history at first.
        producer_time: Make `purchases` keep the time of producers.

    Raises:
        TopicMismatchError: A topic exists and differs.
        BrokerUnreachableError: No broker answers.
    """
    report = await create_topics(settings, producer_time=producer_time)
    if settings.purchases_topic in report.made and (live or until_live):
        await write_live(settings, NEVER if until_live else datetime.now(UTC))
    return report
