"""Node of Apache Kafka 4 (KRaft), run from its Maven artifacts as a process on this machine.

Uses: Apache Kafka without Docker, and tests of behaviour that the embedded broker lacks. The node needs Java
17 and, the first time, Maven (`streams.brokers.artifacts`). Ports and data survive `kill` and `start`, so
that a test can kill the node and start it again.

async with ApacheKafka() as broker:
    settings = Settings(kafka_broker=broker.address)
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context

from streams.brokers import node as kafka_node
from streams.brokers.artifacts import artifacts, java
from streams.brokers.embedded import accepts, end_with_parent, probe
from streams.brokers.node import HOST, Node
from streams.errors import LocalBrokerError

if TYPE_CHECKING:
    from types import TracebackType

READY_SECONDS: Final = 90.0
"""Seconds until a start counts as failed. A cold start takes four seconds; after SIGKILL, or on a busy
machine, many more."""

STOP_SECONDS: Final = 20.0
"""Seconds that an orderly stop may take before SIGKILL."""

HEAP_MIB: Final = 512


class ApacheKafka:
    """Node of Apache Kafka: broker and controller in one process.

    Args:
        node: Configuration of the node. Default: a plain single node without initial rebalance delay.
        folder: Folder of the node's data, made if missing. Default: a temporary folder, which `close`
            removes.
        cluster_id: Id of the cluster for which the folder is formatted. Default: a new id.
        heap_mib: Maximum size of Java's heap, in MiB.
    """

    def __init__(
        self,
        node: Node | None = None,
        *,
        folder: Path | None = None,
        cluster_id: str | None = None,
        heap_mib: int = HEAP_MIB,
    ) -> None:
        self.node = node or Node()
        self._temporary = folder is None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="cartpulse-kafka-"))
        self._cluster_id = cluster_id or new_cluster_id()
        self._heap_mib = heap_mib
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Address `host:port` for `KAFKA_BROKER`.

        The address is the plain listener's, or the secured one's if that is the only one.
        """
        return self.secured_address if self.node.guarded else f"{HOST}:{self.node.port}"

    @property
    def secured_address(self) -> str:
        """Address `host:port` of the listener with TLS.

        The listener accepts the node's logins by PLAIN and SCRAM-SHA-512.
        """
        return f"{HOST}:{self.node.secured}"

    @property
    def proxied_address(self) -> str:
        """Address `host:port` that is advertised to clients of the proxied listener.

        Raises:
            LocalBrokerError: The node has no proxied listener.
        """
        if self.node.proxied is None:
            raise LocalBrokerError("This node has no proxied listener.")
        return f"{HOST}:{self.node.proxied.advertised}"

    @property
    def certificate(self) -> Path:
        """PEM file of the authority that signs the secured listener's certificate."""
        return kafka_node.certificate(self._folder)

    @property
    def folder(self) -> Path:
        """Folder of the node: its data in `data`, beside its configuration and its log."""
        return self._folder

    @property
    def pid(self) -> int:
        """Process id of the running node.

        Raises:
            LocalBrokerError: The node was not started.
        """
        if self._process is None:
            raise LocalBrokerError("Apache Kafka was not started.")
        return self._process.pid

    @property
    def running(self) -> bool:
        """True if the process is alive."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start the node, the first time or again, and return when a topic can be made and written.

        Raises:
            KafkaUnavailableError: Java or Maven is missing.
            LocalBrokerError: The node does not come up within 90 s.
        """
        await self.launch()
        try:
            await self._ready()
        except BaseException:
            self.kill()
            raise

    async def launch(self) -> None:
        """Start the process without waiting for it: a node of a cluster answers only when most nodes run.

        Raises:
            KafkaUnavailableError: Java or Maven is missing.
            LocalBrokerError: The folder is in use or cannot be prepared.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            # The process inherits the lock with the file, and so holds the lock for as long as the process
            # lives.
            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as reason:
                raise LocalBrokerError(
                    f"{self._folder} is in use by a broker that runs: name another folder, or end that one."
                ) from reason
            program = await asyncio.to_thread(self._program)
            config = await asyncio.to_thread(self._prepare, program)
            # Not in a thread: the process would end with the thread that started it.
            self._process = _spawn([*program, "kafka.Kafka", str(config)], log.fileno())

    async def wait(self) -> int:
        """Wait until the process ends, by itself or by a signal, and return its exit status."""
        while self._process is not None and self._process.poll() is None:  # noqa: ASYNC110 (no event is set)
            await asyncio.sleep(0.1)
        return self._process.returncode if self._process is not None else 0

    async def stop(self) -> None:
        """Stop the node in order: other nodes take over the partitions that it leads.

        `start` starts it again.
        """
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """Kill the node with SIGKILL, like a machine that loses power. `start` starts it again."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def close(self) -> None:
        """End the node for good, and remove its data if the folder is a temporary one."""
        self.kill()
        if self._temporary:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        self.close()

    def last_words(self) -> str:
        """Return the last 3,000 characters of the process's log."""
        return self._log.read_text(errors="replace")[-3_000:].strip() if self._log.exists() else ""

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    async def _ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                if not accepts(int(self.address.rpartition(":")[2])):
                    raise ConnectionRefusedError(self.address)
                async with asyncio.timeout(10):
                    await probe(self.address, **self._administration())
            except (KafkaError, OSError, TimeoutError) as reason:
                if not self.running or time.monotonic() > deadline:
                    raise LocalBrokerError(
                        f"Apache Kafka does not come up ({reason!r}):\n{self.last_words()}"
                    ) from reason
                await asyncio.sleep(0.2)
            else:
                return

    def _administration(self) -> dict[str, Any]:
        """Return the options that an administrator's aiokafka client needs beyond `address`."""
        if not self.node.guarded:
            return {}
        administrator = self.node.logins[0]
        return {
            "security_protocol": "SASL_SSL",
            "ssl_context": create_ssl_context(cafile=self.certificate),
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": administrator.user,
            "sasl_plain_password": administrator.password,
        }

    def _program(self) -> list[str]:
        return [java(), "-Xms128m", f"-Xmx{self._heap_mib}m", "-XX:+UseSerialGC", "-cp", f"{artifacts()}/*"]

    def _prepare(self, program: list[str]) -> Path:
        """Write the configuration. The first time, also make the certificate and format the data folder."""
        config = self._folder / "server.properties"
        config.write_text(self.node.server_properties(self._folder))
        config.chmod(0o600)  # the file holds passwords
        if self.node.logins and not self.certificate.exists():
            self._make_certificate()
        if not (self._folder / "data" / "meta.properties").exists():
            users = [
                f"SCRAM-SHA-512=[name={login.user},password={login.password}]" for login in self.node.logins
            ]
            arguments = ["format", "-t", self._cluster_id, "-c", str(config)]
            added = [word for user in users for word in ("--add-scram", user)]
            _run([*program, "kafka.tools.StorageTool", *arguments, *added])
        return config

    def _make_certificate(self) -> None:
        tool = str(Path(java()).with_name("keytool"))
        store = str(kafka_node.keystore(self._folder))
        keystore = [
            "-alias",
            "broker",
            "-keystore",
            store,
            "-storepass",
            kafka_node.keystore_password(self.node),
        ]
        made = ["-dname", "CN=localhost", "-keyalg", "RSA", "-validity", "2", "-storetype", "PKCS12"]
        extensions = ("san=ip:127.0.0.1", "bc:critical=ca:true", "ku:critical=keyCertSign,digitalSignature")
        extended = [word for extension in extensions for word in ("-ext", extension)]
        _run([tool, "-genkeypair", *keystore, *made, *extended])
        _run([tool, "-exportcert", "-rfc", *keystore, "-file", str(self.certificate)])


def new_cluster_id() -> str:
    """Make a cluster id that Kafka accepts: 22 characters, of which the first is not `-`."""
    return "K" + urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:].rstrip("=")


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (Java's programs)
    if result.returncode:
        said = f"{result.stdout[-1_000:]}{result.stderr[-1_000:]}".strip()
        raise LocalBrokerError(f"Apache Kafka's folder cannot be prepared: {said}")


def _spawn(command: list[str], log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 (Java, with our own arguments)
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,  # Ctrl-C in a terminal reaches this process, which stops the node
        preexec_fn=end_with_parent(),  # noqa: PLW1509 (it makes two system calls and takes no lock)
    )
