"""Errors of decoding, told apart from a broker's and a network's."""

from __future__ import annotations

import asyncio
import gzip
import struct
import zlib

import cramjam
import pytest
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    OffsetOutOfRangeError,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
)

from streams.errors import BrokerUnreachableError
from streams.kafka.retry import passes
from streams.kafka.undecodable import is_undecodable

OF_DECODING = [
    UnsupportedCodecError("Unknown compression codec 0x06"),
    CorruptRecordException("Invalid CRC"),
    RecordTooLargeError("There are some messages ..."),
    KafkaError("Control batch did not contain any records"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    gzip.BadGzipFile("Not a gzipped file"),
    zlib.error("Error -3"),
    cramjam.DecompressionError("snappy: corrupt input"),
    EOFError("ends early"),
    struct.error("unpack requires a buffer"),
    AssertionError("double-compressed"),
    MemoryError(),
    OverflowError(),
]

OF_OTHERS = [
    OffsetOutOfRangeError({}),
    TopicAuthorizationFailedError("purchases"),
    KafkaConnectionError("refused"),
    KafkaError("Unexpected error during data retrieval"),
    IllegalStateError("not assigned"),
    ConsumerStoppedError(),
    ConnectionResetError(104, "reset"),
    ConnectionError(),
    TimeoutError(),
    OSError(113, "no route to host"),
    BrokerUnreachableError("no broker answers"),
    asyncio.CancelledError(),
    KeyboardInterrupt(),
]


@pytest.mark.parametrize("error", OF_DECODING, ids=lambda error: type(error).__name__)
def test_what_decoding_raises_never_passes_by_itself(error: Exception) -> None:
    assert is_undecodable(error)
    assert not passes(error)


@pytest.mark.parametrize("error", OF_OTHERS, ids=lambda error: type(error).__name__)
def test_what_a_broker_or_a_network_raises_is_none_of_it(error: BaseException) -> None:
    assert not is_undecodable(error)
