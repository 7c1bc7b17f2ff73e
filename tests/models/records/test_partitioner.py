"""Partitions against those of the producers themselves."""

from __future__ import annotations

import doctest
import zlib

from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from models.records import partitioner
from models.records.partitioner import partition_of

PARTITIONS = st.integers(1, 1_000)


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(partitioner).failed == 0


@given(key=st.binary(max_size=300), partitions=PARTITIONS)
def test_murmur2_is_that_of_java_and_aiokafka(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions, "murmur2") == (murmur2(key) & 0x7FFFFFFF) % partitions


@given(key=st.binary(max_size=300), partitions=PARTITIONS)
def test_crc32_is_that_of_librdkafka(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions, "crc32") == zlib.crc32(key) % partitions


def test_keys_of_the_java_client_s_own_tests_hash_alike() -> None:
    wanted = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    for key, signed in wanted.items():
        assert partition_of(key, 1 << 31, "murmur2") == signed & 0x7FFFFFFF
