"""Rows of the changelog: versioned, checksummed bytes whose header is readable alone."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

import numpy as np

ROW_VERSION = 3
"""The format of rows, which counts up with every change of their meaning. Rows of 1 and 2 did not hold the
content hashes of the events that they remember."""
HEADER = np.dtype([("version", "<u2"), ("offset", "<i8"), ("boundary", "<i4"), ("due", "<i4")])
"""What every row begins with, readable without the rest: format version, source offset of the last record
applied, last boundary seen (day), and the boundary at which the customer next has something due (day)."""

CLOCK_KEY = b"\0clock"
THRESHOLDS_KEY = b"\0thresholds"
PRIORS_KEY = b"\0priors"
POPULARITY_KEY = b"\0popularity"
SETTINGS_KEY = b"\0settings"
_CATALOGUE = b"\0catalogue:"
_CHECKSUM_BYTES = 4
_RANK = struct.Struct("<qi")
_HEADER = struct.Struct("<Hqii")
"""The same layout as `HEADER`: a tenth of numpy's time for the one row at a time that recovery looks at."""


class RowError(ValueError):
    """A row that this release cannot read: cut off, damaged, or of another format version."""


class LaterFormat(RowError):  # noqa: N818 - nothing is wrong with the row
    """A row that a later release wrote, in a format that this one does not know."""


class EarlierFormat(RowError):  # noqa: N818 - nothing is wrong with the row
    """A row that an earlier release wrote, in a format that this one does not read any more."""


class Header(NamedTuple):
    """What every row says about itself."""

    version: int
    offset: int
    """Source offset of the last record applied to it; -1 before the first."""
    boundary: int
    """The last boundary it has seen (day), 0 before the first."""
    due: int
    """The next boundary at which its customer has something due (day); 0 for none."""


def header(value: bytes) -> Header:
    """The header of a row, without decoding or checking the rest.

    Of two rows with one key the one with the greater (offset, boundary) is the later state.

    Raises:
        RowError: Too short.
        LaterFormat: Of a later format version.
        EarlierFormat: Of an earlier one.
    """
    head = header_of_any_format(value)
    if head.version > ROW_VERSION:
        raise LaterFormat(
            f"a row of format {head.version} needs a later release: this one reads format {ROW_VERSION}"
        )
    if head.version < ROW_VERSION:
        raise EarlierFormat(
            f"a row of format {head.version} is an earlier release's: this one reads format {ROW_VERSION}. "
            "`cartpulse reset --quiet` makes the state anew from the log, and sends nothing that was sent"
        )
    return head


def header_of_any_format(value: bytes) -> Header:
    """The header of a row of whatever release: all formats begin with it.

    Raises:
        RowError: Too short.
    """
    if len(value) < HEADER.itemsize + _CHECKSUM_BYTES:
        raise RowError(f"a row of {len(value)} bytes is too short to be one")
    return Header(*_HEADER.unpack_from(value))


def seal(*pieces: bytes | memoryview) -> bytes:
    """A row from its body (which begins with a header), whole or in pieces: its CRC-32 is put behind it."""
    body = b"".join(pieces)
    return body + zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "little")


def unseal(value: bytes) -> bytes:
    """The body of a row, header included.

    Raises:
        RowError: Cut off, damaged, or of another format version.
    """
    header(value)
    return unseal_any_format(value)


def unseal_any_format(value: bytes) -> bytes:
    """The body of a row of whatever release: all formats end with a checksum of what precedes it.

    Raises:
        RowError: Cut off or damaged.
    """
    header_of_any_format(value)
    body, checksum = value[:-_CHECKSUM_BYTES], value[-_CHECKSUM_BYTES:]
    if zlib.crc32(body) != int.from_bytes(checksum, "little"):
        raise RowError(f"a row of {len(value)} bytes does not match its checksum: it was damaged or cut off")
    return body


def partition_row(payload: bytes, *, offset: int, boundary: int) -> bytes:
    """A row of the partition's own from its payload."""
    return seal(_HEADER.pack(ROW_VERSION, offset, boundary, 0) + payload)


def own_payload(value: bytes) -> bytes:
    """The payload of a row of the partition's own.

    Raises:
        RowError: See `unseal`.
    """
    return unseal(value)[HEADER.itemsize :]


def erased_row(offset: int, boundary: int) -> bytes:
    """What stands for a customer who was erased: a header and nothing else.

    In memory a row is bytes, whatever became of its customer. In the changelog this one is followed by a
    tombstone, which carries the same rank.

    Args:
        offset: Source offset of the record that erased the customer.
        boundary: The last boundary (day) that the customer had seen.
    """
    return partition_row(b"", offset=offset, boundary=boundary)


def is_erased(value: bytes) -> bool:
    """Whether a customer's row says that the customer was erased."""
    return len(value) == HEADER.itemsize + _CHECKSUM_BYTES


def rank_of(value: bytes) -> bytes:
    """The (offset, boundary) of a row, as its tombstone's record header carries them."""
    return _RANK.pack(*header(value)[1:3])


def row_of_tombstone(rank: bytes) -> bytes:
    """The row that a tombstone of this rank stands for.

    Raises:
        RowError: It is no rank.
    """
    if len(rank) != _RANK.size:
        raise RowError(f"a tombstone's rank of {len(rank)} bytes is none")
    return erased_row(*_RANK.unpack(rank))


def pairs_key(shard: int) -> bytes:
    """The key of one shard of the pairs of categories bought together."""
    return b"\0pairs:%05d" % shard


def dictionary_key(kind: bytes, shard: int) -> bytes:
    """The key of one shard of the `categories` or `products` dictionary."""
    return b"\0dictionary:" + kind + b":%05d" % shard


def catalogue_key(shard: int) -> bytes:
    """The key of one shard of the catalogue."""
    return _CATALOGUE + b"%05d" % shard


def catalogue_shard(key: bytes) -> int | None:
    """Which shard of the catalogue has this key; None for other keys."""
    return int(key.removeprefix(_CATALOGUE)) if key.startswith(_CATALOGUE) else None
