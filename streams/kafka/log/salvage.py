"""Salvage of logs that aiokafka cannot read: batch by batch, with repeated fetches before a verdict."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from aiokafka.errors import RecordTooLargeError

from streams.kafka.log.fetch import FETCH_BYTES, REFUSALS, RawLog
from streams.kafka.log.walk import Lost, Walked, unreadable, walk
from streams.kafka.undecodable import is_undecodable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka.structs import TopicPartition

    from streams.kafka.log.walk import Fetched
    from streams.settings.settings import Settings

log = logging.getLogger(__name__)

TRIES: Final = 3
"""Fetches of a batch before it counts as damaged: the network may be at fault the first time."""
PAUSE_SECONDS: Final = 0.1
"""Seconds between two such fetches. A broker that refuses, perhaps because it is about to end, gets
`REFUSED_TRIES` fetches."""
REFUSED_TRIES: Final = 30

LARGEST_BYTES: Final = 16 * FETCH_BYTES
"""Most bytes of one fetch, where more bytes are needed to identify the damage."""

SILENCE_SECONDS: Final = 5.0
"""Seconds without records after which a log is read batch by batch, if it has more records or its end is
unknown. A broker that cannot find a damaged batch answers fetches for ever with nothing, or with an error
that a consumer does not report."""

MOST_AT_ONCE: Final = 2_000
"""Records to read in one call, rounded up to a whole batch."""


class Fetches(Protocol):
    """Source of a log's bytes; `streams.kafka.log.fetch.RawLog` implements it."""

    async def fetch(self, place: TopicPartition, offset: int, most: int = FETCH_BYTES) -> Fetched:
        """Fetch a log's bytes from an offset on."""


class Salvage:
    """Reader of logs that hold batches that cannot be decoded.

    Args:
        raw: Source of the bytes.
    """

    def __init__(self, raw: Fetches) -> None:
        self._raw = raw

    async def read(self, place: TopicPartition, due: int, most: int = MOST_AT_ONCE) -> Walked:
        """Account for a log's offsets from `due` on. Damage is fetched again before it is believed.

        The result has records, or `lost`, or has passed offsets that hold none. If its `following` is `due`,
        there is nothing to read yet.

        Raises:
            OffsetOutOfRangeError: The log does not hold this offset.
            CodecMissingError: The library of a codec is not installed.
            KafkaError: The broker does not answer.
        """
        tries = 0
        while True:
            walked = await self._attempt(place, due, most)
            tries += 1
            if tries >= TRIES or not (walked.doubtful or walked.lost is not None):
                return walked
            await asyncio.sleep(PAUSE_SECONDS)

    async def readable_from(self, place: TopicPartition, lost: Lost, end: int) -> int:
        """Find the first readable offset after a lost range; return the log's end if there is none.

        If the extent of the damage is unknown, growing steps find a readable offset, and halving then narrows
        the range.

        Args:
            place: Topic and partition.
            lost: Range that cannot be read.
            end: Offset after the log's last one.
        """
        if lost.last is not None:
            return lost.last + 1
        unreadable, step = lost.first, 1
        while (readable := min(unreadable + step, end)) < end and not await self._readable(place, readable):
            unreadable, step = readable, 2 * step
        while readable - unreadable > 1:
            middle = (readable + unreadable) // 2
            if await self._readable(place, middle):
                readable = middle
            else:
                unreadable = middle
        return max(readable, lost.first + 1)

    async def _attempt(self, place: TopicPartition, due: int, most: int) -> Walked:
        size = FETCH_BYTES
        while True:
            fetched = await self._fetched(place, due, size)
            if isinstance(fetched, Lost):
                return Walked(due, lost=fetched)
            walked = walk(place, due, fetched, most)
            stuck = walked.following == due and not walked.records and due < fetched.end
            if not (walked.more or (stuck and walked.lost is None and fetched.data)):
                break
            if size >= LARGEST_BYTES:
                break
            size *= 4
        if stuck and walked.lost is None:
            walked.lost = Lost(due, None, "the broker sends nothing from there on, though its log goes on")
        if walked.lost is not None and 0 <= fetched.start < due:
            # A batch with a wrong header is missing from a fetch of its own offsets, but not from an earlier
            # one's.
            before = await self._fetched(place, due - 1, size)
            if not isinstance(before, Lost) and (broken := walk(place, due, before, most)).broken is not None:
                return broken
        return walked

    async def _fetched(self, place: TopicPartition, offset: int, size: int) -> Fetched | Lost:
        for attempt in range(REFUSED_TRIES):
            try:
                return await self._raw.fetch(place, offset, size)
            except REFUSALS as error:
                refusal = f"the broker cannot read its own log there ({error})"
                if attempt + 1 < REFUSED_TRIES:
                    await asyncio.sleep(PAUSE_SECONDS)
        return Lost(offset, None, refusal)

    async def _readable(self, place: TopicPartition, offset: int) -> bool:
        """Return True if a fetch of this offset returns a batch whose offsets are certain."""
        try:
            fetched = await self._raw.fetch(place, offset)
        except REFUSALS:
            return False
        return walk(place, offset, fetched, 1).following > offset


class CarefulReader:
    """Consumer of aiokafka, assigned by hand, that returns a `BrokenBatch` where aiokafka raises or skips.

    Args:
        consumer: Started consumer.
        salvage: Reader of what the consumer cannot read.
        raw: Connection to close when the consumer is stopped; None if it is shared.
    """

    def __init__(self, consumer: Any, salvage: Salvage, raw: RawLog | None = None) -> None:
        self._consumer = consumer
        self._salvage = salvage
        self._raw = raw
        self._moved: dict[Any, tuple[int, float]] = {}
        """Position of each log, and the moment since which it has been there with more to read."""

    @classmethod
    def of(cls, consumer: Any, settings: Settings) -> Self:
        """Make the reader over a consumer, with a raw connection of its own."""
        raw = RawLog(settings)
        return cls(consumer, Salvage(raw), raw)

    async def stop(self) -> None:
        """Stop the consumer, and close the raw connection unless it is shared."""
        if self._raw is not None:
            await self._raw.close()
        await self._consumer.stop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    async def getmany(self, *places: Any, **options: Any) -> Any:
        """Fetch records.

        Raises:
            LogUnreadableError: No readable offset after the damage of a log is known.
            CodecMissingError: The library of a codec is not installed.
        """
        asked = places or tuple(self._consumer.assignment())
        positions = {place: await self._consumer.position(place) for place in asked}
        try:
            fetched = await self._consumer.getmany(*places, **options)
        except Exception as error:
            if not is_undecodable(error):
                raise
            log.debug("Reading %s batch by batch: %r", asked, error)
            if isinstance(error, RecordTooLargeError) and len(error.args) > 2:
                positions[error.args[1]] = error.args[2]  # aiokafka has already moved past an offset
        else:
            silent = [place for place in asked if place not in fetched and await self._silent(place)]
            if not silent:
                return fetched
            return fetched | await self._by_batches({place: positions[place] for place in silent})
        for place, position in positions.items():  # records of the other logs read in this call are lost too
            self._consumer.seek(place, position)
        return await self._by_batches(positions)

    async def _silent(self, place: Any) -> bool:
        """Return True if a log has given nothing for a while, although its end is not known to be reached."""
        position, now = await self._consumer.position(place), asyncio.get_running_loop().time()
        end, stable = self._consumer.highwater(place), self._consumer.last_stable_offset(place)
        if end is not None and stable is not None and stable >= 0:
            end = min(end, stable)
        known, since = self._moved.get(place, (-1, now))
        if known != position or (end is not None and position >= end):
            since = now
        self._moved[place] = (position, since)
        return bool(now - since > SILENCE_SECONDS)

    async def _by_batches(self, positions: Mapping[Any, int]) -> dict[Any, list[Any]]:
        found = {}
        for place, position in positions.items():
            walked = await self._salvage.read(place, position)
            if walked.lost is not None:
                raise unreadable(place, walked.lost)
            self._consumer.seek(place, walked.following)
            if walked.records:
                found[place] = walked.records
        return found
