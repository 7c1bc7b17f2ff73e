"""Machine that a benchmark runs on: what it is, and how busy it was meanwhile."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
BUSY: Final = 0.7
"""Load average over the last minute from which on a machine counts as busy before a benchmark has begun."""
_LIBRARIES: Final = ("numpy", "msgspec", "aiokafka", "faust-streaming")


@dataclass(frozen=True)
class Machine:
    """Facts that figures depend on, as of the start of a benchmark."""

    date: str
    commit: str
    """Commit of this tree, with `+` if files differ from it."""
    processor: str
    cores: int
    system: str
    python: str
    libraries: dict[str, str]
    load: float
    """Load average over the minute before."""

    @property
    def busy(self) -> bool:
        """True if other work ran before the benchmark began, so that its figures set no record."""
        return self.load >= BUSY

    def lines(self) -> list[str]:
        """Return the facts as lines for people; the first one warns if the machine was busy."""
        warning = [f"BUSY: load {self.load:.1f} before the start. These figures set no record."] * self.busy
        versions = ", ".join(f"{name} {version}" for name, version in self.libraries.items())
        return [
            *warning,
            f"{self.date}, commit {self.commit}, load {self.load:.1f} before the start",
            f"{self.processor}, {self.cores} cores, {self.system}",
            f"Python {self.python}, {versions}",
        ]

    def as_json(self) -> dict[str, Any]:
        """Return the facts as JSON-able values."""
        return asdict(self) | {"busy": self.busy}


def this_machine() -> Machine:
    """Look at this machine and this tree."""
    return Machine(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        commit=_git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain") else ""),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        libraries={name: importlib.metadata.version(name) for name in _LIBRARIES},
        load=os.getloadavg()[0],
    )


def tree_of(revision: str, folder: Path) -> Path:
    """Check a commit out into a folder of its own, without touching the repository's work tree.

    Args:
        revision: Commit, branch or tag of this repository.
        folder: Existing folder that receives the tree.

    Returns:
        The folder of the tree.

    Raises:
        LookupError: The repository holds no such commit, as in a shallow clone.
    """
    archive = subprocess.run(
        ["git", "archive", "--format=tar", revision], cwd=ROOT, capture_output=True, check=False
    )
    if archive.returncode:
        raise LookupError(f"commit {revision} is not in this repository: {archive.stderr.decode().strip()}")
    tree = folder / "tree"
    tree.mkdir()
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True)
    return tree


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or ("unknown" if done.returncode else "")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
