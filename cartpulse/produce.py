"""`cartpulse produce`: your own purchases, from a file, or invented ones, into the topic."""

import codecs
import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cartpulse.endings import FAILED, run
from cartpulse.options import Broker, Json, settings_with
from cartpulse.producing.sending import Sender
from cartpulse.producing.showing import first_of, show_account, show_baskets, show_reading, summary
from streams.errors import CartpulseError
from streams.settings import Settings
from streams.sources.evidence import DayOrder, DecimalMark
from streams.sources.feed import Feed
from streams.sources.lines import Refused
from streams.sources.position import SUFFIX, Destination, Position, alone
from streams.sources.purchase_file import PurchaseFile
from streams.sources.survey import Told
from streams.sources.ticks import with_ticks

EXAMPLE = "Example: cartpulse produce sales.csv --map category=Department --time-zone Europe/London --dry-run"


class UndecidedError(CartpulseError):
    """The file can be read in two ways, and a person has to say which is meant."""


def produce(
    file: Annotated[
        Path,
        typer.Argument(help="CSV, Parquet or JSON lines.", exists=True, dir_okay=False, readable=True),
    ],
    *,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Send nothing: show the first baskets and what would be refused."),
    ] = False,
    corrections: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Which column is what; again for more. FIELD= leaves one out.",
        ),
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(
            help="Of times without an offset, such as Europe/London; the service's own if not given."
        ),
    ] = None,
    dates: Annotated[
        DayOrder | None,
        typer.Option(help="How 05/06/2010 is meant; not needed where the file's other dates tell."),
    ] = None,
    decimal: Annotated[
        DecimalMark | None,
        typer.Option(help="How 1.250 is meant; not needed where the file's other numbers tell."),
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of the letters, such as windows-1252.")] = None,
    fallback_encoding: Annotated[
        str | None, typer.Option(help="Of lines that are not in the file's encoding; else they are refused.")
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="What parts columns; \\t is a tab.")] = None,
    no_header: Annotated[
        bool, typer.Option("--no-header", help="The first line is a row; columns are called 1, 2, ...")
    ] = False,
    drop_repeated: Annotated[
        bool, typer.Option("--drop-repeated", help="Refuse lines that repeat another of their basket in all.")
    ] = False,
    refused: Annotated[
        Path | None,
        typer.Option(help="Write every refused row to this file: line, reason, original.", dir_okay=False),
    ] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option(help="Folder for the position; beside FILE if not given.", file_okay=False, exists=True),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget the position and send from the beginning.")
    ] = False,
    broker: Broker = None,
    as_json: Json = False,
) -> None:
    """Send the purchases of a file to the service.

    Columns, encoding, delimiter, dates and decimals are found out from the whole file and shown; what could
    be meant in two ways is asked for, never guessed. Rows of one customer, basket number, store and time
    become one basket; baskets are sorted by time. A row that cannot be sent is refused with its reason, and
    the others are sent. Interrupted, the same command goes on where it ended.
    """
    settings = settings_with(kafka_broker=broker)
    console = Console(stderr=as_json)
    zone = _zone(time_zone or settings.time_zone)
    told = Told(
        columns=_corrections(corrections or []),
        dates=dates,
        decimal=decimal,
        encoding=_encoding(encoding),
        fallback_encoding=_encoding(fallback_encoding),
        delimiter="\t" if delimiter == "\\t" else delimiter,
        header=not no_header,
    )
    with ExitStack() as stack:
        keep = stack.enter_context(_refusals(refused)) if refused else None
        source = stack.enter_context(
            PurchaseFile(file, settings.ledger, told, zone, keep=keep, drop_repeated=drop_repeated)
        )
        stack.enter_context(alone(file))
        _read(console, source)
        if dry_run:
            _rehearse(console, source, settings, as_json=as_json)
            return
        _refuse_undecided(source)
        destination = Destination(
            source.survey.encoding.digest,
            _reading(settings, told, zone, drop_repeated=drop_repeated),
            settings.kafka_broker,
            settings.purchases_topic,
            settings.partitions,
        )
        position = Position((state_dir or file.parent) / f"{file.name}{SUFFIX}", destination)
        if position.load(restart=restart).finished:
            typer.echo(
                f"All of {file} was sent before, as {file.name}{SUFFIX} says; --restart sends it again, and "
                "counts nothing twice.",
                err=True,
            )
            return
        records = with_ticks(source, settings.ledger) if settings.clock == "log" else iter(source)
        result = _send(
            console, settings, position, records, total=source.accepted, passed=lambda: source.passed
        )
        if as_json:
            typer.echo(json.dumps(summary(source, settings) | result))
        else:
            show_account(console, source)
            console.print(_sent(result, settings), highlight=False)
    if not source.grouped.baskets:
        raise typer.Exit(FAILED)


def _read(console: Console, source: PurchaseFile) -> None:
    with console.status("Reading the file ...") as status:

        def seen(rows: int) -> None:
            status.update(f"Looking through the file: {rows:,} rows ...")

        def read(rows: int) -> None:
            status.update(f"Reading and sorting: {rows:,} rows ...")

        source.examine(seen)
        source.prepare(read)
    for sentence in source.survey.undecided:
        console.print(escape(f"Not clear: {sentence}"), style="bold", highlight=False)


def _rehearse(console: Console, source: PurchaseFile, settings: Settings, *, as_json: bool) -> None:
    first: list[Feed] = []
    for record in source:
        if len(first) < 3:
            first.append(record)
    if as_json:
        typer.echo(json.dumps(summary(source, settings) | {"first_baskets": first_of(first)}, indent=2))
        return
    show_reading(console, source.survey)
    show_baskets(console, first)
    show_account(console, source)
    console.print("Nothing was sent: this was a rehearsal.", highlight=False)


def _refuse_undecided(source: PurchaseFile) -> None:
    if source.survey.undecided:
        raise UndecidedError("Nothing was sent. " + " ".join(source.survey.undecided))


def _send(
    console: Console,
    settings: Settings,
    position: Position,
    records: Iterator[Feed],
    *,
    total: int,
    passed: Callable[[], int],
) -> dict[str, Any]:
    """Send with a bar that says how many of `total` have `passed`."""
    columns = (TextColumn("Sending"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    before = position.standing.sent
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=total)
        sender = Sender(settings, position, report=lambda _: progress.update(bar, completed=passed()))
        done = run(sender.send(records))
    return {"sent": done.purchases, "ticks": done.ticks, "found": sender.found, "sent_before": before}


def _sent(result: dict[str, Any], settings: Settings) -> str:
    said = f"Sent {result['sent']:,} purchases and {result['ticks']:,} ticks to {settings.purchases_topic}"
    if result["sent_before"] or result["found"]:
        said += (
            f", going on behind {result['sent_before']:,} records; {result['found']:,} purchases more "
            "had arrived"
        )
    return said + "."


@contextmanager
def _refusals(path: Path) -> Iterator[Callable[[Refused], None]]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("line", "reason", "original"))

        def keep(row: Refused) -> None:
            writer.writerow((row.number, row.reason, row.text))

        yield keep


def _reading(settings: Settings, told: Told, zone: ZoneInfo, *, drop_repeated: bool) -> str:
    """A hash of all that shapes what is sent."""
    shaping = (
        *(sorted(told.columns.items()), told.dates, told.decimal, told.encoding, told.fallback_encoding),
        *(told.delimiter, told.header, zone.key, drop_repeated, settings.currency, settings.clock),
        *(settings.time_zone, settings.boundary_hour, settings.lateness_minutes),
    )
    return hashlib.sha256(repr(shaping).encode()).hexdigest()


def _corrections(written: list[str]) -> dict[str, str]:
    pairs = {}
    for each in written:
        field, equals, column = each.partition("=")
        if not equals:
            raise typer.BadParameter(f"{each!r} is not FIELD=COLUMN", param_hint="--map")
        pairs[field.strip()] = column.strip()
    return pairs


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise typer.BadParameter(
            f"{name!r} is no time zone: write one such as Europe/London", param_hint="--time-zone"
        ) from error


def _encoding(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        codecs.lookup(name)
    except LookupError as error:
        raise typer.BadParameter(f"{name!r} is no encoding that is known", param_hint="--encoding") from error
    return name
