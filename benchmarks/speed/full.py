"""Whole service beside that of another commit: `cartpulse demo` of both trees in turns."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmarks.speed.machine import ROOT, tree_of
from streams.brokers.apache_kafka import ApacheKafka

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BASE: Final = "b99619e"
"""Commit that every full run is compared with: the last one before events in blocks and rows in sections."""
_RUN: Final = """
import json, resource, subprocess, sys
command = [sys.executable, "-m", "cartpulse", *sys.argv[2:]]
done = subprocess.run(command, stdout=subprocess.DEVNULL, timeout=1800)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    json.dump({"cpu": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss * 1024}, file)
sys.exit(done.returncode)
"""
"""Program that runs the demonstration and writes what its processes used: broker, workers and sender."""


class Setup(NamedTuple):
    """Arrangement of a service."""

    broker: str
    """`embedded` or `kafka`."""
    partitions: int
    workers: int

    def __str__(self) -> str:
        return f"{self.broker}, {self.partitions} partitions, {self.workers} workers"


FAST: Final = (Setup("embedded", 1, 1), Setup("embedded", 16, 1))
FULL: Final = tuple(
    Setup(broker, partitions, workers)
    for broker in ("embedded", "kafka")
    for partitions, workers in ((1, 1), (4, 1), (4, 2), (16, 1), (16, 2))
)


class Figures(NamedTuple):
    """Outcome of one run."""

    baskets_a_second: float
    cpu: float
    """Processor time of all processes, us a basket."""
    memory: float
    """Most memory of the largest process, bytes; with the embedded broker that is the broker."""
    baskets: int


@dataclass
class Full:
    """Figures of two trees by setup."""

    names: tuple[str, str]
    days: int
    runs: dict[Setup, tuple[list[Figures], list[Figures]]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return the table for people."""
        lines = [
            f"{self.days} days of The Complete Journey: {self.names[0]} beside {self.names[1]}",
            "",
            "| setup | runs | baskets/s | beside | ratio | CPU us a basket | beside | largest MB | beside |",
            "| --- | --: | --: | --: | --: | --: | --: | --: | --: |",
        ]
        for setup, (mine, other) in self.runs.items():
            ratio = _median(mine, "baskets_a_second") / _median(other, "baskets_a_second")
            cells = [
                str(setup),
                str(len(mine)),
                _range(mine, "baskets_a_second"),
                _range(other, "baskets_a_second"),
            ]
            cells += [f"x{ratio:.2f}", _range(mine, "cpu"), _range(other, "cpu")]
            cells += [f"{_median(each, 'memory') / 1e6:,.0f}" for each in (mine, other)]
            lines.append(f"| {' | '.join(cells)} |")
        return lines

    def as_json(self) -> dict[str, Any]:
        """Return the figures as JSON-able values."""
        return {
            str(setup): {
                name: [one._asdict() for one in runs] for name, runs in zip(self.names, both, strict=True)
            }
            for setup, both in self.runs.items()
        }


def run(
    setups: tuple[Setup, ...],
    *,
    days: int,
    rounds: int,
    revision: str = BASE,
    tell: Callable[[str], None] = lambda _: None,
) -> Full:
    """Run both trees' demonstrations in turns.

    Args:
        setups: Arrangements to run.
        days: Days of purchases.
        rounds: Runs of each tree in each arrangement.
        revision: The other commit.
        tell: Receiver of progress.

    Raises:
        LookupError: The repository holds no such commit.
        subprocess.CalledProcessError: A demonstration failed.
    """
    full = Full(("this tree", revision), days)
    with tempfile.TemporaryDirectory() as folder:
        trees = ROOT, tree_of(revision, Path(folder))
        for setup in setups:
            full.runs[setup] = [], []
            for number in range(rounds):
                for place in (0, 1) if number % 2 else (1, 0):
                    tell(f"{setup}, round {number + 1} of {rounds}, {full.names[place]}")
                    full.runs[setup][place].append(_demonstrate(trees[place], setup, days))
    return full


def _demonstrate(tree: Path, setup: Setup, days: int) -> Figures:
    with _broker(setup) as broker, tempfile.TemporaryDirectory() as folder:
        used, told = Path(folder) / "used.json", Path(folder) / "demo.json"
        command = [
            sys.executable,
            "-c",
            _RUN,
            str(used),
            "demo",
            "--latency-seconds",
            "0",
            "--json",
            str(told),
        ]
        command += [
            "--days",
            str(days),
            "--partitions",
            str(setup.partitions),
            "--workers",
            str(setup.workers),
        ]
        own = {"PYTHONPATH": str(tree), "CARTPULSE_TOPIC_PREFIX": f"{uuid.uuid4().hex[:8]}."}
        log = Path(folder) / "log"
        with log.open("wb") as errors:
            done = subprocess.run(
                [*command, *broker], cwd=tree, env=os.environ | own, stderr=errors, check=False
            )
        if done.returncode:
            raise subprocess.CalledProcessError(
                done.returncode, command, stderr=log.read_text(errors="replace")[-2000:]
            )
        figures, cost = json.loads(told.read_text()), json.loads(used.read_text())
    return Figures(
        baskets_a_second=figures["baskets_per_second"],
        cpu=cost["cpu"] / figures["baskets"] * 1e6,
        memory=cost["memory"],
        baskets=figures["baskets"],
    )


@contextlib.contextmanager
def _broker(setup: Setup) -> Iterator[list[str]]:
    """Start the broker of a setup, and yield the options that lead the demonstration to it."""
    if setup.broker == "embedded":
        yield []
        return
    broker = ApacheKafka()
    try:
        asyncio.run(broker.start())
        yield ["--broker", broker.address]
    finally:
        broker.close()


def _median(runs: list[Figures], name: str) -> float:
    return statistics.median(float(getattr(one, name)) for one in runs)


def _range(runs: list[Figures], name: str) -> str:
    each = [float(getattr(one, name)) for one in runs]
    return f"{statistics.median(each):,.0f} ({min(each):,.0f}-{max(each):,.0f})"
