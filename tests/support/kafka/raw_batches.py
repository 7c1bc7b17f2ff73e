"""Record batches as bytes: good ones of every version, and the ways in which they go bad."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from streams.kafka.options import connection

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiokafka.structs import TopicPartition

    from streams.settings.settings import Settings

CODECS: Final = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

AT: Final = 1_704_103_200_000
"""Timestamp of all records: 2024-01-01, 10:00 UTC."""

LENGTH, VERSION, CRC, ATTRIBUTES, LAST_DELTA, PRODUCER = 8, 16, 17, 21, 23, 43
"""Places in a header of version 2."""

HEADER: Final = 61
"""Bytes of it."""

ABORT, COMMIT = b"\x00\x00\x00\x00", b"\x00\x00\x00\x01"


def batch(
    base: int,
    values: Sequence[bytes | None],
    *,
    codec: int = 0,
    headers: Sequence[tuple[str, bytes]] = (),
    key: bytes | None = b"c",
    producer: int = -1,
    transactional: bool = False,
) -> bytes:
    """A batch of version 2 that a broker would hold from an offset on."""
    builder = DefaultRecordBatchBuilder(2, codec, int(transactional), producer, 0, 0, 1 << 28)
    for at, value in enumerate(values):
        builder.append(at, AT, key, value, list(headers))
    return moved(bytes(builder.build()), base)


def records(data: bytes) -> list[Any]:
    """The records of a batch, as aiokafka reads them, its checksum tried."""
    read = MemoryRecords(data).next_batch()
    assert read is not None
    assert read.validate_crc()
    return list(read)


def held(
    base: int, last: int, records: Iterable[Any], *, producer: int = -1, transactional: bool = False
) -> bytes:
    """A batch that holds some of the offsets from `base` to `last`, with the records of these."""
    builder = DefaultRecordBatchBuilder(2, 0, int(transactional), producer, 0, 0, 1 << 28)
    for record in records:
        builder.append(record.offset - base, record.timestamp, record.key, record.value, list(record.headers))
    made = bytearray(moved(bytes(builder.build()), base))
    struct.pack_into(">i", made, LAST_DELTA, last - base)
    return sealed(made)


def marker(offset: int, kind: bytes = COMMIT, *, producer: int = 7) -> bytes:
    """The end of a transaction."""
    made = bytearray(batch(offset, [bytes(6)], key=kind, producer=producer, transactional=True))
    made[ATTRIBUTES + 1] |= 0x20
    return sealed(made)


def message(offset: int, value: bytes, *, version: int = 1, codec: int = 0) -> bytes:
    """A message of version 0 or 1, or a compressed one around two messages, of which this is the last."""
    builder = LegacyRecordBatchBuilder(version, codec, 1 << 20)
    first = offset - 1 if version == 0 and codec else 0
    for at in range(2 if codec else 1):
        builder.append(first + at, AT, b"c", value)
    return moved(bytes(builder.build()), offset)


def moved(data: bytes, base: int) -> bytes:
    """The batch at another offset, which no checksum covers."""
    return struct.pack(">q", base) + data[8:]


def sealed(data: bytes | bytearray) -> bytes:
    """The batch of version 2 with the checksum of what it holds."""
    made = bytearray(data)
    struct.pack_into(">I", made, CRC, calc_crc32c(bytes(made[ATTRIBUTES:])))
    return bytes(made)


def sealed_message(data: bytes | bytearray) -> bytes:
    """The same of version 0 or 1."""
    made = bytearray(data)
    struct.pack_into(">I", made, 12, crc32(bytes(made[16:])))
    return bytes(made)


def of_unknown_codec(data: bytes, codec: int = 6) -> bytes:
    """With the bits of a codec that there is none of."""
    made = bytearray(data)
    made[ATTRIBUTES + 1] = made[ATTRIBUTES + 1] & ~0x07 | codec
    return sealed(made)


def of_wrong_checksum(data: bytes) -> bytes:
    """With one bit of the last byte changed."""
    return data[:-1] + bytes([data[-1] ^ 1])


def of_unknown_version(data: bytes, version: int = 9) -> bytes:
    """Of a version that is not known, and another checksum's."""
    made = bytearray(of_wrong_checksum(data))
    made[VERSION] = version
    return bytes(made)


def of_strange_header_names(base: int, values: Sequence[bytes]) -> bytes:
    """With a header whose name is no UTF-8."""
    made = batch(base, values, headers=[("trace", b"v")])
    assert made.count(b"trace") == len(values)
    return sealed(bytearray(made.replace(b"trace", b"tr\xff\xfee")))


def cut_short(data: bytes, bytes_less: int = 12) -> bytes:
    """With fewer bytes of records than were written, and everything else as it has to be."""
    made = bytearray(data[:-bytes_less])
    struct.pack_into(">i", made, LENGTH, len(made) - 12)
    return sealed(made)


def of_length(data: bytes, length: int) -> bytes:
    """Whose header names another length than it has."""
    made = bytearray(data)
    struct.pack_into(">i", made, LENGTH, length)
    return bytes(made)


def bomb(base: int, count: int, codec: int = 4, size: int = 1 << 30) -> bytes:
    """A batch of a few kilobytes that becomes a gigabyte when it is unpacked."""
    import cramjam  # noqa: PLC0415 - nothing else needs it

    assert codec == CODECS["zstd"]
    made = bytearray(batch(base, [b""] * count)[:HEADER]) + bytes(cramjam.zstd.compress(bytes(size)))
    made[ATTRIBUTES + 1] |= codec
    struct.pack_into(">i", made, LENGTH, len(made) - 12)
    return sealed(made)


async def write(settings: Settings, place: TopicPartition, data: bytes) -> int:
    """Send bytes as they are to a partition's leader; the answer is the broker's error code.

    Where a broker checks what it takes, most that is bad is refused.
    """
    client = AIOKafkaClient(**connection(settings))
    try:
        await client.bootstrap()
        await client.add_topic(place.topic)
        request: Any = ProduceRequest(
            transactional_id=None,
            required_acks=-1,
            timeout=5_000,
            topics=[(place.topic, [(place.partition, data)])],
        )
        while True:
            node = client.cluster.leader_for_partition(place)
            answer = await client.send(node, request)
            ((_, ((_, code, *_),)),) = answer.topics
            if not for_code(code).invalid_metadata:  # a topic that was made this moment
                return int(code)
            await client.force_metadata_update()
    finally:
        await client.close()


def joined(batches: Iterable[bytes]) -> bytes:
    """Batches as they lie in a log."""
    return b"".join(batches)
