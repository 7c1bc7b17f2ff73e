"""A single Apache Kafka 4 node (KRaft) from its Maven artifacts, for tests.

What the embedded broker cannot show is tested on it. It needs Java 17 and, the first time, Maven, which
fetches 43 MB. Its data is in a temporary folder; ports and data stay the same over `kill` and `start`, so
that a test can take it away and bring it back.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Final

from aiokafka.errors import KafkaError

from streams.broker import answers, end_with_parent, free_port

POM: Final = Path(__file__).with_name("pom.xml")
JAVA: Final = 17
READY_SECONDS: Final = 90.0
"""A cold start takes four seconds; after SIGKILL, or on a busy machine, many more."""


class KafkaUnavailable(Exception):  # noqa: N818 (what is the matter, not an error of ours)
    """Apache Kafka cannot be had here; the message says what to install."""


class ApacheKafka:
    """One node, broker and controller in one process, without any initial rebalance delay."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="cartpulse-kafka-"))
        self._port, self._controller = free_port(0), free_port(0)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """`host:port` for `KAFKA_BROKER`."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Process id of the running node."""
        assert self._process is not None, "Apache Kafka was not started"
        return self._process.pid

    async def start(self) -> None:
        """Start the node, the first time or again, and return when a topic can be made and written."""
        program = [java(), "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-cp", f"{artifacts()}/*"]
        config = self._folder / "server.properties"
        if not config.exists():
            config.write_text(self._properties())
            cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            _run([*program, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(config)])
        with (self._folder / "server.log").open("ab") as log:
            self._process = _spawn([*program, "kafka.Kafka", str(config)], log.fileno())
        try:
            await self._ready()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL, as a machine that loses its power; `start` brings it back."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def close(self) -> None:
        """End it for good and remove its data."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                async with asyncio.timeout(10):
                    await answers(self.address)
            except (KafkaError, OSError, TimeoutError) as reason:
                ended = self._process is None or self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    said = (self._folder / "server.log").read_text(errors="replace")[-3_000:]
                    raise RuntimeError(f"Apache Kafka does not come up ({reason!r}):\n{said}") from reason
                await asyncio.sleep(0.2)
            else:
                return

    def _properties(self) -> str:
        return "\n".join(
            (
                "process.roles=broker,controller",
                "node.id=1",
                f"controller.quorum.voters=1@127.0.0.1:{self._controller}",
                f"listeners=PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{self._controller}",
                f"advertised.listeners=PLAINTEXT://127.0.0.1:{self._port}",
                "controller.listener.names=CONTROLLER",
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
                f"log.dirs={self._folder / 'data'}",
                "offsets.topic.replication.factor=1",
                "offsets.topic.num.partitions=4",
                "transaction.state.log.replication.factor=1",
                "transaction.state.log.min.isr=1",
                "transaction.state.log.num.partitions=4",
                "share.coordinator.state.topic.replication.factor=1",
                "share.coordinator.state.topic.min.isr=1",
                # The default of 3 s hides what goes wrong when workers join at the same moment.
                "group.initial.rebalance.delay.ms=0",
                "group.min.session.timeout.ms=1000",
                "",
            )
        )


def artifacts() -> Path:
    """The folder with Kafka's jars, fetched when they are not there yet.

    Raises:
        KafkaUnavailable: no Maven, or it could not fetch them.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cartpulse"
    jars = cache / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if jars.is_dir():
        return jars
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailable("Apache Kafka is fetched by Maven: install Maven (`mvn`) 3.8 or newer.")
    cache.mkdir(parents=True, exist_ok=True)
    fetched = Path(tempfile.mkdtemp(prefix="fetching-", dir=cache))
    arguments = ["-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={fetched}"]
    result = subprocess.run([maven, *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        shutil.rmtree(fetched)
        raise KafkaUnavailable(f"Maven could not fetch Apache Kafka: {result.stdout[-1_000:].strip()}")
    try:
        fetched.rename(jars)
    except OSError:  # another run was faster
        shutil.rmtree(fetched)
    return jars


def java() -> str:
    """The Java program.

    Raises:
        KafkaUnavailable: there is none, or it is too old.
    """
    program = shutil.which("java")
    if program is None:
        raise KafkaUnavailable(f"Apache Kafka runs on Java: install Java {JAVA} or newer.")
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA:
        raise KafkaUnavailable(
            f"Apache Kafka needs Java {JAVA} or newer, and `java` is {said.strip()[:60]!r}."
        )
    return program


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{command} failed: {result.stdout[-1_000:]}{result.stderr[-1_000:]}")


def _spawn(command: list[str], log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=end_with_parent(),  # noqa: PLW1509 (it makes two system calls and takes no lock)
    )
