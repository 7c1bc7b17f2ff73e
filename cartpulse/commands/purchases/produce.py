"""`cartpulse produce`: writes your own purchases from a file, or invented ones, to the topic."""

import os
import sys
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.console import Console

from cartpulse.commands.purchases.file_job import FileJob
from cartpulse.commands.purchases.invent import send_invented, show_invented
from cartpulse.commands.purchases.options import (
    Constants,
    Corrections,
    Delimiter,
    EncodingName,
    FallbackEncoding,
    LayoutName,
    Only,
    Skip,
    Without,
    constants_of,
    corrections_of,
    delimiter_of,
    encoding_of,
    existing,
    rules_of,
)
from cartpulse.commands.purchases.presets import show_presets
from cartpulse.console.exit import FAILED
from cartpulse.console.options import Broker, Json, settings_with
from streams.sources.files.survey import FileOptions
from streams.sources.forms.containers import STANDARD_INPUT
from streams.sources.synthetic.process import Process
from streams.sources.values.counted import SerialDates
from streams.sources.values.evidence import DayOrder, DecimalMark
from streams.sources.values.identifiers import DamagedIds, FloatIds
from streams.sources.values.times_of_day import ClockDigits

EXAMPLE = "Example: cartpulse produce sales.csv --map category=Department --time-zone Europe/London --dry-run"


def produce(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="CSV, JSON or Parquet, also packed (gz, zst, bz2, xz, zip); - is standard input.",
            callback=existing,
        ),
    ] = None,
    *,
    synthetic: Annotated[
        str | None,
        typer.Option(metavar="PROCESS", help="Invent them instead, such as customers=1000000,days=90."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Send nothing: show the first baskets and what would be refused."),
    ] = False,
    corrections: Corrections = None,
    constants: Constants = None,
    only: Only = None,
    without: Without = None,
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
    times: Annotated[
        ClockDigits | None,
        typer.Option(help="How 8 is meant in a column of times; not needed where other times tell."),
    ] = None,
    serial_dates: Annotated[
        SerialDates | None,
        typer.Option(help="What to do with a spreadsheet's serial dates beside dates that are written out."),
    ] = None,
    damaged_ids: Annotated[
        DamagedIds | None,
        typer.Option(help="What to do with rows whose ids a spreadsheet has destroyed, such as 4.00126E+12."),
    ] = None,
    float_ids: Annotated[
        FloatIds | None, typer.Option(help="Whether 13085.0 is the same id as 13085 where both occur.")
    ] = None,
    encoding: EncodingName = None,
    fallback_encoding: FallbackEncoding = None,
    delimiter: Delimiter = None,
    no_header: Annotated[
        bool, typer.Option("--no-header", help="The first line is a row; columns are called 1, 2, ...")
    ] = False,
    skip: Skip = 0,
    preset: LayoutName = None,
    presets: Annotated[
        bool, typer.Option("--presets", help="List the layouts that are known by name, and end.")
    ] = False,
    drop_repeated: Annotated[
        bool, typer.Option("--drop-repeated", help="Refuse lines that repeat another of their basket in all.")
    ] = False,
    allow_truncated: Annotated[
        bool,
        typer.Option("--allow-truncated", help="Send what is whole of a file of JSON that is cut off."),
    ] = False,
    refused: Annotated[
        Path | None,
        typer.Option(help="Write every refused row to this file: line, reason, original.", dir_okay=False),
    ] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the position; beside FILE if not given, nowhere for standard input.",
            file_okay=False,
            exists=True,
        ),
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
    become one basket; baskets are sorted by time. Rows that are no sale (cancelled, refunded, failed) are
    left out and counted. A row that cannot be sent is refused with its reason, and the others are sent.
    Interrupted, the same command goes on where it ended.
    """
    if presets:
        show_presets(Console(), as_json=as_json)
        return
    if (file is None) == (synthetic is None):
        raise typer.BadParameter("name a file or give --synthetic, and not both", param_hint="FILE")
    settings = settings_with(kafka_broker=broker)
    console = Console(stderr=as_json)
    # Invented purchases need none of the options that describe a file.
    if file is None:
        process = Process.parse(synthetic or "")
        if dry_run:
            show_invented(console, settings, process, as_json=as_json)
        else:
            send_invented(console, settings, process, state_dir=state_dir, restart=restart, as_json=as_json)
        return
    if refused is not None and _is_same(refused, file):
        raise typer.BadParameter("this would write over the file itself", param_hint="--refused")
    # Everything that a person said of the file goes into one object; the rest is found out from the file.
    told = FileOptions(
        columns=corrections_of(corrections),
        dates=dates,
        decimal=decimal,
        encoding=encoding_of(encoding, "--encoding"),
        fallback_encoding=encoding_of(fallback_encoding, "--fallback-encoding"),
        delimiter=delimiter_of(delimiter),
        header=not no_header,
        times=times,
        serial_dates=serial_dates,
        damaged_ids=damaged_ids,
        float_ids=float_ids,
        constants=constants_of(constants),
        rules=rules_of(only, without),
        skip=skip,
        preset=preset,
    )
    job = FileJob(
        console=console,
        settings=settings,
        file=file,
        told=told,
        zone=_zone(time_zone or settings.time_zone),
        drop_repeated=drop_repeated,
        refused=refused,
        state_dir=state_dir,
        as_json=as_json,
        allow_truncated=allow_truncated,
    )
    if not (job.rehearse() if dry_run else job.send(restart=restart)):
        raise typer.Exit(FAILED)


def _is_same(refused: Path, file: Path) -> bool:
    """Return True if the refused rows would be written over the file that is read."""
    if file != STANDARD_INPUT:
        return refused.resolve() == file.resolve()
    try:
        return refused.exists() and os.path.samestat(refused.stat(), os.fstat(sys.stdin.fileno()))
    except OSError:  # standard input without a file descriptor, as in tests
        return False


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise typer.BadParameter(
            f"{name!r} is no time zone: write one such as Europe/London", param_hint="--time-zone"
        ) from error
