"""Walks over the bytes of a log: every offset is a record's, one that holds none, broken or lost."""

from __future__ import annotations

import pytest
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from streams.kafka.codecs import limit_codecs
from streams.kafka.log.batches import NO_TIME, BrokenBatch
from streams.kafka.log.walk import Fetched, Walked, walk
from tests.support.kafka.raw_batches import (
    ABORT,
    AT,
    CODECS,
    CRC,
    LAST_DELTA,
    VERSION,
    batch,
    bomb,
    cut_short,
    joined,
    marker,
    message,
    moved,
    of_length,
    of_strange_header_names,
    of_unknown_codec,
    of_unknown_version,
    of_wrong_checksum,
    sealed,
    sealed_message,
)

PLACE = TopicPartition("purchases", 3)
MANY = 10_000


def walked(*batches: bytes, due: int = 0, end: int = 30, aborted: tuple[tuple[int, int], ...] = ()) -> Walked:
    """Walk over batches that lie behind each other."""
    return walk(PLACE, due, Fetched(joined(batches), end, aborted), MANY)


def ten(base: int, codec: int = 0) -> bytes:
    """Ten records from an offset on; each value is its offset."""
    return batch(base, [b"%d" % (base + at) for at in range(10)], codec=codec)


def changed(data: bytes, place: int, value: int) -> bytes:
    """One byte of the batch is another."""
    return data[:place] + bytes([value]) + data[place + 1 :]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_records_of_every_codec_are_read_from_the_due_one_on(codec: int) -> None:
    found = walked(ten(0, codec), ten(10, codec), due=4, end=20)
    assert [record.offset for record in found.records] == list(range(4, 20))
    assert [record.value for record in found.records] == [b"%d" % at for at in range(4, 20)]
    first = found.records[0]
    assert (first.topic, first.partition, first.key, first.timestamp) == (*PLACE, b"c", AT)
    assert (found.following, found.lost, found.broken) == (20, None, None)


@pytest.mark.parametrize("version", [0, 1, 3, 77])
def test_a_version_that_alone_is_wrong_is_told_by_the_checksum(version: int) -> None:
    found = walked(ten(0), changed(ten(10), VERSION, version), ten(20))
    assert [record.offset for record in found.records] == list(range(30))
    assert found.broken is None


def test_a_batch_that_is_cut_off_at_the_end_of_the_bytes_is_left_for_the_next_fetch() -> None:
    found = walked(ten(0), ten(10)[:-5])
    assert (len(found.records), found.following, found.lost, found.broken) == (10, 10, None, None)


def test_it_ends_at_the_end_of_a_batch_when_it_has_enough() -> None:
    found = walk(PLACE, 0, Fetched(joined([ten(0), ten(10)]), 20), 5)
    assert (len(found.records), found.following) == (10, 10)


def test_ends_of_transactions_and_aborted_ones_hold_no_record() -> None:
    def of(base: int, producer: int) -> bytes:
        return batch(base, [b"x", b"y"], producer=producer, transactional=True)

    found = walked(
        of(0, 7),
        marker(2, ABORT),
        of(3, 7),
        marker(5),
        of(6, 8),
        marker(8, producer=8),
        end=9,
        aborted=((7, 0),),
    )
    assert [record.offset for record in found.records] == [3, 4, 6, 7]
    assert (found.following, found.lost) == (9, None)


BROKEN = {
    "unknown codec": (of_unknown_codec(ten(10)), "codec 6, which is not known"),
    "wrong checksum": (of_wrong_checksum(ten(10)), "its checksum is wrong"),
    "unknown version": (of_unknown_version(ten(10)), "its version is 9, which is not known"),
    "header names": (
        of_strange_header_names(10, [b"x"] * 10),
        "the name of a header is no UTF-8",
    ),
    "a bomb": (bomb(10, 10), "more than 128 MiB unpacked"),
    "the last delta": (changed(ten(10), LAST_DELTA, 0x40), "its checksum is wrong"),
    "the checksum": (changed(ten(10), CRC, 1), "its checksum is wrong"),
    "an old version": (of_wrong_checksum(changed(ten(10), VERSION, 0)), "its checksum is wrong"),
    "a higher offset": (moved(ten(10), 1 << 50), "begins at offset 1125899906842624, where 10 has to be"),
    "a lower offset": (moved(ten(10), 2), "begins at offset 2, where 10 has to be"),
} | {f"cut short, {name}": (cut_short(ten(10, codec)), "cannot be read") for name, codec in CODECS.items()}


@pytest.mark.parametrize(("data", "why"), BROKEN.values(), ids=BROKEN)
def test_a_broken_batch_stands_in_the_place_of_its_records_byte_for_byte(data: bytes, why: str) -> None:
    before = walked(ten(0), data, ten(20))
    assert [record.offset for record in before.records] == [*range(10), 19]
    broken = before.broken
    assert isinstance(broken, BrokenBatch)
    assert (broken.first_offset, broken.offset, broken.value) == (10, 19, data)
    assert why in broken.reason
    assert (before.following, before.lost) == (20, None)
    after = walked(data, ten(20), due=before.following)  # a broker may begin before what was asked for
    assert [record.offset for record in after.records] == list(range(20, 30))
    assert after.broken is None


NEEDS_A_NEIGHBOUR = {"the last delta", "an old version"}
"""Where the header of the batch itself does not say how far it goes."""


@pytest.mark.parametrize("how", sorted(BROKEN.keys() - NEEDS_A_NEIGHBOUR - {"a lower offset"}))
def test_the_last_batch_of_a_log_may_be_broken(how: str) -> None:
    data, why = BROKEN[how]
    found = walked(ten(0), data, end=20)
    assert found.broken is not None
    assert (found.broken.first_offset, found.broken.offset) == (10, 19)
    assert why in found.broken.reason


@pytest.mark.parametrize("how", sorted(NEEDS_A_NEIGHBOUR))
def test_the_last_batch_of_a_log_is_lost_where_nothing_says_how_far_it_goes(how: str) -> None:
    found = walked(BROKEN[how][0], due=10, end=20)
    assert (found.records, found.following) == ([], 10)
    assert found.lost is not None


def test_a_last_batch_that_begins_too_low_is_taken_for_one_that_is_read_on_and_the_rest_is_missed() -> None:
    found = walked(BROKEN["a lower offset"][0], due=10, end=20)
    assert [record.offset for record in found.records] == [10, 11]
    assert found.following == 12


def test_only_a_header_that_can_be_believed_gives_the_letter_its_time() -> None:
    for data, timestamp in ((of_unknown_codec(ten(0)), AT), (of_wrong_checksum(ten(0)), NO_TIME)):
        broken = walked(data, ten(10), end=20).broken
        assert broken is not None
        assert broken.timestamp == timestamp


def test_a_batch_read_in_part_before_is_one_letter_with_all_its_offsets() -> None:
    broken = walked(of_unknown_codec(ten(0)), due=4, end=10).broken
    assert broken is not None
    assert (broken.first_offset, broken.offset) == (0, 9)


@pytest.mark.parametrize("length", [9, 60, 150, -1, 1 << 30])
def test_a_batch_whose_length_is_wrong_is_lost_and_never_passed_over(length: int) -> None:
    data = of_length(ten(10), length)
    first = walked(ten(0), data, ten(20))
    assert [record.offset for record in first.records] == list(range(10))
    found = walked(data, ten(20), due=10)
    assert (found.records, found.following) == ([], 10)
    assert found.lost is not None
    assert (found.lost.first, found.lost.last) == (10, None)


def test_offsets_that_the_log_does_not_hold_are_lost() -> None:
    found = walked(ten(0), ten(20))
    assert (len(found.records), found.following) == (10, 10)
    assert found.lost is not None
    assert (found.lost.first, found.lost.last) == (10, 19)


def test_what_lies_behind_a_broken_batch_decides_how_far_it_goes_or_more_bytes_have_to() -> None:
    found = walked(of_wrong_checksum(ten(0)))
    assert found.more
    assert walked(of_wrong_checksum(ten(0)), ten(10)[:20]).broken is not None


@pytest.mark.parametrize("version", [0, 1])
def test_messages_of_old_versions_are_read_and_broken_ones_kept(version: int) -> None:
    good = [message(0, b"a", version=version), message(2, b"b", version=version, codec=1)]
    found = walked(*good, message(3, b"c", version=version), end=4)
    assert [record.offset for record in found.records] == [0, 1, 2, 3]
    bad = bytearray(message(2, b"b", version=version, codec=1))
    bad[-9] ^= 1
    for data in (bytes(bad), sealed_message(bad)):
        broken = walked(good[0], data, message(3, b"c", version=version), end=4).broken
        assert broken is not None
        assert (broken.first_offset, broken.offset, broken.value) == (1, 2, data)


def test_a_batch_that_reaches_into_the_next_one_is_broken_and_one_beyond_the_end_is_lost() -> None:
    far = sealed(changed(ten(10), LAST_DELTA + 3, 12))
    broken = walked(ten(0), far, ten(20)).broken
    assert broken is not None
    assert (broken.first_offset, broken.offset) == (10, 19)
    assert "it ends at offset 22, where 19 has to be" in broken.reason
    beyond = walked(sealed(changed(ten(10), LAST_DELTA, 0x20)), ten(20), due=10)
    assert (beyond.records, beyond.following) == ([], 10)
    assert beyond.lost is not None


def test_the_compiled_reader_never_unpacks_messages_of_old_versions() -> None:
    limit_codecs()
    wrapper = MemoryRecords(message(2, b"x", codec=CODECS["snappy"])).next_batch()
    assert wrapper is not None
    with pytest.raises(CorruptRecordException, match="read by itself"):
        list(wrapper)
