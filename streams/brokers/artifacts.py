"""Java program, and the jars of Apache Kafka, which Maven fetches into the environment once (43 MB)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from streams.errors import KafkaUnavailableError
from streams.process.installed import data_folder

POM: Final = Path(__file__).with_name("pom.xml")
"""Maven file with the artifacts and their versions; a part of the installed package."""

JAVA: Final = 17
"""Oldest Java version on which Apache Kafka 4 runs."""


def fetched(pom: Path = POM) -> bool:
    """Return True if the jars were fetched."""
    return _jars(pom).is_dir()


def artifacts(pom: Path = POM) -> Path:
    """Return the folder with Kafka's jars, after fetching them if they are missing.

    Args:
        pom: Maven file that names the jars.

    Raises:
        KafkaUnavailableError: Maven is missing, or could not fetch the jars.
    """
    jars = _jars(pom)
    if fetched(pom):
        return jars
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailableError(
            "Apache Kafka is fetched by Maven, and there is no `mvn`: install Maven 3.8 or newer "
            "(Debian, Ubuntu: apt-get install maven; macOS: brew install maven)."
        )
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=jars.parent) as folder:
        fresh = Path(folder) / "jars"
        arguments = ["-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={fresh}"]
        result = subprocess.run(  # noqa: S603 (the program that was found, on a file of ours)
            [maven, *arguments, *_repositories(Path(folder))], capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise KafkaUnavailableError(
                "Maven could not fetch Apache Kafka; look at the network and at Maven's settings: "
                f"{result.stdout[-1_000:].strip()}"
            )
        with contextlib.suppress(OSError):  # a concurrent run was faster
            fresh.rename(jars)
    return jars


def _repositories(folder: Path) -> list[str]:
    """Return the options by which Maven writes into our folder, and only reads the user's own repository."""
    options = [f"-Dmaven.repo.local={folder / 'repository'}"]
    users = Path(os.path.expanduser("~/.m2/repository"))  # noqa: PTH111 - raises nothing where there is no home
    if users.is_dir():
        options.append(f"-Dmaven.repo.local.tail={users}")  # Maven older than 3.9 fetches everything anew
    return options


def java() -> str:
    """Return the path of the Java program.

    Raises:
        KafkaUnavailableError: Java is missing, or too old.
    """
    program = shutil.which("java")
    if program is None:
        raise KafkaUnavailableError(
            f"Apache Kafka runs on Java, and there is no `java`: install Java {JAVA} or newer "
            f"(Debian, Ubuntu: apt-get install openjdk-{JAVA}-jre-headless; macOS: brew install openjdk)."
        )
    said = subprocess.run(  # noqa: S603 (the program that was found)
        [program, "-version"], capture_output=True, text=True, check=False
    ).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA:
        raise KafkaUnavailableError(
            f"Apache Kafka needs Java {JAVA} or newer, and `java` is {said.strip()[:60]!r}: "
            f"install Java {JAVA}, and put it first in PATH."
        )
    return program


def _jars(pom: Path) -> Path:
    """Return the folder of the jars. Each list of artifacts has a folder of its own."""
    return data_folder() / f"kafka-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
