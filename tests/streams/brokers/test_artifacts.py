"""What Apache Kafka needs is found, or named with the way to get it; its list is a part of the package."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from streams.brokers import artifacts as kafka_artifacts
from streams.brokers.artifacts import artifacts, java
from streams.errors import KafkaUnavailableError, LocalBrokerError
from tests.support.paths import ROOT

MAVEN = """for option; do case $option in
-DoutputDirectory=*) folder=${option#*=};;
esac; done
/bin/mkdir "$folder"; echo jar > "$folder/kafka.jar"
"""
"""Fetches one jar."""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    return folder


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o700)


def test_no_java_is_said_with_what_to_install(programs: Path) -> None:
    del programs
    with pytest.raises(KafkaUnavailableError, match="there is no `java`: install Java 17 or newer"):
        java()


def test_an_old_java_is_told_from_a_new_one(programs: Path) -> None:
    program(programs, "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    with pytest.raises(KafkaUnavailableError, match=r"needs Java 17 or newer, and `java` is .*11\.0\.2"):
        java()
    program(programs, "java", """echo 'openjdk version "21" 2023-09-19' >&2""")
    assert java() == str(programs / "java")


def test_no_maven_is_said_with_what_to_install(programs: Path) -> None:
    del programs
    with pytest.raises(KafkaUnavailableError, match=r"there is no `mvn`: install Maven 3\.8 or newer"):
        artifacts()


def test_what_maven_said_is_told_and_nothing_half_fetched_is_kept(programs: Path, tmp_path: Path) -> None:
    program(programs, "mvn", "echo '[ERROR] no route to host'; exit 1")
    with pytest.raises(KafkaUnavailableError, match="no route to host"):
        artifacts()
    assert list((tmp_path / "environment" / "share" / "cartpulse").iterdir()) == []


def test_what_was_fetched_once_is_not_fetched_again(programs: Path) -> None:
    program(programs, "mvn", MAVEN)
    fetched = artifacts()
    assert (fetched / "kafka.jar").read_text() == "jar\n"
    (programs / "mvn").unlink()
    assert artifacts() == fetched


def test_maven_is_told_to_write_into_the_environment_and_nothing_of_its_own_stays(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / ".m2" / "repository").mkdir(parents=True)
    program(programs, "mvn", f'{MAVEN}\necho "$@" > {tmp_path}/said')
    folder = artifacts().parent
    assert folder == tmp_path / "environment" / "share" / "cartpulse"
    said = (tmp_path / "said").read_text().split()
    (local,) = (option for option in said if option.startswith("-Dmaven.repo.local="))
    assert Path(local.partition("=")[2]).is_relative_to(folder)
    assert f"-Dmaven.repo.local.tail={tmp_path}/home/.m2/repository" in said
    assert [path.name[:6] for path in folder.iterdir()] == ["kafka-"]


def test_whoever_catches_a_broker_of_our_own_that_cannot_run_has_caught_this() -> None:
    assert issubclass(KafkaUnavailableError, LocalBrokerError)


def test_an_installed_wheel_has_the_list_of_artifacts(tmp_path: Path) -> None:
    building = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(building, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        assert packed.read("streams/brokers/pom.xml") == kafka_artifacts.POM.read_bytes()
