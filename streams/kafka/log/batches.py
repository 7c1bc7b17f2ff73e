"""Record batches of a log, read by their fixed headers before their records are decoded.

A fetch answers with the log's bytes as stored, batch after batch. The first 17 bytes of a batch have the same
layout in every version: offset (8 bytes), length of the rest (4), four bytes that are the CRC in versions 0
and 1 and the leader's epoch in version 2, and the version ("magic", 1). Version 2 continues with the CRC (4),
attributes (2), the delta of the last offset (4), first and greatest timestamp (8 each), producer id (8) and
epoch (2), sequence (4) and the number of records (4). The offset of version 2 is that of the batch's first
record. Versions 0 and 1 are single messages; a compressed one wraps others, and its offset is that of the
last.

The CRC of version 2 covers the bytes after it: not the offset, length, epoch or version. So these four are
trusted only where the neighbouring batches agree (`streams/kafka/log/walk.py`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

from aiokafka.record.legacy_records import _LegacyRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from streams.errors import CodecMissingError
from streams.kafka.codecs import NAMES, limit_codecs, missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka.structs import TopicPartition

NO_TIME: Final = -1
"""Timestamp of a batch that has none, or whose header cannot be trusted."""

INSTALL: Final = (
    "install Cartpulse with all that it requires (`pip install cramjam`), and start the worker again"
)
"""Remedy for the missing library of a codec."""

VERSION_2: Final = 2

_PREFIX: Final = struct.Struct(">qiiB")
_LENGTHLESS: Final = 12
"""Bytes that `length` does not count: the offset and the length itself."""
_HEADER: Final = struct.Struct(">qiiBIhiqqqhii")
_MESSAGE: Final = struct.Struct(">qiIBB")
_CHECKED: Final = 21
"""First byte that the checksum of a version 2 batch covers."""
_SHORTEST_MESSAGE: Final = _MESSAGE.size + 8

_CODEC, _APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20


class Record(NamedTuple):
    """Record with those fields of aiokafka's `ConsumerRecord` that are used anywhere."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class BrokenBatch:
    """Batch that cannot be decoded, in place of its records.

    A broken batch has the fields of a record, so that it is refused like one. The single offset, that of the
    last record, says how far the source is accounted for. The value is the whole batch as stored in the log.
    """

    topic: str
    partition: int
    first_offset: int
    offset: int
    """Offset of the last record."""
    value: bytes
    """Bytes of the whole batch, header included."""
    reason: str
    """Sentence for human readers on why the batch cannot be decoded."""
    timestamp: int = NO_TIME
    timestamp_type: int = 0
    key: None = None
    headers: tuple[()] = ()

    @property
    def where(self) -> str:
        """Topic, partition and offsets, as text."""
        return f"{self.topic}[{self.partition}], offsets {self.first_offset} to {self.offset}"


@dataclass(frozen=True, slots=True)
class LogBatch:
    """Batch as described by its header."""

    data: bytes
    """Bytes of the whole batch."""
    base: int
    """Offset of the first record. For a wrapper of versions 0 and 1 the first offset is unknown, and `base`
    is the last offset."""
    last: int
    """Offset of the last record."""
    version: int
    intact: bool
    """True if the CRC is right."""
    attributes: int
    producer: int
    timestamp: int
    """Greatest timestamp of the records, ms since 1970 UTC."""

    @property
    def codec(self) -> int:
        """Number of the codec; 0 for none."""
        return self.attributes & _CODEC

    @property
    def append_time(self) -> bool:
        """True if the timestamp is the broker's append time."""
        return bool(self.attributes & _APPEND_TIME)

    @property
    def transactional(self) -> bool:
        """True if the batch is part of a transaction."""
        return self.version >= VERSION_2 and bool(self.attributes & _TRANSACTIONAL)

    @property
    def control(self) -> bool:
        """True if the batch holds the end of a transaction, and no records."""
        return self.version >= VERSION_2 and bool(self.attributes & _CONTROL)

    @property
    def wrapper(self) -> bool:
        """True if the header does not contain the first offset."""
        return self.version < VERSION_2 and self.codec != 0


def split(data: bytes) -> tuple[list[LogBatch], bytes]:
    """Cut a fetch's bytes into batches; the second result is the rest after the last whole batch."""
    batches, at, end = list[LogBatch](), 0, len(data)
    while at + _PREFIX.size <= end:
        _, length, _, version = _PREFIX.unpack_from(data, at)
        stop = at + _LENGTHLESS + length
        if stop > end or stop - at < (_HEADER.size if version >= VERSION_2 else _SHORTEST_MESSAGE):
            break
        batches.append(_read(data[at:stop], version))
        at = stop
    return batches, data[at:]


def beginning(rest: bytes) -> int | None:
    """Return the first offset of a batch that is cut off; None if the bytes present do not contain it."""
    if len(rest) < _PREFIX.size:
        return None
    base, _, _, version = _PREFIX.unpack_from(rest)
    return int(base) if version == VERSION_2 else None


def _read(data: bytes, version: int) -> LogBatch:
    if len(data) >= _HEADER.size:
        base, _, _, _, crc, attributes, delta, _, greatest, producer, *_ = _HEADER.unpack_from(data)
        intact = calc_crc32c(data[_CHECKED:]) == crc
        if intact or version >= VERSION_2:
            return LogBatch(
                data,
                base,
                base + delta,
                VERSION_2
                if intact
                else version,  # a right checksum is no accident; a wrong version takes one changed byte
                intact=intact,
                attributes=attributes,
                producer=producer,
                timestamp=greatest,
            )
    return _read_message(data, version)


def _read_message(data: bytes, version: int) -> LogBatch:
    offset, _, crc, _, attributes = _MESSAGE.unpack_from(data)
    (timestamp,) = struct.unpack_from(">q", data, _MESSAGE.size) if version else (NO_TIME,)
    return LogBatch(
        data,
        offset,
        offset,
        version,
        intact=crc32(data[16:]) == crc,
        attributes=attributes,
        producer=-1,
        timestamp=timestamp,
    )


def records_of(batch: LogBatch, place: TopicPartition) -> list[Record]:
    """Decode all records of a batch whose CRC is right.

    Raises:
        CodecMissingError: The library of the batch's codec is not installed.
        Undecodable: The records cannot be decoded; the message says why.
    """
    if name := missing(batch.codec):
        raise CodecMissingError(
            f"{place.topic}[{place.partition}] holds a batch compressed with {name} at offset {batch.base}, "
            "and the library for it is not installed",
            remedy=f"{INSTALL}. Nothing is lost.",
        )
    # Unpack and parse. aiokafka's compiled reader may end the process over versions 0 and 1.
    limit_codecs()
    try:
        decoded = (
            _LegacyRecordBatchPy(batch.data, batch.version)  # the compiled reader may end the process
            if batch.version < VERSION_2
            else MemoryRecords(_of_version(batch)).next_batch()
        )
        records = [
            Record(
                place.topic,
                place.partition,
                record.offset,
                NO_TIME if record.timestamp is None else record.timestamp,
                record.timestamp_type or 0,
                record.key,
                record.value,
                tuple(record.headers),
            )
            for record in decoded
        ]
    except Exception as error:  # a parser or a codec's library may raise anything
        raise Undecodable(_why(batch, error)) from error
    # Reject offsets that contradict the header or each other.
    offsets = [record.offset for record in records]
    if offsets and (offsets[-1] > batch.last or (offsets[0] < batch.base and not batch.wrapper)):
        raise Undecodable("it holds records with offsets outside of those that its header names")
    if any(later <= earlier for earlier, later in pairwise(offsets)):
        raise Undecodable("the offsets of its records do not ascend")
    return records


def _of_version(batch: LogBatch) -> bytes:
    """Return the batch with its detected version in the header."""
    data, at = batch.data, _PREFIX.size - 1
    return data if data[at] == batch.version else data[:at] + bytes([batch.version]) + data[at + 1 :]


class Undecodable(Exception):  # noqa: N818 - a verdict on data, handled where it is made
    """Verdict that a batch cannot be decoded. The message completes "The batch cannot be decoded: "."""


def damage(batch: LogBatch) -> str:
    """Return why a batch whose CRC is wrong cannot be decoded."""
    if batch.version > VERSION_2:
        return f"its version is {batch.version}, which is not known (0 to 2 are)"
    return "its checksum is wrong, so its bytes changed after they were written"


def _why(batch: LogBatch, error: Exception) -> str:
    if batch.codec and batch.codec not in NAMES:
        return f"it is compressed with codec {batch.codec}, which is not known (1 to 4 are)"
    if batch.version > VERSION_2:
        return f"its version is {batch.version}, which is not known (0 to 2 are)"
    if isinstance(error, UnicodeDecodeError):
        return "the name of a header is no UTF-8"
    what = " ".join(str(error).split()) or type(error).__name__
    packed = f" (compressed with {NAMES[batch.codec]})" if batch.codec else ""
    return f"its records{packed} cannot be read: {what[:200]}"
