"""Sends as record batches."""

from __future__ import annotations

import functools

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import TopicPartition

from streams.delivery.queue import Send, record_batches
from streams.errors import EngineError
from streams.kafka.options import ROWS_BATCH_BYTES

LIMIT = 10_000
TARGET = TopicPartition("outputs", 0)


def batches(*sizes: int, headers: int = 0, room: int = ROWS_BATCH_BYTES) -> list[tuple[int, int]]:
    """Records and bytes of each batch that records of these sizes go into."""
    said = [("name", bytes(headers))] if headers else []
    sends = [Send(TARGET, b"k", bytes(size), said, 0) for size in sizes]
    make = functools.partial(BatchBuilder, room, 0)
    built = list(record_batches(make, sends, LIMIT))
    assert all(builder.closed() for builder in built)
    return [(builder.record_count(), builder.size()) for builder in built]


def test_a_batch_ends_where_the_next_record_would_pass_the_limit() -> None:
    built = batches(*[3_000] * 8)
    assert [records for records, _ in built] == [3, 3, 2]
    assert all(size <= LIMIT for _, size in built)


def test_a_record_beyond_the_limit_has_a_batch_for_itself() -> None:
    assert [records for records, _ in batches(100, 3 * LIMIT, 100, 100)] == [1, 1, 2]


def test_headers_count_too() -> None:
    """A topic refuses larger batches than it takes, whoever wrote the headers of a stranger."""
    built = batches(*[1] * 100, headers=1_000)
    assert all(size <= LIMIT + 1_100 for _, size in built)
    assert sum(records for records, _ in built) == 100


def test_a_builder_with_less_room_than_the_limit_ends_batches_itself() -> None:
    assert [records for records, _ in batches(*[2_000] * 4, room=5_000)] == [2, 2]


def test_a_record_that_an_empty_batch_does_not_take_is_a_fault() -> None:
    def full() -> BatchBuilder:
        builder = BatchBuilder(LIMIT, 0)
        builder.close()
        return builder

    with pytest.raises(EngineError, match="301 bytes was not taken"):
        list(record_batches(full, [Send(TARGET, b"k", bytes(300), (), 0)], LIMIT))
