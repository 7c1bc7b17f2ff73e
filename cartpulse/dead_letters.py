"""`cartpulse dead-letters list`: what was refused, and why."""

import json
from contextlib import aclosing
from typing import Annotated, Any

import typer

from cartpulse.endings import run
from cartpulse.options import Broker, Json, settings_with
from cartpulse.reading import read_all
from streams.settings import Settings

EXAMPLE = "Example: cartpulse dead-letters list --limit 20"

FIRST_BYTES = 80
"""How much of the refused value is shown; `--json` gives no more, the topic holds it whole."""


def list_dead_letters(
    *,
    broker: Broker = None,
    as_json: Json = False,
    limit: Annotated[int, typer.Option(help="At most so many, the oldest first.", min=1)] = 100,
) -> None:
    """List refused records: source position, stage, error, field, reason and the first bytes.

    With --json one object a line. The topic `dead-letters` holds the original bytes, untouched.
    """
    settings = settings_with(kafka_broker=broker)
    shown = run(_list(settings, limit=limit, as_json=as_json))
    if not shown and not as_json:
        typer.echo("No dead letters.", err=True)


async def _list(settings: Settings, *, limit: int, as_json: bool) -> int:
    count = 0
    async with aclosing(read_all(settings, settings.dead_letters_topic)) as records:
        async for record in records:
            letter = describe(record)
            typer.echo(json.dumps(letter) if as_json else sentence(letter))
            count += 1
            if count == limit:
                break
    return count


def describe(record: Any) -> dict[str, Any]:
    """A dead letter's headers and the first bytes of its value, as JSON-able values."""
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    return {
        "topic": headers.get("topic", ""),
        "partition": int(headers.get("partition", -1)),
        "offset": int(headers.get("offset", -1)),
        "key": None if record.key is None else record.key.decode(errors="backslashreplace"),
        "stage": headers.get("stage", ""),
        "error": headers.get("error", ""),
        "field": headers.get("field", ""),
        "reason": headers.get("reason", ""),
        "bytes": len(record.value or b""),
        "first_bytes": (record.value or b"")[:FIRST_BYTES].decode(errors="backslashreplace"),
    }


def sentence(letter: dict[str, Any]) -> str:
    """A dead letter for people, on two lines."""
    place = f"{letter['topic']}[{letter['partition']}]@{letter['offset']}"
    field = f" {letter['field']}:" if letter["field"] else ""
    why = f"{letter['stage']}/{letter['error']}:{field} {letter['reason']}"
    return f"{place}  {why}\n    {letter['first_bytes']}"
