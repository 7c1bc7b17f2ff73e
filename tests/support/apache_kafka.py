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

from streams.broker import accepts, answers, end_with_parent, free_port

POM: Final = Path(__file__).with_name("pom.xml")
JAVA: Final = 17
LOGIN: Final = ("cartpulse", "hush-hush")
"""User and password of the listener that asks for them."""
READY_SECONDS: Final = 90.0
"""A cold start takes four seconds; after SIGKILL, or on a busy machine, many more."""


class KafkaUnavailable(Exception):  # noqa: N818 (what is the matter, not an error of ours)
    """Apache Kafka cannot be had here; the message says what to install."""


class ApacheKafka:
    """One node, broker and controller in one process, without any initial rebalance delay."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="cartpulse-kafka-"))
        self._port, self._secured, self._controller = free_port(0), free_port(0), free_port(0)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """`host:port` for `KAFKA_BROKER`."""
        return f"127.0.0.1:{self._port}"

    @property
    def secured_address(self) -> str:
        """`host:port` of the listener with TLS that takes `LOGIN` by PLAIN and SCRAM-SHA-512."""
        return f"127.0.0.1:{self._secured}"

    @property
    def certificate(self) -> Path:
        """PEM file of the authority that signs the secured listener's certificate."""
        return self._folder / "broker.pem"

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
            cluster = "K" + urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:].rstrip("=")  # no "-" in front
            self._make_certificate()
            scram = f"SCRAM-SHA-512=[name={LOGIN[0]},password={LOGIN[1]}]"
            arguments = ["format", "-t", cluster, "-c", str(config), "--add-scram", scram]
            _run([*program, "kafka.tools.StorageTool", *arguments])
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
                if not accepts(self._port):
                    raise ConnectionRefusedError(self.address)
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

    def _make_certificate(self) -> None:
        tool = str(Path(java()).with_name("keytool"))
        keystore = ["-alias", "broker", "-keystore", str(self._keystore), "-storepass", LOGIN[1]]
        made = ["-dname", "CN=localhost", "-keyalg", "RSA", "-validity", "2", "-storetype", "PKCS12"]
        extensions = ("san=ip:127.0.0.1", "bc:critical=ca:true", "ku:critical=keyCertSign,digitalSignature")
        extended = [word for extension in extensions for word in ("-ext", extension)]
        _run([tool, "-genkeypair", *keystore, *made, *extended])
        _run([tool, "-exportcert", "-rfc", *keystore, "-file", str(self.certificate)])

    @property
    def _keystore(self) -> Path:
        return self._folder / "broker.p12"

    def _properties(self) -> str:
        listeners = f"PLAINTEXT://{self.address},SECURED://{self.secured_address}"
        properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{self._controller}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL",
            "log.dirs": str(self._folder / "data"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # The default of 3 s hides what goes wrong when workers join at the same moment.
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
        }
        return "".join(f"{key}={value}\n" for key, value in (properties | self._security()).items())

    def _security(self) -> dict[str, str]:
        user, password = LOGIN
        modules = "org.apache.kafka.common.security"
        security = {
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "plain.sasl.jaas.config": f'{modules}.plain.PlainLoginModule required user_{user}="{password}";',
            "scram-sha-512.sasl.jaas.config": f"{modules}.scram.ScramLoginModule required;",
            "ssl.keystore.location": str(self._keystore),
            "ssl.keystore.password": password,
            "ssl.keystore.type": "PKCS12",
        }
        return {f"listener.name.secured.{key}": value for key, value in security.items()}


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
