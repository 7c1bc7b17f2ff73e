"""Sending or rehearsal of a file of purchases: reads, shows, asks, and continues where it was interrupted."""

from __future__ import annotations

import csv
import hashlib
import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import typer
from rich.markup import escape

from cartpulse.commands.purchases.clocks import Sent, ready, with_clock
from cartpulse.commands.purchases.report import (
    first_of,
    show_account,
    show_baskets,
    show_reading,
    summary,
)
from cartpulse.commands.purchases.sending import said, send_with_bar
from cartpulse.commands.service.outlook import outlook
from cartpulse.console.exit import run
from streams.clock import SystemClock
from streams.errors import CartpulseError
from streams.operations.log_clock import log_clock
from streams.sources.files.purchase_file import PurchaseFile
from streams.sources.forms.containers import STANDARD_INPUT, spooled
from streams.sources.position import SUFFIX, Destination, Position, alone
from streams.sources.reading import FUTURE_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from rich.console import Console

    from streams.settings.settings import Settings
    from streams.sources.feed import Feed
    from streams.sources.files.lines import Refused
    from streams.sources.files.survey import FileOptions


_WHOLE: Final = "Fetch it again, or --allow-truncated sends what is whole of it."
_FORMULA_STARTS: Final = tuple("=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20")
"""Beginnings of a cell that a spreadsheet would compute, in letters of either width, and the apostrophe."""


class CutOffError(CartpulseError):
    """The file is cut off, so that nobody can say what is missing."""


class UndecidedError(CartpulseError):
    """The file can be read in two ways, and a person has to choose."""


@dataclass(frozen=True, slots=True)
class FileJob:
    """File on its way to the service.

    Args:
        console: Console to print on.
        settings: Service settings: broker, topic, clock and currency.
        file: CSV, Parquet or JSON, packed or not; `-` is standard input.
        told: Options that a person gave for the file.
        zone: Time zone of times written without an offset.
        drop_repeated: Refuse a line that repeats another line of its basket.
        refused: File for every refused row; None writes none.
        state_dir: Folder of the position. None keeps it beside the file, and keeps no position of standard
            input.
        as_json: Write one JSON object instead of tables.
        allow_truncated: Send the whole rows of a file that is cut off.
    """

    console: Console
    settings: Settings
    file: Path
    told: FileOptions
    zone: ZoneInfo
    drop_repeated: bool
    refused: Path | None
    state_dir: Path | None
    as_json: bool
    allow_truncated: bool = False

    def rehearse(self) -> bool:
        """Show what would be sent, and what would be refused.

        Returns:
            True if something in the file could be sent as it is.
        """
        with self._opened() as source:
            self._rehearsed(source)
            refused = source.survey.undecided or (source.cut_off and not self.allow_truncated)
            return source.grouped.baskets > 0 and not refused

    def send(self, *, restart: bool) -> bool:
        """Send the records behind the stored position.

        Returns:
            True if something in the file could be sent.

        Raises:
            UndecidedError: The file can be read in two ways.
            CutOffError: The file is cut off.
            CartpulseError: The file cannot be read or cannot be sent.
        """
        settings = self.settings
        with self._opened() as source:
            # Stage 1: refuse a file that is not clear or not whole, before anything is sent.
            if source.survey.undecided:
                raise UndecidedError("Nothing was sent. " + " ".join(source.survey.undecided))
            if source.cut_off and not self.allow_truncated:
                raise CutOffError(f"Nothing was sent. {source.cut_off} {_WHOLE}")
            # Stage 2: find the position, and show how the file is read.
            path = self._position_path(source)
            position = Position(path, self._destination(source))
            if position.load(restart=restart).finished:
                typer.echo(
                    f"All of {self._shown} was sent before, as {path} says; --restart sends it again, and "
                    "counts nothing twice.",
                    err=True,
                )
                return True
            if not self.as_json:
                show_reading(self.console, source)
                if path is None:
                    self.console.print(
                        "No position is kept of standard input: interrupted, it starts anew and counts "
                        "nothing twice. --state-dir keeps one.",
                        highlight=False,
                    )
            # Stage 3: send from the position on, with a progress bar.
            found = run(ready(settings))
            sent = Sent()
            records = sent.noted(with_clock(source, settings, found))
            result = send_with_bar(
                self.console, settings, position, records, total=source.accepted, passed=lambda: source.passed
            )
            # Stage 4: report what was sent and what the service makes of it.
            if self.as_json:
                typer.echo(json.dumps(summary(source, settings) | result))
            else:
                show_account(self.console, source)
                self.console.print(said(result, settings), highlight=False)
                for sentence in outlook(settings, run(log_clock(settings)), sent.times):
                    self.console.print(escape(sentence), highlight=False)
            return source.grouped.baskets > 0

    @contextmanager
    def _opened(self) -> Iterator[PurchaseFile]:
        with ExitStack() as stack:
            # Standard input is opened first: a program that writes to it may read the file of refused rows.
            content = stack.enter_context(spooled()) if self._is_standard_input else self.file
            keep = stack.enter_context(_kept(self.refused)) if self.refused else None
            source = stack.enter_context(
                PurchaseFile(
                    content,
                    self.settings.ledger,
                    self.told,
                    self.zone,
                    latest=SystemClock().now_ms() + FUTURE_MS,
                    keep=keep,
                    drop_repeated=self.drop_repeated,
                )
            )
            if not self._is_standard_input:
                stack.enter_context(alone(self.file))
            self._read(source)
            yield source

    @property
    def _is_standard_input(self) -> bool:
        return self.file == STANDARD_INPUT

    @property
    def _shown(self) -> str:
        return "standard input" if self._is_standard_input else str(self.file)

    def _position_path(self, source: PurchaseFile) -> Path | None:
        """Choose the file of the position; that of standard input is named by its content."""
        if not self._is_standard_input:
            return (self.state_dir or self.file.parent) / f"{self.file.name}{SUFFIX}"
        if self.state_dir is None:
            return None
        return self.state_dir / f"standard-input-{source.survey.encoding.digest[:16]}{SUFFIX}"

    def _read(self, source: PurchaseFile) -> None:
        with self.console.status("Reading the file ...") as status:
            source.examine(lambda rows: status.update(f"Looking through the file: {rows:,} rows ..."))
            source.prepare(lambda rows: status.update(f"Reading and sorting: {rows:,} rows ..."))

    def _rehearsed(self, source: PurchaseFile) -> None:
        first: list[Feed] = []
        for record in source:
            if len(first) < 3:
                first.append(record)
        if self.as_json:
            report = summary(source, self.settings) | {"first_baskets": first_of(first)}
            typer.echo(json.dumps(report, indent=2))
            return
        show_reading(self.console, source)
        show_baskets(self.console, first)
        show_account(self.console, source, rows=True)
        for sentence in source.survey.undecided:
            self.console.print(escape(f"Not clear yet. {sentence}"), style="bold", highlight=False)
        if source.cut_off and not self.allow_truncated:
            self.console.print(f"Not whole. {_WHOLE}", style="bold", highlight=False)
        self.console.print("Nothing was sent: this was a rehearsal.", highlight=False)

    def _destination(self, source: PurchaseFile) -> Destination:
        """Return source and topic of the sending, with a hash of all that shapes the records."""
        settings, told = self.settings, self.told
        shaping = (
            *(sorted(told.columns.items()), told.dates, told.decimal, told.encoding, told.fallback_encoding),
            *(told.times, told.serial_dates, told.damaged_ids, told.float_ids),
            *(told.delimiter, told.header, told.skip, source.survey.preset, self.zone.key),
            *(self.drop_repeated, settings.currency),
            *(sorted(told.constants.items()), sorted(told.rules.only.items())),
            sorted(told.rules.without.items()),
            *(settings.time_zone, settings.boundary_hour, settings.lateness_minutes),
        )
        return Destination(
            source.survey.encoding.digest,
            hashlib.sha256(repr(shaping).encode()).hexdigest(),
            settings.kafka_broker,
            settings.purchases_topic,
            settings.partitions,
        )


def defused(cell: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would take for a formula.

    A text that begins with an apostrophe gets another one. The first apostrophe of a cell is therefore never
    the text's own, and the cell without it is the original text.

    >>> defused("=1+1"), defused("'tis"), defused("1,A,x")
    ("'=1+1", "''tis", '1,A,x')
    """
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


@contextmanager
def _kept(path: Path) -> Iterator[Callable[[Refused], None]]:
    """Write refused rows as CSV that is safe to open in a spreadsheet."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("line", "reason", "original"))

        def keep(row: Refused) -> None:
            writer.writerow((row.number, defused(row.reason), defused(row.text)))

        yield keep
