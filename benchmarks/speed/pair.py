"""Ledgers of two trees beside each other: run by run in turns, the order rotated, their bytes compared."""

from __future__ import annotations

import os
import pickle
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from benchmarks.speed.ledger_process import Fed
from benchmarks.speed.log import log_of
from benchmarks.speed.machine import ROOT, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS = ("decode", "advance", "sweep")


class DifferentOutputsError(Exception):
    """Trees whose ledgers made different outputs, or different rows, of one run of records."""


class Tree:
    """Ledger of a tree in its own process.

    Args:
        folder: Folder of the tree.
        log: File with the log.
    """

    def __init__(self, folder: Path, log: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("ledger_process.py")), str(log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder), "NUMPY_MADVISE_HUGEPAGE": "0"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate()

    def feed(self, start: int, stop: int) -> Fed:
        """Apply records `start:stop`."""
        return Fed(*self._ask("feed", start, stop))

    def show(self) -> tuple[list[tuple[Any, ...]], list[tuple[bytes, bytes]]]:
        """Return outputs and rows of the run fed last."""
        outputs, rows = self._ask("show")
        return outputs, rows

    def _ask(self, *command: Any) -> Any:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process has no pipes")
        pickle.dump(command, self._process.stdin)
        self._process.stdin.flush()
        return pickle.load(self._process.stdout)  # noqa: S301 (our own process wrote it)


@dataclass
class Pair:
    """Costs of two trees over the same runs of records."""

    names: tuple[str, str]
    cpu: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))
    """Processor time by part, ns."""
    wall: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))
    sums: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))
    ratios: list[float] = field(default_factory=list)
    """Per run: processor time of the second tree by that of the first."""
    outputs_equal: bool = True
    rows_equal: bool = True

    def lines(self) -> list[str]:
        """Return the table for people."""
        baskets = max(self.sums[0]["baskets"], 1)
        low, middle, high = statistics.quantiles(self.ratios, n=4)
        wide = max(map(len, self.names))
        outputs, rows = (
            "equal" if equal else "not compared" for equal in (self.outputs_equal, self.rows_equal)
        )
        lines = [f"{baskets:,} baskets, outputs {outputs}, rows {rows}"]
        lines.append(f"{'us a basket':>{wide}}   {'CPU':>7} {'wall':>7}   " + "  ".join(PARTS))
        for name, cpu, wall, sums in zip(self.names, self.cpu, self.wall, self.sums, strict=True):
            each = "  ".join(f"{cpu[part] / baskets / 1e3:{len(part)}.1f}" for part in PARTS)
            both = f"{cpu.total() / baskets / 1e3:7.1f} {wall.total() / baskets / 1e3:7.1f}"
            held, sent = (sums[kind] / baskets for kind in ("row_bytes", "output_bytes"))
            lines.append(f"{name:>{wide}}   {both}   {each}   rows {held:,.0f} B, outputs {sent:,.0f} B")
        lines.append(
            f"{self.names[0]} is x{self.cpu[1].total() / self.cpu[0].total():.2f} as fast by CPU; "
            f"runs of 200 records: median x{middle:.2f}, half of them x{low:.2f} to x{high:.2f}"
        )
        return lines

    def as_json(self) -> dict[str, Any]:
        """Return the figures as JSON-able values."""
        return {
            "trees": list(self.names),
            "baskets": self.sums[0]["baskets"],
            "cpu_us_a_basket": [cpu.total() / self.sums[0]["baskets"] / 1e3 for cpu in self.cpu],
            "faster_by_cpu": self.cpu[1].total() / self.cpu[0].total(),
            "quartiles_of_runs": statistics.quantiles(self.ratios, n=4),
            "outputs_compared": self.outputs_equal,
            "rows_compared": self.rows_equal,
            "sums": [dict(sums) for sums in self.sums],
        }


def run(revision: str, *, tell: Callable[[str], None] = lambda _: None, **options: Any) -> Pair:
    """Feed this tree and another commit's with the same log.

    Args:
        revision: The other commit.
        tell: Receiver of progress.
        options: Those of `run_trees`.

    Raises:
        DifferentOutputsError: Outputs or rows differ; the message shows the first pair that does.
        LookupError: The repository holds no such commit.
    """
    with tempfile.TemporaryDirectory() as folder:
        return run_trees(tree_of(revision, Path(folder)), revision, tell=tell, **options)


def run_trees(
    tree: Path,
    name: str,
    *,
    warm_days: int = 20,
    days: int = 10,
    size: int = 200,
    compare_outputs: bool = True,
    compare_rows: bool = True,
    tell: Callable[[str], None] = lambda _: None,
) -> Pair:
    """Feed this tree and another one with the same log.

    Args:
        tree: Folder of the other tree.
        name: Name of the other tree in the tables.
        warm_days: Days of the log before those that are measured. Their outputs are compared too.
        days: Days that are measured.
        size: Records in a run.
        compare_outputs: False if the two trees emit different events on purpose.
        compare_rows: False if the two commits write different rows on purpose.
        tell: Receiver of progress.

    Raises:
        DifferentOutputsError: Outputs or rows differ; the message shows the first pair that does.
    """
    log, ends = log_of(warm_days + days)
    measured = ends[warm_days - 1] if warm_days else 0
    pair = Pair(("this tree", name), outputs_equal=compare_outputs, rows_equal=compare_rows)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "log"
        file.write_bytes(pickle.dumps(log))
        with Tree(ROOT, file) as mine, Tree(tree, file) as other:
            trees = mine, other
            for number, start in enumerate(range(0, len(log), size)):
                if not number % 20:
                    tell(f"{start:,} of {len(log):,} records")
                fed: list[Fed | None] = [None, None]
                # Each is first in every second run, so that neither always finds the caches cold.
                for place in (0, 1) if number % 2 else (1, 0):
                    fed[place] = trees[place].feed(start, min(start + size, len(log)))
                ours, theirs = fed
                if ours is None or theirs is None:
                    raise RuntimeError("a tree was not fed")
                differ = (
                    compare_outputs and ours.outputs != theirs.outputs,
                    compare_rows and ours.rows != theirs.rows,
                )
                if any(differ):
                    raise DifferentOutputsError(_first_difference(mine, other, differ))
                if start >= measured:
                    _add(pair, ours, theirs)
    return pair


def _add(pair: Pair, *fed: Fed) -> None:
    for place, one in enumerate(fed):
        pair.cpu[place].update(one.cpu)
        pair.wall[place].update(one.wall)
        pair.sums[place].update(one.sums)
    pair.ratios.append(sum(fed[1].cpu.values()) / sum(fed[0].cpu.values()))


def _first_difference(mine: Tree, other: Tree, differ: tuple[bool, bool]) -> str:
    shown = zip(("output", "row"), differ, mine.show(), other.show(), strict=True)
    for name, wanted, ours, theirs in shown:
        if not wanted:
            continue
        if len(ours) != len(theirs):
            return f"{len(ours)} {name}s here and {len(theirs)} there"
        for place, (one, another) in enumerate(zip(ours, theirs, strict=True)):
            if one != another:
                return f"{name} {place} differs:\nhere  {one!r}\nthere {another!r}"
    return "the digests differ and the bytes do not"
