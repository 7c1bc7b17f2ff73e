"""Which partition a customer belongs to, as the service's producers see it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from aiokafka.partitioner import murmur2

if TYPE_CHECKING:
    from typing import Literal


def partition_for(customer: bytes, partitions: int, partitioner: Literal["murmur2", "crc32"]) -> int:
    """The partition of `purchases` that holds a customer.

    Args:
        customer: the customer id, raw UTF-8: the key.
        partitions: how many there are.
        partitioner: `murmur2` as Java's clients and aiokafka do it, `crc32` as librdkafka does.
    """
    if partitioner == "crc32":
        return zlib.crc32(customer) % partitions
    return int(murmur2(customer) & 0x7FFFFFFF) % partitions
