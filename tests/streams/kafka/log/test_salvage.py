"""Reading on where a consumer cannot: tries, sizes, silence, and the way out of what is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import CorruptRecordException, RecordTooLargeError, UnknownError
from aiokafka.structs import TopicPartition

from streams.errors import LogUnreadableError
from streams.kafka.log.batches import BrokenBatch
from streams.kafka.log.salvage import LARGEST_BYTES, REFUSED_TRIES, TRIES, CarefulReader, Salvage
from streams.kafka.log.walk import Fetched, Lost
from tests.support.kafka.fake_kafka import FakeConsumer, FakeLogs
from tests.support.kafka.raw_batches import batch, moved, of_unknown_codec, of_wrong_checksum

if TYPE_CHECKING:
    from collections.abc import Callable

PLACE = TopicPartition("purchases", 0)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.kafka.log.salvage.PAUSE_SECONDS", 0)


class Raw:
    """A log whose answers a test makes."""

    def __init__(self, answer: Callable[[int, int], Fetched]) -> None:
        self._answer = answer
        self.asked: list[tuple[int, int]] = []

    async def fetch(self, place: TopicPartition, offset: int, most: int = 1 << 20) -> Fetched:
        """Answer."""
        assert place == PLACE
        self.asked.append((offset, most))
        return self._answer(offset, most)


def ten(base: int) -> bytes:
    return batch(base, [b"x"] * 10)


async def test_damage_is_fetched_again_and_a_right_checksum_is_believed_at_once() -> None:
    raw = Raw(lambda *_: Fetched(of_wrong_checksum(ten(0)) + ten(10), 20, start=0))
    assert (await Salvage(raw).read(PLACE, 0)).broken is not None
    assert len(raw.asked) == TRIES
    raw = Raw(lambda *_: Fetched(of_unknown_codec(ten(0)) + ten(10), 20, start=0))
    assert (await Salvage(raw).read(PLACE, 0)).broken is not None
    assert len(raw.asked) == 1


async def test_more_bytes_are_asked_for_where_they_tell_how_far_damage_goes() -> None:
    whole = of_wrong_checksum(ten(0)) + ten(10) + ten(20)
    raw = Raw(lambda _, most: Fetched(whole if most > 1 << 20 else whole[: len(ten(0))], 30, start=0))
    broken = (await Salvage(raw).read(PLACE, 0)).broken
    assert broken is not None
    assert (broken.first_offset, broken.offset) == (0, 9)
    assert max(most for _, most in raw.asked) <= LARGEST_BYTES


async def test_a_batch_that_hides_from_a_fetch_of_its_offsets_is_found_from_the_one_before() -> None:
    def answer(offset: int, _: int) -> Fetched:
        hidden = moved(ten(10), 0)
        return Fetched(ten(0) + hidden + ten(20) if offset < 10 else ten(20), 30, start=0)

    broken = (await Salvage(Raw(answer)).read(PLACE, 10)).broken
    assert broken is not None
    assert (broken.first_offset, broken.offset, broken.value) == (10, 19, moved(ten(10), 0))


@pytest.mark.parametrize("error", [UnknownError, CorruptRecordException])
async def test_a_broker_that_cannot_read_its_log_is_asked_for_a_while(error: type[Exception]) -> None:
    def refuse(*_: int) -> Fetched:
        raise error

    raw = Raw(refuse)
    walked = await Salvage(raw).read(PLACE, 7)
    assert walked.lost is not None
    assert "the broker cannot read its own log there" in walked.lost.reason
    assert len(raw.asked) == TRIES * REFUSED_TRIES


async def test_a_broker_that_sends_nothing_of_a_log_that_goes_on_has_lost_it() -> None:
    walked = await Salvage(Raw(lambda *_: Fetched(b"", 30, start=0))).read(PLACE, 30)
    assert (walked.following, walked.lost) == (30, None)
    walked = await Salvage(Raw(lambda *_: Fetched(b"", 30, start=0))).read(PLACE, 7)
    assert walked.lost == Lost(7, None, "the broker sends nothing from there on, though its log goes on")


@pytest.mark.parametrize("again", [8, 9, 11, 23, 500, 998])
async def test_where_a_log_can_be_read_again_is_found_in_few_fetches(again: int) -> None:
    def answer(offset: int, _: int) -> Fetched:
        return Fetched(batch(offset, [b"x"]) if offset >= again else b"", 1_000)

    raw = Raw(answer)
    assert await Salvage(raw).readable_from(PLACE, Lost(7, None, "why"), 1_000) == again
    assert len(raw.asked) <= 25
    assert await Salvage(raw).readable_from(PLACE, Lost(7, 11, "why"), 1_000) == 12
    nowhere = Salvage(Raw(lambda *_: Fetched(b"", 1_000)))
    assert await nowhere.readable_from(PLACE, Lost(7, None, "why"), 1_000) == 1_000


async def test_a_careful_reader_gives_a_broken_batch_in_its_place_and_loses_nothing_of_others() -> None:
    logs, other = FakeLogs(), TopicPartition("purchases", 1)
    logs.append(other, b"k", b"other")
    logs.append(PLACE, b"k", b"before")
    logs.append_broken(PLACE, of_unknown_codec(batch(1, [b"x"] * 4)), 4)
    logs.append(PLACE, b"k", b"after")
    reader = CarefulReader(FakeConsumer(logs), Salvage(logs))
    reader.assign([other, PLACE])
    for place in (other, PLACE):
        reader.seek(place, 0)
    found: dict[TopicPartition, list[Any]] = {other: [], PLACE: []}
    for _ in range(4):
        for place, records in (await reader.getmany(other, PLACE)).items():
            found[place] += records
    assert [record.value for record in found[other]] == [b"other"]
    before, broken, after = found[PLACE]
    assert (before.value, after.value) == (b"before", b"after")
    assert isinstance(broken, BrokenBatch)
    assert (broken.first_offset, broken.offset) == (1, 4)


async def test_an_offset_that_the_consumer_has_passed_over_already_is_gone_back_to() -> None:
    logs = FakeLogs()
    logs.append_broken(PLACE, of_unknown_codec(batch(0, [b"x"] * 4)), 4)
    logs.append(PLACE, b"k", b"after")
    consumer = FakeConsumer(logs)

    async def getmany(*_: Any, **__: Any) -> Any:
        raise RecordTooLargeError("There are some messages at %s=%s", PLACE, 0, 1024)

    consumer.getmany = getmany  # type: ignore[method-assign] # as aiokafka, which has moved on
    reader = CarefulReader(consumer, Salvage(logs))
    reader.assign([PLACE])
    reader.seek(PLACE, 1)
    (broken,) = (await reader.getmany(PLACE))[PLACE]
    assert (broken.first_offset, broken.offset) == (0, 3)


async def test_a_log_that_has_more_and_gives_nothing_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.kafka.log.salvage.SILENCE_SECONDS", 0)
    logs = FakeLogs()
    logs.append(PLACE, b"k", b"x")
    consumer = FakeConsumer(logs)

    async def getmany(*_: Any, **__: Any) -> Any:
        await asyncio.sleep(0.001)
        return {}

    consumer.getmany = getmany  # type: ignore[method-assign] # a broker that finds nothing
    reader = CarefulReader(consumer, Salvage(Raw(lambda *_: Fetched(b"", 1, start=0))))
    reader.assign([PLACE])
    reader.seek(PLACE, 0)
    await reader.getmany(PLACE)
    with pytest.raises(LogUnreadableError, match=r"purchases\[0\] cannot be read from offset 0 on"):
        await reader.getmany(PLACE)
