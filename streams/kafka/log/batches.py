"""Record batches of a log by their fixed headers, before anything in them is decoded.

A fetch answers with the bytes of a log as they lie there, batch behind batch. The first 17 bytes of each mean
the same in every version: offset (8 bytes), length of what follows (4), four bytes of which versions 0 and 1
make the CRC and version 2 the leader's epoch, and the version ("magic", 1). Version 2 goes on with the CRC
(4), attributes (2), the delta of the last offset (4), first and greatest timestamp (8 each), producer id (8)
and epoch (2), sequence (4) and the number of records (4). Its offset is that of its first record. Versions 0
and 1 are single messages; a compressed one wraps others, and its offset is that of the last.

The CRC of version 2 covers what comes behind it: neither offset nor length, epoch or version. So these are
believed only where the neighbours agree (`streams/kafka/log/walk.py`).
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

from streams.errors import CodecMissing
from streams.kafka.codecs import NAMES, limit_codecs, missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka.structs import TopicPartition

NO_TIME: Final = -1
"""Timestamp of a batch that has none, or whose header cannot be believed."""

VERSION_2: Final = 2

_PREFIX: Final = struct.Struct(">qiiB")
_LENGTHLESS: Final = 12
"""Bytes that `length` does not count: offset and itself."""
_HEADER: Final = struct.Struct(">qiiBIhiqqqhii")
_MESSAGE: Final = struct.Struct(">qiIBB")
_CHECKED: Final = 21
"""From which byte on the checksum of version 2 covers a batch."""
_SHORTEST_MESSAGE: Final = _MESSAGE.size + 8

_CODEC, _APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20


class Record(NamedTuple):
    """A record with the fields of aiokafka's `ConsumerRecord` that are used anywhere."""

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
    """A batch that cannot be decoded, in the place of its records.

    It has the fields of a record, so that it goes the way of one that is refused: one offset, its last, says
    how far the source is accounted for; the value is the whole batch as the log holds it.
    """

    topic: str
    partition: int
    first_offset: int
    offset: int
    """Of its last record."""
    value: bytes
    """The batch, header included, byte for byte."""
    reason: str
    """A sentence for people: why it cannot be decoded."""
    timestamp: int = NO_TIME
    timestamp_type: int = 0
    key: None = None
    headers: tuple[()] = ()

    @property
    def where(self) -> str:
        """Topic, partition and offsets."""
        return f"{self.topic}[{self.partition}], offsets {self.first_offset} to {self.offset}"


@dataclass(frozen=True, slots=True)
class LogBatch:
    """One batch, as its header describes it."""

    data: bytes
    """All of it."""
    base: int
    """Offset of its first record; of a wrapper of versions 0 and 1 that is not known, and the last one's."""
    last: int
    """Offset of its last record."""
    version: int
    intact: bool
    """Whether the CRC is right."""
    attributes: int
    producer: int
    timestamp: int
    """The greatest of its records, ms since 1970 UTC."""

    @property
    def codec(self) -> int:
        """Number of its codec; 0 for none."""
        return self.attributes & _CODEC

    @property
    def append_time(self) -> bool:
        """Whether its timestamp is the broker's."""
        return bool(self.attributes & _APPEND_TIME)

    @property
    def transactional(self) -> bool:
        """Whether it is part of a transaction."""
        return self.version >= VERSION_2 and bool(self.attributes & _TRANSACTIONAL)

    @property
    def control(self) -> bool:
        """Whether it holds the end of a transaction, and no records."""
        return self.version >= VERSION_2 and bool(self.attributes & _CONTROL)

    @property
    def wrapper(self) -> bool:
        """Whether its first offset is not in its header."""
        return self.version < VERSION_2 and self.codec != 0


def split(data: bytes) -> tuple[list[LogBatch], bytes]:
    """Cut a fetch's bytes into batches; the second part is what is left behind the last whole one."""
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
    """Return the first offset of a batch that is cut off; None where what is there does not tell it."""
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
                else version,  # the checksum is right by no chance, the version by one byte
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
        CodecMissing: The library of its codec is not installed.
        Undecodable: They cannot be decoded; the message says why.
    """
    if name := missing(batch.codec):
        raise CodecMissing(
            f"{place.topic}[{place.partition}] holds a batch compressed with {name} at offset {batch.base}, "
            "and the library for it is not installed: install Cartpulse with all that it requires "
            "(`pip install cramjam`), and start the worker again. Nothing is lost."
        )
    limit_codecs()
    try:
        decoded = (
            _LegacyRecordBatchPy(batch.data, batch.version)  # the compiled one may end the process
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
    except Exception as error:  # whatever a parser or a codec's library raises
        raise Undecodable(_why(batch, error)) from error
    offsets = [record.offset for record in records]
    if offsets and (offsets[-1] > batch.last or (offsets[0] < batch.base and not batch.wrapper)):
        raise Undecodable("it holds records with offsets outside of those that its header names")
    if any(later <= earlier for earlier, later in pairwise(offsets)):
        raise Undecodable("the offsets of its records do not ascend")
    return records


def _of_version(batch: LogBatch) -> bytes:
    """Return the batch with the version in its header that it turned out to be of."""
    data, at = batch.data, _PREFIX.size - 1
    return data if data[at] == batch.version else data[:at] + bytes([batch.version]) + data[at + 1 :]


class Undecodable(Exception):  # noqa: N818 - a verdict on data, dealt with where it is made
    """A batch cannot be decoded; the message completes "The batch cannot be decoded: "."""


def damage(batch: LogBatch) -> str:
    """Say why a batch whose CRC is wrong cannot be decoded."""
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
