"""`cartpulse doctor`: examination of the service, with what to do about each finding."""

import json
from typing import Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cartpulse.console.exit import FAILED, run
from cartpulse.console.options import Broker, Json, settings_with
from streams.clock import SystemClock
from streams.operations.diagnosis.findings import Finding, Level
from streams.operations.diagnosis.service import diagnose

EXAMPLE = "Example: cartpulse doctor --broker kafka-1:9092"

STYLES: Final = {
    Level.OK: "green",
    Level.NOTE: "cyan",
    Level.WARNING: "bold yellow",
    Level.FAULT: "bold red",
}


def doctor(*, broker: Broker = None, as_json: Json = False) -> None:
    """Look at the brokers, topics, rights, clock and lag of the service, and say what to do.

    It writes nothing, and may run beside workers. Settings and login are those of the environment: run it
    where a worker runs. The status is 1 if there is a fault, which keeps a worker from running rightly.
    """
    findings = run(diagnose(settings_with(kafka_broker=broker), SystemClock()))
    faults = sum(finding.level is Level.FAULT for finding in findings)
    if as_json:
        told = {"healthy": not faults, "findings": [finding.as_json() for finding in findings]}
        typer.echo(json.dumps(told, indent=2))
    else:
        show(Console(highlight=False), findings)
    if faults:
        raise typer.Exit(FAILED)


def show(console: Console, findings: list[Finding]) -> None:
    """Print one finding after the other, with what to do below it, folded to the terminal's width."""
    table = Table.grid(padding=(0, 1))
    last = ""
    for finding in findings:
        said = Text.assemble((f"{finding.subject}: ", "bold"), finding.said)
        if finding.remedy and finding.remedy != last:
            said.append(f"\n{finding.remedy}", "italic")
        last = finding.remedy
        table.add_row(Text(finding.level, STYLES[finding.level]), said)
    console.print(table)
    faults, warnings = (
        sum(each.level is level for each in findings) for level in (Level.FAULT, Level.WARNING)
    )
    verdict = f"{faults} to be mended" if faults else "Nothing keeps a worker from running"
    verdict += f", {warnings} to look at." if warnings else "."
    console.print(Text(verdict, "bold"))
