"""Rows of the changelog: versioned, checksummed bytes with a header that is readable alone."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

import numpy as np

ROW_VERSION = 7
"""Version of the rows' format, which grows with every change of their meaning. Rows of versions 1 and 2 held
no content hashes of the remembered events, rows of version 3 neither stores, channel nor the chance that an
alert said. Up to version 4 a customer had one row, of columns instead of sections, up to version 5 a
habit took 56 bytes instead of 28, and up to version 6 nothing was kept of how a customer shops."""
HEADER = np.dtype([("version", "<u2"), ("offset", "<i8"), ("boundary", "<i4"), ("due", "<i4")])
"""Header of every row, readable without the rest: format version, source offset of the last record applied,
last boundary seen (day), and the boundary at which the customer next has something due (day)."""

CLOCK_KEY = b"\0clock"
THRESHOLDS_KEY = b"\0thresholds"
PRIORS_KEY = b"\0priors"
POPULARITY_KEY = b"\0popularity"
CALIBRATION_KEY = b"\0calibration"
CLUSTERS_KEY = b"\0clusters"
ACTIVITY_KEY = b"\0activity"
WATCHES_KEY = b"\0watches"
SETTINGS_KEY = b"\0settings"
_CATALOGUE = b"\0catalogue:"
_HABITS = b"\0h"
"""Beginning of the keys of customers' habits. No key of a partition-level row begins so."""
CHECKSUM_BYTES = 4
_RANK = struct.Struct("<qi")
_HEADER = struct.Struct("<Hqii")
"""Layout of `HEADER` for `struct`. Recovery reads headers one at a time, which takes a tenth of numpy's time
this way."""


class RowError(ValueError):
    """Row that this release cannot read: cut off, damaged, or of another format version."""


class LaterFormatError(RowError):
    """Row that a later release wrote, in a format unknown to this release."""


class EarlierFormatError(RowError):
    """Row that an earlier release wrote, in a format that this release no longer reads."""


class Header(NamedTuple):
    """Header of a row."""

    version: int
    offset: int
    """Source offset of the last record applied to the row; -1 before the first record."""
    boundary: int
    """Last boundary that the row has seen (day), 0 before the first boundary."""
    due: int
    """Next boundary at which the customer has something due (day); 0 for none."""


def header(value: bytes) -> Header:
    """Read the header of a row without decoding or checking the rest.

    Of two rows with one key, the row with the greater (offset, boundary) is the later state.

    Raises:
        RowError: The row is too short.
        LaterFormatError: The row is of a later format version.
        EarlierFormatError: The row is of an earlier format version.
    """
    head = header_of_any_format(value)
    if head.version > ROW_VERSION:
        raise LaterFormatError(
            f"a row of format {head.version} needs a later release: this one reads format {ROW_VERSION}"
        )
    if head.version < ROW_VERSION:
        raise EarlierFormatError(
            f"a row of format {head.version} is an earlier release's: this one reads format {ROW_VERSION}. "
            "`cartpulse reset --quiet` makes the state anew from the log, and sends nothing that was sent"
        )
    return head


def header_of_any_format(value: bytes) -> Header:
    """Read the header of a row that any release wrote. All formats begin with this header.

    Raises:
        RowError: The row is too short.
    """
    if len(value) < HEADER.itemsize + CHECKSUM_BYTES:
        raise RowError(f"a row of {len(value)} bytes is too short to be one")
    return Header(*_HEADER.unpack_from(value))


def seal(*pieces: bytes | memoryview) -> bytes:
    """Build a row from its body, and append the body's CRC-32.

    Args:
        pieces: Body in one or more pieces, beginning with a header.
    """
    body = b"".join(pieces)
    return body + zlib.crc32(body).to_bytes(CHECKSUM_BYTES, "little")


def unseal(value: bytes) -> bytes:
    """Check a row and return its body, header included.

    Raises:
        RowError: The row is cut off, damaged, or of another format version.
    """
    check(value)
    return value[:-CHECKSUM_BYTES]


def check(value: bytes) -> None:
    """Check a row.

    Raises:
        RowError: The row is cut off, damaged, or of another format version.
    """
    header(value)
    _check_sum(value)


def unseal_any_format(value: bytes) -> bytes:
    """Check a row that any release wrote, and return its body. All formats end with a checksum of the body.

    Raises:
        RowError: The row is cut off or damaged.
    """
    header_of_any_format(value)
    _check_sum(value)
    return value[:-CHECKSUM_BYTES]


def _check_sum(value: bytes) -> None:
    if zlib.crc32(memoryview(value)[:-CHECKSUM_BYTES]) != int.from_bytes(value[-CHECKSUM_BYTES:], "little"):
        raise RowError(f"a row of {len(value)} bytes does not match its checksum: it was damaged or cut off")


def partition_row(payload: bytes, *, offset: int, boundary: int) -> bytes:
    """Build a partition-level row from its payload."""
    return seal(_HEADER.pack(ROW_VERSION, offset, boundary, 0) + payload)


def own_payload(value: bytes) -> bytes:
    """Return the payload of a partition-level row.

    Raises:
        RowError: The row is cut off, damaged, or of another format version.
    """
    return unseal(value)[HEADER.itemsize :]


def erased_row(offset: int, boundary: int) -> bytes:
    """Build the row that replaces an erased customer's row: a header without content.

    In memory every row is bytes, an erased customer's row too. In the changelog this row is followed by a
    tombstone, which carries the same rank.

    Args:
        offset: Source offset of the erasing record.
        boundary: Last boundary (day) that the customer had seen.
    """
    return partition_row(b"", offset=offset, boundary=boundary)


def is_erased(value: bytes) -> bool:
    """Return True if a customer's row says that the customer was erased."""
    return len(value) == HEADER.itemsize + CHECKSUM_BYTES


def rank_of(value: bytes) -> bytes:
    """Encode the rank (offset, boundary) of a row, which its tombstone carries as a record header."""
    return _RANK.pack(*header(value)[1:3])


def row_of_tombstone(rank: bytes) -> bytes:
    """Return the row that a tombstone of this rank stands for.

    Raises:
        RowError: The bytes are no rank.
    """
    if len(rank) != _RANK.size:
        raise RowError(f"a tombstone's rank of {len(rank)} bytes is none")
    return erased_row(*_RANK.unpack(rank))


def habits_key(customer: bytes) -> bytes:
    r"""Return the key of a customer's habits. The customer's other row, the day, has the id as its key.

    >>> habits_key(b"900")
    b'\x00h900'
    """
    return _HABITS + customer


def is_habits(key: bytes) -> bool:
    """Return True for the key of a customer's habits."""
    return key.startswith(_HABITS)


def customer_of(key: bytes) -> bytes | None:
    """Return the customer to whom a key belongs; None for the key of a partition-level row.

    Customer ids never begin with byte 0.

    >>> customer_of(b"900"), customer_of(habits_key(b"900")), customer_of(CLOCK_KEY)
    (b'900', b'900', None)
    """
    if key[:1] != b"\0":
        return key
    return key.removeprefix(_HABITS) if key.startswith(_HABITS) else None


def pairs_key(shard: int) -> bytes:
    """Return the key of one shard of the pairs of categories bought together."""
    return b"\0pairs:%05d" % shard


def dictionary_key(kind: bytes, shard: int) -> bytes:
    """Return the key of one shard of a dictionary: `categories`, `products`, `stores` or `channels`."""
    return b"\0dictionary:" + kind + b":%05d" % shard


def catalogue_key(shard: int) -> bytes:
    """Return the key of one shard of the catalogue."""
    return _CATALOGUE + b"%05d" % shard


def catalogue_shard(key: bytes) -> int | None:
    """Return the shard of the catalogue with this key; None for other keys."""
    return int(key.removeprefix(_CATALOGUE)) if key.startswith(_CATALOGUE) else None
