"""Partitioner: the partition of a key, as Kafka's producers compute it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Partitioner = Literal["murmur2", "crc32"]
"""Hash by which producers map keys to partitions."""

_MASK = 0xFFFFFFFF
_MULTIPLIER = 0x5BD1E995
_SEED = 0x9747B28C


def partition_of(key: bytes, partitions: int, partitioner: Partitioner) -> int:
    """Return the partition of a key among `partitions`.

    `murmur2` is the default of the Java client and of aiokafka, `crc32` that of librdkafka.

    >>> partition_of(b"900", 4, "murmur2"), partition_of(b"900", 4, "crc32")
    (2, 2)
    """
    return _HASHES[partitioner](key) % partitions


def _murmur2(data: bytes) -> int:
    """Compute Kafka's 32-bit murmur2, the sign cleared (org.apache.kafka.common.utils.Utils)."""
    length = len(data)
    value = _SEED ^ length
    whole = length & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _MULTIPLIER & _MASK
        word = (word ^ (word >> 24)) * _MULTIPLIER & _MASK
        value = (value * _MULTIPLIER & _MASK) ^ word
    if whole < length:
        value = (value ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _MASK
    value = (value ^ (value >> 13)) * _MULTIPLIER & _MASK
    return (value ^ (value >> 15)) & 0x7FFFFFFF


_HASHES: dict[str, Callable[[bytes], int]] = {"murmur2": _murmur2, "crc32": zlib.crc32}
