"""Reading of changelogs for one customer: the customer's row, partition-level rows, and all standings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.memory.rows import CLOCK_KEY, RowError, customer_of, is_habits
from models.segments.snapshot import SegmentSnapshot
from streams.changelog.framing import LatestRows, row_of, undecodable
from streams.errors import ChangelogUnreadableError
from streams.kafka.log.reading import ReadProgress, read_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from streams.kafka.log.batches import BrokenBatch

Bar = Callable[[str], AbstractContextManager[ReadProgress]]
"""Context manager that shows the progress of a read under a title."""


@dataclass(slots=True)
class CustomerRows:
    """Rows kept of one partition's changelog, for one customer."""

    greatest: LatestRows = field(default_factory=LatestRows)
    standings: SegmentSnapshot = field(default_factory=SegmentSnapshot)
    """Standings of every customer: five numbers each."""

    @property
    def rows(self) -> dict[bytes, bytes]:
        """Greatest rows of the customer and of each of the partition's own keys."""
        return self.greatest.rows


def refuse(broken: BrokenBatch) -> None:
    """Refuse to describe a state that lacks rows.

    Args:
        broken: Batch that cannot be decoded.

    Raises:
        ChangelogUnreadableError: Always; the message names the batch.
    """
    raise undecodable(broken)


async def look_for(
    consumer: AIOKafkaConsumer, places: Sequence[TopicPartition], customer: bytes, bar: Bar
) -> dict[TopicPartition, CustomerRows]:
    """Read changelogs to their present ends, for one customer.

    Args:
        consumer: Started consumer.
        places: Partitions of the changelog.
        customer: Customer id.
        bar: Shows the progress of the read.

    Returns:
        Partition -> its rows.

    Raises:
        ChangelogUnreadableError: A row was not written by Cartpulse.
        NewerRowsError: A later release wrote a row.
    """
    looks = {place: CustomerRows() for place in places}
    with bar("Reading the changelog") as progress:
        async with aclosing(read_now(consumer, places, progress, meet=refuse)) as batches:
            async for place, records in batches:
                look = looks[place]
                for record in records:
                    whose = customer_of(record.key or CLOCK_KEY)
                    if whose is None or whose == customer:
                        look.greatest.take([record])
                    if whose is None or is_habits(record.key):
                        continue
                    try:
                        look.standings.take(record.key, row_of(record))
                    except RowError as error:
                        raise ChangelogUnreadableError(
                            f"{place.topic}[{place.partition}] holds a row that cannot be read: {error}."
                        ) from error
    return looks
