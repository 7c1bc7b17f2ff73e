"""`cartpulse catalogue FILE`: names of products, and which of them are available."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cartpulse.commands.purchases.options import (
    Corrections,
    Delimiter,
    EncodingName,
    FallbackEncoding,
    corrections_of,
    delimiter_of,
    encoding_of,
)
from cartpulse.commands.purchases.report import letters
from cartpulse.console.exit import FAILED, run
from cartpulse.console.options import Broker, Json, settings_with
from models.learning.catalogue import MOST_PRODUCTS
from streams.sources.control import write_signals
from streams.sources.files.catalogue_file import Listed, read_catalogue, updates
from streams.sources.files.survey import FileOptions

EXAMPLE = "Example: cartpulse catalogue products.csv --map status=Availability --dry-run"
_SHOWN = 20
"""Refused rows that are shown."""
_TEXT_SHOWN = 80
"""Letters shown of a refused row's text."""


def catalogue(
    *,
    file: Annotated[
        Path, typer.Argument(help="CSV, Parquet or JSON lines.", exists=True, dir_okay=False, readable=True)
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Send nothing: show what would be sent and what refused.")
    ] = False,
    corrections: Corrections = None,
    encoding: EncodingName = None,
    fallback_encoding: FallbackEncoding = None,
    delimiter: Delimiter = None,
    broker: Broker = None,
    as_json: Json = False,
) -> None:
    """Tell the service what products are called and whether they can be had, from a file with one in a row.

    Columns are product_id, name, category and status, or what shops call these; a status is available, out of
    stock or withdrawn, or how many there are. What cannot be had is not recommended from then on, nor is a
    category of which the catalogue lists products and none can be had. A product that the file does not name
    stays as it was. It goes to every partition; sent again, it says the same again.
    """
    settings = settings_with(kafka_broker=broker)
    # Stage 1: read the file as the options say.
    told = FileOptions(
        columns=corrections_of(corrections),
        encoding=encoding_of(encoding, "--encoding"),
        fallback_encoding=encoding_of(fallback_encoding, "--fallback-encoding"),
        delimiter=delimiter_of(delimiter),
    )
    console = Console(stderr=as_json)
    with console.status("Reading the file ...") as status:
        listed = read_catalogue(
            file, told, lambda rows: status.update(f"Reading the file: {rows:,} rows ...")
        )
    # Stage 2: send the records, unless this is a rehearsal.
    records = list(updates(listed.listings.values(), datetime.now(UTC)))
    if records and not dry_run:
        run(write_signals(settings, records))
    # Stage 3: report, for programs or for people.
    result = _summary(listed) | {
        "records": len(records),
        "partitions": settings.partitions,
        "sent": bool(records) and not dry_run,
    }
    if as_json:
        typer.echo(json.dumps(result))
    else:
        _show(console, listed)
        where = f"{settings.partitions} partition(s) of {settings.purchases_topic}"
        console.print(
            f"Written to {where}: {len(records):,} record(s) each."
            if result["sent"]
            else "Nothing was sent" + (": this was a rehearsal." if dry_run else "."),
            highlight=False,
        )
    if not records:
        raise typer.Exit(FAILED)


def _summary(listed: Listed) -> dict[str, Any]:
    return {
        "form": listed.form,
        "columns": listed.columns,
        "rows": listed.rows,
        "products": len(listed.listings),
        **{status.replace("-", "_"): count for status, count in sorted(listed.statuses.items())},
        "repeated": listed.repeated,
        "refused": [{"line": row.number, "reason": row.reason} for row in listed.refused],
    }


def _show(console: Console, listed: Listed) -> None:
    columns = ", ".join(f"{field} is {name!r}" for field, name in listed.columns.items())
    statuses = ", ".join(f"{count:,} {status}" for status, count in sorted(listed.statuses.items()))
    said = [
        f"{listed.form}, {listed.rows:,} rows: {columns}.",
        f"{len(listed.listings):,} products ({statuses or 'none'}); {len(listed.refused):,} rows refused.",
    ]
    if listed.encoding.samples:
        said += letters(listed.encoding)
    if listed.repeated:
        said.append(f"{listed.repeated:,} rows name a product again; the last one counts.")
    if "status" not in listed.columns:
        said.append("No column is the status: all can be had. --map status=COLUMN names one.")
    if "category" not in listed.columns:
        said.append("No column is the category: each product is one of its own. --map category=COLUMN.")
    if len(listed.listings) > MOST_PRODUCTS:
        said.append(
            f"A partition keeps {MOST_PRODUCTS:,} products; what comes later is counted and not kept."
        )
    for sentence in said:
        console.print(escape(sentence), highlight=False)
    if listed.refused:
        table = Table("line", "reason", "original")
        for row in listed.refused[:_SHOWN]:
            table.add_row(str(row.number), escape(row.reason), escape(row.text[:_TEXT_SHOWN]))
        if len(listed.refused) > _SHOWN:
            table.add_row("", f"and {len(listed.refused) - _SHOWN:,} more; --json names all", "")
        console.print(table)
