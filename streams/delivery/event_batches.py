"""Record batches of events, written from blocks of a ledger without an object for each event."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from models.contracts.timestamps import time_text
from streams.kafka.record_batch import HEADER_BYTES, RecordBatch, header, record, varint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from models.contracts.event_block import EventBlock

_ID_BYTES: Final = 32
"""Characters of a `ce_id`: 128 bits in hex."""
_ID: Final = header("ce_id", bytes(_ID_BYTES))[:-_ID_BYTES]
"""Encoded header `ce_id` without its value."""


def event_batches(blocks: Sequence[EventBlock], *, limit: int, transactional: bool) -> Iterator[RecordBatch]:
    """Write the events of blocks for one target, in order, into batches of at most `limit` bytes.

    A larger event gets a batch of its own.

    Args:
        blocks: Blocks in order; all go to the same target.
        limit: Size limit of a batch in bytes.
        transactional: True if the batches belong to a transaction.
    """
    pieces: list[bytes] = []
    count = first = last = 0
    size = HEADER_BYTES
    for block in blocks:
        shared = _shared(block.shared)
        columns = zip(block.customers, block.values, block.identities, block.times, strict=True)
        for customer, value, identity, at in columns:
            if not count:
                first = last = at
            written = record(count, at - first, customer, value, (shared, _identity(identity), _time(at)))
            if count and size + len(written[0]) + len(written[1]) > limit:
                yield RecordBatch(pieces, count=count, times=(first, last), transactional=transactional)
                pieces, size, count, first, last = [], HEADER_BYTES, 0, at, at
                written = record(0, 0, customer, value, (shared, _identity(identity), _time(at)))
            pieces += written
            size += len(written[0]) + len(written[1])
            count += 1
            last = max(last, at)
    if count:
        yield RecordBatch(pieces, count=count, times=(first, last), transactional=transactional)


def _identity(identity: str) -> bytes:
    value = identity.encode()
    return _ID + value if len(value) == _ID_BYTES else header("ce_id", value)


@lru_cache(maxsize=64)
def _shared(headers: tuple[tuple[str, bytes], ...]) -> bytes:
    """Encode the count of an event's headers, and the headers that all events of a kind share."""
    return varint(len(headers) + 2) + b"".join(header(name, value) for name, value in headers)


@lru_cache(maxsize=4096)
def _time(at: int) -> bytes:
    """Encode the header `ce_time`. Cached, because all events of a boundary share it."""
    return header("ce_time", time_text(at).encode())
