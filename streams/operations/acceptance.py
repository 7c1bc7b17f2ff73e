"""Acceptance of records just sent: how many of them workers have read, and which of them they refused."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from models.contracts.events import DeadLetter
from streams.clock import SystemClock
from streams.kafka.opened import admin as opened_admin
from streams.kafka.opened import opened
from streams.kafka.options import consumer_options

if TYPE_CHECKING:
    from aiokafka.admin import AIOKafkaAdminClient

    from streams.settings.settings import Settings
    from streams.sources.acknowledged import Sent

WAIT_SECONDS: Final = 5.0
"""Seconds to wait for workers that make progress; a large file takes them longer than anybody wants to
watch."""
STILL_SECONDS: Final = 1.3
"""Seconds for which the group's offsets may stand still: a worker commits at least once a second."""
READ_SECONDS: Final = 10.0
"""Seconds for which dead letters are read; letters read until then are counted."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Progress of workers through the records of one sending."""

    sent: int
    """Records acknowledged, ticks among them."""
    read: int
    """Acknowledged records that workers have accounted for."""
    refused: dict[str, int]
    """Error code of a dead letter -> number of the records refused for that error."""


class Watch:
    """Watch over one sending: call `begin` before the sending and `look` after it.

    Writes nothing to the broker.

    Args:
        settings: Service settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._starts: dict[TopicPartition, int] = {}

    async def begin(self) -> None:
        """Store the end offsets of the dead letters' topic.

        Raises:
            KafkaError: The broker does not answer the question, or this login may not ask it.
        """
        async with opened(AIOKafkaConsumer(**consumer_options(self._settings, committed=False))) as consumer:
            topic = self._settings.dead_letters_topic
            if topic in await consumer.topics():  # a topic that is asked for by name might be made
                places = [TopicPartition(topic, number) for number in range(self._settings.partitions)]
                # The embedded broker names the begin of its last batch: some letters from before are read
                # again.
                self._starts = await consumer.end_offsets(places)

    async def look(self, sent: Sent) -> Acceptance:
        """Wait a few seconds for workers that make progress, and count the dead letters of the records sent.

        Args:
            sent: Offsets of the records sent.

        Raises:
            KafkaError: The broker does not answer the question, or this login may not ask it.
        """
        ends = await self._waited_for(sent)
        return Acceptance(sent.total, sent.before(ends), await self._refused(sent) if ends else {})

    async def _waited_for(self, sent: Sent) -> dict[int, int]:
        """Return partition -> offset that the group has committed; empty where no worker ever committed."""
        async with opened_admin(self._settings) as admin:
            clock = SystemClock()
            began = moved = clock.elapsed()
            ends = await self._committed(admin)
            while ends and sent.before(ends) < sent.total:
                now = clock.elapsed()
                if now > min(began + WAIT_SECONDS, moved + STILL_SECONDS):
                    break
                await asyncio.sleep(0.1)
                newer = await self._committed(admin)
                if newer != ends:
                    ends, moved = newer, clock.elapsed()
            return ends

    async def _committed(self, admin: AIOKafkaAdminClient) -> dict[int, int]:
        source = self._settings.purchases_topic
        places = [TopicPartition(source, number) for number in range(self._settings.partitions)]
        told = await admin.list_consumer_group_offsets(self._settings.group, partitions=places)
        return {place.partition: held.offset for place, held in told.items() if held.offset >= 0}

    async def _refused(self, sent: Sent) -> dict[str, int]:
        """Count the dead letters of the records sent by error code; copies of one letter count once."""
        codes: dict[tuple[int, int], str] = {}
        if not self._starts:
            return {}
        async with opened(AIOKafkaConsumer(**consumer_options(self._settings, committed=False))) as consumer:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(READ_SECONDS):
                    await self._read(consumer, sent, codes)
        return dict(Counter(codes.values()).most_common())

    async def _read(self, consumer: AIOKafkaConsumer, sent: Sent, codes: dict[tuple[int, int], str]) -> None:
        places = list(self._starts)
        consumer.assign(places)
        begins = await consumer.beginning_offsets(places)
        for place, end in self._starts.items():
            consumer.seek(place, max(begins[place], end - 1))
        unread = set(places)
        while unread:
            for records in (await consumer.getmany(*unread, timeout_ms=100)).values():
                for record in records:
                    try:
                        letter = DeadLetter.from_headers(record.headers)
                    except ValueError:
                        continue
                    source = (letter.partition, letter.offset)
                    if letter.topic == self._settings.purchases_topic and source in sent:
                        codes[source] = letter.error
            for place in list(unread):
                end = consumer.highwater(place)
                if end is not None and await consumer.position(place) >= end:
                    unread.discard(place)


UNKNOWN: Final = (KafkaError, OSError, TimeoutError)
"""Errors that leave the acceptance unknown. The sending does not fail for them."""
