"""Reads all partitions of a topic at once: with many of them, one after the other takes minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition

from streams.changelog.recovery import POLL_MS, RECORDS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping


async def log_starts(reader: Any, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """The first offset of each partition."""
    places = [TopicPartition(topic, number) for number in partitions]
    return {place.partition: start for place, start in (await reader.beginning_offsets(places)).items()}


async def read_all(
    reader: Any, topic: str, starts: Mapping[int, int]
) -> AsyncIterator[tuple[int, list[Any]]]:
    """Records of each partition from its start on, to the high watermark that the first fetch tells.

    Args:
        reader: an aiokafka consumer without a group; it is left where it has read to.
        topic: whose records.
        starts: the offset to begin at, by partition.
    """
    places = {TopicPartition(topic, number): start for number, start in starts.items()}
    reader.assign(list(places))
    for place, start in places.items():
        reader.seek(place, start)
    ends: dict[TopicPartition, int] = {}
    while places:
        fetched = await reader.getmany(timeout_ms=POLL_MS, max_records=RECORDS_AT_ONCE)
        for place, records in fetched.items():
            yield place.partition, records
        for place in places:
            if place not in ends and reader.highwater(place) is not None:
                ends[place] = reader.highwater(place)
        if len(ends) == len(places) and not [
            place for place in places if await reader.position(place) < ends[place]
        ]:
            return
