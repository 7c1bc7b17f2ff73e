"""The report: runs that are finished, kept in a file as they finish, added up and shown."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

ZEROS: Final = (
    "lost",
    "counted_twice",
    "outputs_missing",
    "outputs_repeated",
    "customers_differing",
    "worker_exits",
)
"""What has to be 0."""

COLUMNS: Final = {
    "runs": "runs",
    "faults": "faults",
    "events": "events",
    "lost": "lost",
    "counted_twice": "counted twice",
    "outputs_missing": "outputs missing",
    "outputs_repeated": "outputs repeated",
    "customers_differing": "customers differing",
    "worker_exits": "worker exits",
    "failed": "failed runs",
    "longest_stall_seconds": "longest stall, s",
    "slow": "stalls too long",
}
"""What people see of each scenario, and what it is called."""
BEGIN: Final = "<!-- proof: begin -->"
END: Final = "<!-- proof: end -->"


@dataclass(frozen=True, kw_only=True)
class Finished:
    """One run of a scenario."""

    name: str
    guarantee: str
    seed: int
    number: int
    """The how-manieth run of its scenario, guarantee and seed."""
    events: int = 0
    lost: int = 0
    counted_twice: int = 0
    outputs_missing: int = 0
    outputs_repeated: int = 0
    customers_differing: int = 0
    longest_stall_seconds: float = 0.0
    worker_exits: int = 0
    faults: int = 0
    seconds: float = 0.0
    failure: str | None = None
    """Why it is no success although the numbers may be 0: it hung, or a worker did not do what it should."""
    slow: str | None = None
    """How much longer than promised a partition stood still; on a busy machine this says little."""
    kept: str | None = None
    """Where the logs of a run that failed or was slow are."""

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What tells it from all others."""
        return (self.name, self.guarantee, self.seed, self.number)

    @property
    def clean(self) -> bool:
        """Whether it shows nothing wrong."""
        return self.failure is None and not any(getattr(self, name) for name in ZEROS)


@dataclass
class Report:
    """All runs so far, and where and of what they were."""

    finished: list[Finished] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Report:
        """From a file; empty where there is none."""
        if not path.exists():
            return cls()
        content = json.loads(path.read_text(encoding="utf-8"))
        runs = [Finished(**run) for run in content.pop("finished")]
        del content["scenarios"]
        return cls(runs, content)

    def add(self, run: Finished) -> None:
        """One more; facts about the machine and the state of the code go with it."""
        self.finished.append(run)
        seeds = {*self.facts.get("seeds", ()), run.seed}
        self.facts = facts() | {"seeds": sorted(seeds)}

    def write(self, path: Path) -> None:
        """To a file, so that a reader finds the old content or the new one, whenever it looks."""
        partial = path.with_name(f"{path.name}.partial")
        content = {
            **self.facts,
            "scenarios": self.scenarios(),
            "finished": [asdict(run) for run in self.finished],
        }
        partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
        partial.replace(path)

    def merged(self, other: Report) -> Report:
        """Both; a run that is in both counts once."""
        runs = {run.key: run for run in (*self.finished, *other.finished)}
        latest = max(self.facts, other.facts, key=lambda facts: facts.get("date", ""))
        commits = {*self.commits, *other.commits}
        seeds = {*self.facts.get("seeds", ()), *other.facts.get("seeds", ())}
        more = {"seeds": sorted(seeds), "commit": ", ".join(sorted(commits))}
        return Report(list(runs.values()), latest | more)

    @property
    def commits(self) -> list[str]:
        """Of which states of the code it tells."""
        return [each for each in self.facts.get("commit", "").split(", ") if each]

    @property
    def clean(self) -> bool:
        """Whether every run is."""
        return all(run.clean for run in self.finished)

    def scenarios(self) -> list[dict[str, Any]]:
        """The runs of each scenario and guarantee, added up; of stalls the longest."""
        return [
            {
                "name": name,
                "guarantee": guarantee,
                "runs": len(runs),
                "events": sum(run.events for run in runs),
                **{zero: sum(getattr(run, zero) for run in runs) for zero in ZEROS[:-1]},
                "longest_stall_seconds": round(max(run.longest_stall_seconds for run in runs), 2),
                "worker_exits": sum(run.worker_exits for run in runs),
            }
            for (name, guarantee), runs in self._by_scenario().items()
        ]

    def _by_scenario(self) -> dict[tuple[str, str], list[Finished]]:
        found: dict[tuple[str, str], list[Finished]] = {}
        for run in self.finished:
            found.setdefault((run.name, run.guarantee), []).append(run)
        return dict(sorted(found.items()))

    def rows(self) -> Iterable[tuple[str, str, dict[str, Any]]]:
        """For people: scenario, guarantee, and what `COLUMNS` names."""
        by_scenario = self._by_scenario()
        for entry in self.scenarios():
            runs = by_scenario[entry["name"], entry["guarantee"]]
            more = {
                "faults": sum(run.faults for run in runs),
                "slow": sum(run.slow is not None for run in runs),
                "failed": sum(not run.clean for run in runs),
            }
            yield entry["name"], entry["guarantee"].replace("_", " "), entry | more

    def table(self) -> RenderableType:
        """For the terminal."""
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("scenario", min_width=24)
        for title in COLUMNS.values():
            table.add_column(title.replace(" ", "\n"), justify="right", no_wrap=True)
        for name, guarantee, numbers in self.rows():
            bad = numbers["failed"] or any(numbers[zero] for zero in ZEROS)
            cells = [f"{numbers[column]:,}" for column in COLUMNS]
            table.add_row(f"{name}, {guarantee}", *cells, style="red" if bad else None)
        return table

    def markdown(self) -> str:
        """For `docs/reliability.md`."""
        of = self.facts
        head = ["scenario", "delivery", *COLUMNS.values()]
        made = (
            f"Finished {of.get('date', '?')} at commit {of.get('commit', '?')}, on {of.get('machine', '?')}; "
            f"seeds {', '.join(map(str, of.get('seeds', [])))}; "
            f"{len(self.finished):,} runs, {sum(run.faults for run in self.finished):,} faults, "
            f"{sum(run.events for run in self.finished):,} events."
        )
        lines = [
            made,
            "",
            "| " + " | ".join(head) + " |",
            "| " + " | ".join(["---", "---", *["---:"] * len(COLUMNS)]) + " |",
        ]
        for name, guarantee, numbers in self.rows():
            cells = [f"{numbers[column]:,}" for column in COLUMNS]
            lines.append("| " + " | ".join([name, guarantee, *cells]) + " |")
        return "\n".join(lines) + "\n"

    def write_markdown(self, page: Path) -> None:
        """Put the table between the page's markers.

        Raises:
            ValueError: the page has none.
        """
        text = page.read_text(encoding="utf-8")
        before, begin, rest = text.partition(BEGIN)
        _, end, after = rest.partition(END)
        if not begin or not end:
            raise ValueError(f"{page} has no {BEGIN} with an {END} behind it")
        page.write_text(f"{before}{BEGIN}\n{self.markdown()}{END}{after}", encoding="utf-8")


def facts() -> dict[str, Any]:
    """When, of what and on what machine."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "machine": f"{os.cpu_count()} x {_processor()}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}",
    }


def _commit() -> str:
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    told = subprocess.run(asked, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
