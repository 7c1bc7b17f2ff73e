"""The network between worker and broker does what it is told, and heals."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from streams.brokers.node import HOST, port_of_a_node
from tests.support.kafka.proxy import Proxy, Way

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SOON = 5.0


@pytest.fixture
async def network() -> AsyncIterator[Proxy]:
    """A proxy before a server that says back what it hears, line by line."""

    async def say_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    target = port_of_a_node()
    server = await asyncio.start_server(say_back, HOST, target, limit=2**24)
    with Proxy(port_of_a_node(), target) as proxy:
        yield proxy
    server.close()


class Caller:
    """A client of the server behind the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def at(cls, proxy: Proxy) -> Caller:
        """Connect."""
        host, port = proxy.address.split(":")
        return cls(*await asyncio.open_connection(host, int(port), limit=2**24))

    async def hears(self, seconds: float = SOON) -> bytes:
        """The next line; none when the connection was closed."""
        async with asyncio.timeout(seconds):
            return await self.reader.readline()

    async def asks(self, line: bytes) -> bytes:
        """Say a line, and hear the next."""
        self.writer.write(line)
        return await self.hears()


async def test_bytes_pass_both_ways_and_are_counted(network: Proxy) -> None:
    caller = await Caller.at(network)
    long = b"x" * 1_000_000 + b"\n"
    assert await caller.asks(long) == long
    assert network.carried == dict.fromkeys(Way, len(long))
    assert network.connections == 1


async def test_a_cut_closes_connections_and_refuses_new_ones_until_it_is_healed(network: Proxy) -> None:
    caller = await Caller.at(network)
    assert await caller.asks(b"one\n") == b"one\n"
    network.cut()
    assert await caller.hears() == b""
    with pytest.raises(ConnectionRefusedError):
        await Caller.at(network)
    network.heal()
    assert await (await Caller.at(network)).asks(b"two\n") == b"two\n"


async def test_a_reset_is_one_and_new_connections_work(network: Proxy) -> None:
    caller = await Caller.at(network)
    assert await caller.asks(b"one\n") == b"one\n"
    network.reset()
    with pytest.raises(ConnectionResetError):
        await caller.hears()
    assert await (await Caller.at(network)).asks(b"two\n") == b"two\n"


@pytest.mark.parametrize("way", Way)
async def test_what_a_blackhole_held_back_arrives_when_it_is_healed(network: Proxy, way: Way) -> None:
    caller = await Caller.at(network)
    assert await caller.asks(b"one\n") == b"one\n"
    network.blackhole(frozenset({way}))
    caller.writer.write(b"two\n")
    later = await Caller.at(network)
    later.writer.write(b"three\n")
    with pytest.raises(TimeoutError):
        await caller.hears(0.3)
    assert network.carried[Way.TO_BROKER] == (4 if way is Way.TO_BROKER else 14)
    network.heal()
    assert await caller.hears() == b"two\n"
    assert await later.hears() == b"three\n"


async def test_a_delay_is_taken_each_way_and_keeps_the_order(network: Proxy) -> None:
    caller = await Caller.at(network)
    network.delay(0.3)
    begun = time.monotonic()
    caller.writer.write(b"one\n")
    assert await caller.hears() == b"one\n"
    assert time.monotonic() - begun >= 0.6
    caller.writer.write(b"two\n")
    network.heal()
    assert await caller.asks(b"three\n") == b"two\n"
    assert await caller.hears() == b"three\n"


async def test_a_throttle_lets_so_many_bytes_pass_and_ends_when_it_is_healed(network: Proxy) -> None:
    caller = await Caller.at(network)
    network.throttle(10_000)
    caller.writer.write(b"x" * 999_999 + b"\n")
    with pytest.raises(TimeoutError):
        await caller.hears(0.5)
    assert 0 < network.carried[Way.TO_BROKER] <= 20_000
    network.heal()
    assert len(await caller.hears()) == 1_000_000


async def test_a_target_that_is_away_is_an_end_at_once() -> None:
    with Proxy(port_of_a_node(), port_of_a_node()) as proxy:
        caller = await Caller.at(proxy)
        assert await caller.hears() == b""
