"""The image and the composition of services, checked without Docker: every command in them is run."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from streams.brokers.embedded import end_with_parent, free_port
from streams.kafka.log.reading import read_all
from streams.kafka.topics import topic_specs
from streams.settings.environment import load_settings
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.conftest import Broker

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"] == "cartpulse"]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
SCHEMA = ROOT / "tests" / "samples" / "compose-spec" / "compose-spec.json"
FEW_DAYS = ("--days", "2")

WATCHED = """
import os, runpy, sys
MAY = (*sys.argv[1].split(":"), "/dev/", "/proc/")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and (arguments[2] or 0) & WRITING:
        where = arguments[0]
    elif event in ("os.mkdir", "os.remove", "os.rmdir"):
        where = arguments[0]
    elif event == "os.rename":
        where = arguments[1]
    else:
        return
    if not os.fspath(where).startswith(MAY):
        print("WROTE", where, file=sys.stderr, flush=True)
sys.addaudithook(watch)
sys.argv[:] = ["cartpulse", *sys.argv[2:]]
runpy.run_module("cartpulse", run_name="__main__")
"""
"""Runs a command and tells of every file that is written outside of the folders it may write to."""


def test_the_composition_is_what_the_specification_calls_one() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    assert [error.message for error in validator.iter_errors(COMPOSE)] == []


def test_hadolint_has_nothing_to_say_of_the_dockerfile() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint has no wheel for this platform")
    done = subprocess.run(
        [hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_all_that_the_image_is_made_of_is_there_and_sent_to_the_builder() -> None:
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
        for name in line.split()
    ]
    sent = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(copied) == sorted(sent)
    assert all((ROOT / name).exists() for name in copied)


def test_nothing_of_ours_is_root_or_may_write_where_it_need_not() -> None:
    assert re.findall(r"^USER (\d+)", DOCKERFILE, re.MULTILINE)[-1] != "0"
    for name in OURS:
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["tmpfs"] == ["/tmp"]  # noqa: S108 - the container's own
        assert SERVICES[name]["cap_drop"] == ["ALL"]


def test_workers_can_be_scaled() -> None:
    worker = SERVICES["worker"]
    assert not {"container_name", "ports"} & worker.keys()
    assert int(worker["environment"]["CARTPULSE_PARTITIONS"]) > 1


def test_kafka_listens_for_the_services_and_for_this_machine_alone() -> None:
    kafka = SERVICES["kafka"]
    told = kafka["environment"]
    advertised = dict(each.split("://") for each in told["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert advertised["PLAINTEXT"] == SERVICES["worker"]["environment"]["KAFKA_BROKER"]
    assert kafka["ports"] == [f"127.0.0.1:{advertised['HOST'].split(':')[1]}:9094"]
    release = tuple(map(int, kafka["image"].removeprefix("apache/kafka:").split(".")))
    assert not (4, 3, 0) <= release <= (4, 4, 0)


@pytest.fixture
def environment(tansu: Broker, tmp_path: Path) -> dict[str, dict[str, str]]:
    """What each service is told, with the embedded broker and folders of the test's own."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "checkpoints").mkdir()
    here = {
        "KAFKA_BROKER": tansu.address,
        "CARTPULSE_TOPIC_PREFIX": f"{tmp_path.name}.",
        "CARTPULSE_APPLICATION": f"compose-{os.getpid()}-{tmp_path.name}",
        "CARTPULSE_SESSION_TIMEOUT_MS": "2000",
        "CARTPULSE_WEB_PORT": str(free_port(0)),
        "TMPDIR": str(tmp_path / "tmp"),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": os.environ["PATH"],
    }
    told = {name: SERVICES[name]["environment"] | here for name in OURS}
    told["worker"]["CARTPULSE_CHECKPOINT_DIR"] = str(tmp_path / "checkpoints")
    return told


def command(name: str, folder: Path, *more: str) -> list[str]:
    """A service's command, as the image's entry point runs it, watched."""
    entry = json.loads(re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE, re.MULTILINE)[-1])
    assert entry == ["cartpulse"]
    arguments = [*SERVICES[name]["command"], *more]
    return [sys.executable, "-c", WATCHED, f"{folder / 'tmp'}:{folder / 'checkpoints'}", *arguments]


def healthy(told: dict[str, str]) -> bool:
    """What the image's own health check says."""
    check = json.loads(re.findall(r"HEALTHCHECK.*CMD (\[.*\])", DOCKERFILE)[-1])
    done = subprocess.run([sys.executable, *check[1:]], env=told, capture_output=True, check=False)
    return done.returncode == 0


async def until(condition: Callable[[], Awaitable[bool]], said: Callable[[], str]) -> None:
    """Wait for a condition; what the worker said tells why it did not come."""
    deadline = time.monotonic() + 30
    while not await condition():
        assert time.monotonic() < deadline, said()
        await asyncio.sleep(0.05)


def started(told: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    """The worker of the composition, with its log in a file."""
    with (folder / "worker.log").open("wb") as log:
        return subprocess.Popen(
            command("worker", folder),
            env=told,
            cwd=folder / "tmp",
            stdout=log,
            stderr=log,
            preexec_fn=end_with_parent(),  # noqa: PLW1509 (it makes two system calls and takes no lock)
        )


async def test_every_command_of_the_composition_runs_and_writes_only_where_it_may(
    environment: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    assert {"topics", "worker", "replay"} == set(OURS)

    async def run(name: str, *more: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *command(name, tmp_path, *more),
            env=environment[name],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        assert b"WROTE" not in errors, errors.decode()
        return said.decode()

    settings = load_settings(
        {
            name: text
            for name, text in environment["worker"].items()
            if name.startswith(("CARTPULSE", "KAFKA"))
        }
    )
    assert (await run("topics")).count("made") == len(topic_specs(settings))
    said = (tmp_path / "worker.log").read_text
    worker = started(environment["worker"], tmp_path)
    try:
        assert not healthy(environment["worker"])
        await until(lambda: asyncio.to_thread(healthy, environment["worker"]), said)
        assert "purchases were sent" in await run("replay", *FEW_DAYS)

        async def applied() -> bool:
            return bool([record async for record in read_all(settings, settings.changelog_topic)])

        await until(applied, said)
        worker.terminate()
        assert await asyncio.to_thread(worker.wait, 20) == 0
        assert "WROTE" not in said()
        assert list((tmp_path / "checkpoints").iterdir())
        assert not healthy(environment["worker"])
    finally:
        worker.kill()
        worker.wait()
