"""Goes on where aiokafka's consumer cannot: over a log's bytes, batch by batch, twice before a verdict."""

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
"""Fetches of a batch before it counts as damaged: the first time the network may be at fault."""
PAUSE_SECONDS: Final = 0.1
"""Between two of them; a broker that refuses, which may be about to end, is given `REFUSED_TRIES`."""
REFUSED_TRIES: Final = 30

LARGEST_BYTES: Final = 16 * FETCH_BYTES
"""Fetched at most, where more bytes would tell what is the matter."""

SILENCE_SECONDS: Final = 5.0
"""After so long without records a log that has more, or of which a broker does not say how far it goes, is
read batch by batch: a broker that cannot find a damaged batch answers fetches with nothing, or an error that
a consumer keeps to itself, for ever."""

MOST_AT_ONCE: Final = 2_000
"""Records of one call, more or less a batch."""


class Fetches(Protocol):
    """Gives a log's bytes; `streams.kafka.log.fetch.RawLog` does."""

    async def fetch(self, place: TopicPartition, offset: int, most: int = FETCH_BYTES) -> Fetched:
        """Fetch what a log holds from an offset on."""


class Salvage:
    """Reads logs that hold what cannot be decoded.

    Args:
        raw: Fetches bytes.
    """

    def __init__(self, raw: Fetches) -> None:
        self._raw = raw

    async def read(self, place: TopicPartition, due: int, most: int = MOST_AT_ONCE) -> Walked:
        """Account for what a log holds from an offset on; damage is fetched again before it is believed.

        The answer has records, or `lost`, or has passed offsets that hold none, or there is nothing to read
        yet (its `following` is `due`).

        Raises:
            OffsetOutOfRangeError: The log does not hold this offset.
            CodecMissing: A codec's library is not installed.
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
        """Find the offset from which a log can be read again, behind what is lost; its end, if nowhere.

        Where nothing says how far the damage goes, it is tried in growing steps, and then by halves.

        Args:
            place: The log.
            lost: What cannot be read.
            end: The offset behind the log's last.
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
            # A batch whose header is wrong hides from a fetch of its offsets, not from one of those before.
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
        """Return whether a fetch of an offset brings a batch of which the offsets can be told."""
        try:
            fetched = await self._raw.fetch(place, offset)
        except REFUSALS:
            return False
        return walk(place, offset, fetched, 1).following > offset


class CarefulReader:
    """An aiokafka consumer, assigned by hand, that gives a `BrokenBatch` where another raises or forgets.

    Args:
        consumer: Started.
        salvage: Reads what it cannot.
        raw: Closed when the consumer is stopped, where it is not shared.
    """

    def __init__(self, consumer: Any, salvage: Salvage, raw: RawLog | None = None) -> None:
        self._consumer = consumer
        self._salvage = salvage
        self._raw = raw
        self._moved: dict[Any, tuple[int, float]] = {}
        """Position of each log, and since when it has stood there with more to read."""

    @classmethod
    def of(cls, consumer: Any, settings: Settings) -> Self:
        """The reader over a consumer, with connections of its own for what it cannot read."""
        raw = RawLog(settings)
        return cls(consumer, Salvage(raw), raw)

    async def stop(self) -> None:
        """Stop the consumer."""
        if self._raw is not None:
            await self._raw.close()
        await self._consumer.stop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    async def getmany(self, *places: Any, **options: Any) -> Any:
        """Fetch.

        Raises:
            LogUnreadable: Nothing tells how to go on in one of the logs.
            CodecMissing: A codec's library is not installed.
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
                positions[error.args[1]] = error.args[2]  # aiokafka has passed an offset over already
        else:
            silent = [place for place in asked if place not in fetched and await self._silent(place)]
            if not silent:
                return fetched
            return fetched | await self._by_batches({place: positions[place] for place in silent})
        for place, position in positions.items():  # what was read of the others in this call is lost, too
            self._consumer.seek(place, position)
        return await self._by_batches(positions)

    async def _silent(self, place: Any) -> bool:
        """Return whether a log has given nothing for long, and is not known to be read."""
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
