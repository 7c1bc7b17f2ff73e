"""A network between workers and a broker that is cut, swallows, slows down or resets, and is healed again.

It runs in a thread with an event loop of its own, so that a test that computes does not slow it down.

with Proxy(*ports_of(node)) as network:
    network.blackhole()
    ...
    network.heal()
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Self

from streams.brokers.node import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from streams.brokers.apache_kafka import ApacheKafka

CHUNK_BYTES: Final = 64 * 1024
CHUNKS: Final = 256
"""In flight in one direction of one connection: 16 MiB, more than the largest request."""
RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: what is not sent is thrown away, and the peer gets a RST."""


class Way(Enum):
    """A direction."""

    TO_BROKER = "to the broker"
    TO_WORKER = "to the worker"


BOTH: Final = frozenset(Way)


@dataclass(frozen=True, slots=True)
class Weather:
    """What the network does to every byte."""

    swallowed: frozenset[Way] = frozenset()
    """Ways on which nothing arrives. It is not lost: TCP sends it again when the network is healed."""
    delay: float = 0.0
    """Seconds that each way takes."""
    rate: float | None = None
    """Bytes a second, each way and connection."""


FINE: Final = Weather()


class Proxy:
    """Forwards what comes in on one port to another one.

    Args:
        listens: Port of 127.0.0.1 for clients: the one that the node advertises.
        target: Port of 127.0.0.1 where the node listens.
    """

    def __init__(self, listens: int, target: int) -> None:
        self.address = f"{HOST}:{listens}"
        self.carried = dict.fromkeys(Way, 0)
        """Bytes passed on, by way: whoever has received a byte finds it counted."""
        self._listens, self._target = listens, target
        self._weather = FINE
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = {}

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._connections)

    def cut(self) -> None:
        """Close every connection in order, and refuse new ones."""
        self._do(self._cut)

    def reset(self) -> None:
        """Reset every connection (RST); new ones work."""
        self._do(self._reset)

    def blackhole(self, ways: frozenset[Way] = BOTH) -> None:
        """Accept everything, and let nothing arrive."""
        self._set(Weather(swallowed=ways))

    def delay(self, seconds: float) -> None:
        """Let every byte take so long, each way."""
        self._set(Weather(delay=seconds))

    def throttle(self, bytes_a_second: float) -> None:
        """Let so many bytes pass in a second, each way of each connection."""
        self._set(Weather(rate=bytes_a_second))

    def heal(self) -> None:
        """Accept and forward everything at once; what was held back arrives first."""
        self._set(FINE)
        self._do(self._listen)

    def start(self) -> None:
        """Listen; does nothing where it was started already."""
        if not self._thread.is_alive():
            self._thread.start()
            self._do(self._listen)

    def close(self) -> None:
        """End it with all connections; does nothing where it does not run."""
        if not self._thread.is_alive():
            return
        self._do(self._cut)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _do(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)

    def _set(self, weather: Weather) -> None:
        async def change() -> None:
            self._weather = weather
            self._changed.set()
            self._changed = asyncio.Event()

        self._do(change)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, HOST, self._listens)

    async def _cut(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self._end_connections()

    async def _reset(self) -> None:
        for ends in self._connections.values():
            for writer in ends:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.transport.abort()
        await self._end_connections()

    async def _end_connections(self) -> None:
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, asks = await asyncio.open_connection(HOST, self._target)
        except OSError:  # the broker is away: so is the proxy
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = (writer, asks)
        try:
            done, pending = await asyncio.wait(
                {
                    asyncio.ensure_future(self._carry(reader, asks, Way.TO_BROKER)),
                    asyncio.ensure_future(self._carry(answers, writer, Way.TO_WORKER)),
                },
                return_when=asyncio.FIRST_COMPLETED,
            )
            for each in pending:
                each.cancel()
            await asyncio.gather(*done, *pending, return_exceptions=True)
        finally:
            del self._connections[task]
            for end in (writer, asks):
                end.close()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: Way) -> None:
        """Everything from one end to the other, until one of them ends."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS)
        arriving = asyncio.ensure_future(self._arrive(under_way, sink, way))
        try:
            while chunk := await source.read(CHUNK_BYTES):
                await under_way.put((self._loop.time(), chunk))
            await under_way.put((self._loop.time(), b""))
            await arriving
        finally:
            arriving.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await arriving

    async def _arrive(
        self, under_way: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter, way: Way
    ) -> None:
        while True:
            sent, chunk = await under_way.get()
            await self._passable(way, sent)
            if not chunk:
                return
            rest = memoryview(chunk)
            while rest:
                rate = self._weather.rate
                size = len(rest) if rate is None else max(1, min(len(rest), int(rate / 10)))
                self.carried[way] += size
                sink.write(rest[:size])
                await sink.drain()
                rest = rest[size:]
                if rate is not None:
                    await self._change_within(size / rate)
                    await self._passable(way, sent)

    async def _passable(self, way: Way, sent: float) -> None:
        """Wait until what was sent then may arrive."""
        while True:
            if way in self._weather.swallowed:
                await self._change_within(None)
                continue
            wait = sent + self._weather.delay - self._loop.time()
            if wait <= 0:
                return
            await self._change_within(wait)

    async def _change_within(self, seconds: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)


def ports_of(node: ApacheKafka) -> tuple[int, int]:
    """Where a proxy before this node listens, and its target.

    Raises:
        ValueError: the node has no proxied listener.
    """
    proxied = node.node.proxied
    if proxied is None:
        raise ValueError("the node has no proxied listener")
    return proxied.advertised, proxied.listens
