"""Codecs with an end: the same bytes as before, and never more than a batch may have."""

from __future__ import annotations

import gzip
import struct
import sys
from typing import TYPE_CHECKING, Any

import cramjam
import pytest
from aiokafka import codec as codecs
from aiokafka.record.default_records import DefaultRecordBatch

from streams.kafka.codecs import TooLargeUnpackedError, limit_codecs, missing

if TYPE_CHECKING:
    from collections.abc import Callable

limit_codecs()
IN_USE: Any = sys.modules[DefaultRecordBatch.__module__]
TEXT = b"FLUID MILK PRODUCTS, " * 20_000

PACKED: dict[str, tuple[Callable[[bytes], bytes], bytes]] = {
    "gzip": (IN_USE.gzip_decode, codecs.gzip_encode(TEXT)),
    "gzip in two members": (IN_USE.gzip_decode, gzip.compress(TEXT[:999]) + gzip.compress(TEXT[999:])),
    "snappy in blocks": (IN_USE.snappy_decode, codecs.snappy_encode(TEXT)),
    "snappy raw": (IN_USE.snappy_decode, codecs.snappy_encode(TEXT, xerial_compatible=False)),
    "lz4": (IN_USE.lz4_decode, codecs.lz4_encode(TEXT)),
    "zstd": (IN_USE.zstd_decode, codecs.zstd_encode(TEXT)),
}

BOMBS: dict[str, tuple[Callable[[bytes], bytes], bytes]] = {
    "gzip": (IN_USE.gzip_decode, gzip.compress(bytes(2_000_000))),
    "snappy in blocks": (IN_USE.snappy_decode, codecs.snappy_encode(bytes(2_000_000))),
    "snappy raw": (IN_USE.snappy_decode, codecs.snappy_encode(bytes(2_000_000), xerial_compatible=False)),
    "snappy that says so": (IN_USE.snappy_decode, b"\xff\xff\xff\xff\x0f" + bytes(9)),
    "lz4": (IN_USE.lz4_decode, bytes(cramjam.lz4.compress(bytes(2_000_000)))),
    "zstd": (IN_USE.zstd_decode, bytes(cramjam.zstd.compress(bytes(2_000_000)))),
}


@pytest.mark.parametrize(("unpack", "packed"), PACKED.values(), ids=PACKED)
def test_what_fits_is_unpacked_as_ever(unpack: Callable[[bytes], bytes], packed: bytes) -> None:
    assert unpack(packed) == TEXT


@pytest.mark.parametrize(("unpack", "packed"), BOMBS.values(), ids=BOMBS)
def test_what_grows_beyond_the_limit_is_refused(
    unpack: Callable[[bytes], bytes], packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.kafka.codecs.MOST_BYTES", 1_000_000)
    with pytest.raises(TooLargeUnpackedError, match="unpacked"):
        unpack(packed)


@pytest.mark.parametrize("size", [-6, -1, 1 << 30])
def test_blocks_of_snappy_that_lead_back_or_beyond_are_refused(size: int) -> None:
    packed = codecs.snappy_encode(TEXT)
    with pytest.raises(ValueError, match="a snappy block of"):
        IN_USE.snappy_decode(packed[:16] + struct.pack("!i", size) + packed[20:])


def test_a_gzip_stream_that_ends_early_is_refused() -> None:
    with pytest.raises(EOFError):
        IN_USE.gzip_decode(gzip.compress(TEXT)[:-20])


def test_the_codec_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [missing(codec) for codec in range(8)] == [""] * 8
    monkeypatch.setattr("aiokafka.codec.cramjam", None)
    assert [missing(codec) for codec in range(6)] == ["", "", "snappy", "lz4", "zstd", ""]
