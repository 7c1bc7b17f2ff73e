"""Stand-in for the real rows module."""

from __future__ import annotations

import struct
from typing import NamedTuple

CLOCK_KEY = b"\0clock"
_HEADER = struct.Struct("<Bqii")


class Header(NamedTuple):
    """Stand-in."""

    version: int
    offset: int
    boundary: int
    due: int


class RowError(ValueError):
    """Bad row."""


def header(value: bytes) -> Header:
    """Read."""
    try:
        return Header(*_HEADER.unpack_from(value))
    except struct.error as error:
        raise RowError("row too short") from error


def pack(header: Header) -> bytes:
    """Write."""
    return _HEADER.pack(*header)
