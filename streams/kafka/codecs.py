"""Kafka's codecs with a size limit: a batch that grows too large when unpacked is refused.

aiokafka unpacks a compressed batch whole, however large it becomes: one mebibyte of zstd may be gigabytes of
zeros, which would end the process. aiokafka binds its four decoding functions in the modules of its record
batches. `limit_codecs` replaces them there with the functions of this module, which return the same bytes.
"""

from __future__ import annotations

import struct
import sys
import zlib
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
from aiokafka import codec as codecs
from aiokafka.errors import CorruptRecordException
from aiokafka.record import legacy_records
from aiokafka.record.default_records import DefaultRecordBatch

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_BYTES: Final = 128 * 1024 * 1024
"""Most bytes that a batch may have when unpacked. Producers limit batches before compression, to some
mebibytes. A smaller limit would refuse what a broker with another limit accepts; a larger one would fill a
worker's memory."""

NAMES: Final = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
"""Names of codecs by the number in a batch's attributes; 0 means no codec."""

_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER: Final = 16


class TooLargeUnpackedError(ValueError):
    """Batch with more than `MOST_BYTES` bytes when unpacked."""

    def __init__(self) -> None:
        super().__init__(f"it would have more than {MOST_BYTES >> 20} MiB unpacked")


def missing(codec: int) -> str:
    """Return the name of the codec if its library is not installed, and an empty string otherwise."""
    there = {1: codecs.has_gzip, 2: codecs.has_snappy, 3: codecs.has_lz4, 4: codecs.has_zstd}
    return "" if codec not in there or there[codec]() else NAMES[codec]


@cache
def limit_codecs() -> None:
    """Replace aiokafka's decoding functions by those of this module.

    Calling this function again changes nothing.
    """
    for module in (sys.modules[DefaultRecordBatch.__module__], legacy_records):
        for name, unpack in _UNPACKERS.items():
            if hasattr(module, name):
                setattr(module, name, unpack)
    compiled = sys.modules[legacy_records.LegacyRecordBatch.__module__]
    if compiled is not legacy_records:
        for name in _UNPACKERS:
            if hasattr(compiled, name):
                setattr(compiled, name, _leave_to_python)


def _leave_to_python(_: object) -> bytes:
    """Refuse a compressed message of version 0 or 1; `streams.kafka.log.batches` reads it again.

    aiokafka's compiled reader of these versions ends the process (SIGSEGV) if the inner bytes are malformed,
    even though the checksum is right. aiokafka's reader in Python does not.
    """
    raise CorruptRecordException("a compressed message of version 0 or 1 is read by itself")


def _gunzip(payload: bytes | memoryview) -> bytes:
    """Unpack gzip members one after the other, as `gzip.GzipFile` does."""
    left, unpacked = bytes(payload), bytearray()
    while left:
        member = zlib.decompressobj(wbits=31)
        unpacked += member.decompress(left, MOST_BYTES + 1 - len(unpacked))
        if len(unpacked) > MOST_BYTES:
            raise TooLargeUnpackedError
        if not member.eof:
            raise EOFError("the gzip stream ends early")
        left = member.unused_data.lstrip(b"\x00")
    return bytes(unpacked)


def _unsnappy(payload: bytes) -> bytes:
    """Unpack snappy, raw or in the blocks of Java's xerial library."""
    library, data = codecs.cramjam.snappy, memoryview(payload)
    if len(data) <= _XERIAL_HEADER or bytes(data[: len(_XERIAL)]) != _XERIAL:
        return _unsnappy_block(library, data)
    unpacked, at = bytearray(), _XERIAL_HEADER
    while at < len(data):
        (size,) = struct.unpack_from("!i", data, at)
        at += 4
        if not 0 <= size <= len(data) - at:
            raise ValueError(f"a snappy block of {size} bytes in {len(data) - at}")
        unpacked += _unsnappy_block(library, data[at : at + size])
        if len(unpacked) > MOST_BYTES:
            raise TooLargeUnpackedError
        at += size
    return bytes(unpacked)


def _unsnappy_block(library: object, data: memoryview) -> bytes:
    if library.decompress_raw_len(data) > MOST_BYTES:  # type: ignore[attr-defined] # cramjam has no types
        raise TooLargeUnpackedError
    return bytes(library.decompress_raw(data))  # type: ignore[attr-defined]


def _into_buffer(name: str) -> Callable[[bytes], bytes]:
    def unpack(payload: bytes) -> bytes:
        library = getattr(codecs.cramjam, name)
        size = min(max(16 * len(payload), 1 << 16), MOST_BYTES)
        while True:
            buffer = np.empty(size, np.uint8)  # the system assigns memory only to pages that are written
            try:
                written = library.decompress_into(payload, buffer)
            except codecs.cramjam.DecompressionError as error:
                if "whole buffer" not in str(error):
                    raise
                if size == MOST_BYTES:
                    raise TooLargeUnpackedError from error
                size = min(8 * size, MOST_BYTES)
            else:
                return buffer[:written].tobytes()

    return unpack


_UNPACKERS: Final[dict[str, Callable[..., bytes]]] = {
    "gzip_decode": _gunzip,
    "snappy_decode": _unsnappy,
    "lz4_decode": _into_buffer("lz4"),
    "zstd_decode": _into_buffer("zstd"),
}
