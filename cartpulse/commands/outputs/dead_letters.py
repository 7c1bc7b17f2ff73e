"""`cartpulse dead-letters list|show|replay`: refused records, the reasons, and their way back."""

import json
import sys
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cartpulse.commands.outputs.letter_page import as_json as letter_as_json
from cartpulse.commands.outputs.letter_page import page
from cartpulse.console.exit import FAILED, run
from cartpulse.console.options import Broker, Json, settings_with
from cartpulse.console.terminal import reading_bar
from models.contracts.events import DeadLetterReplayed
from streams.errors import CartpulseError
from streams.operations.dead_letters import Letter, LetterSurvey, Selection, instant, read_letters, survey
from streams.operations.events import printable
from streams.operations.letter_replay import LetterReplay, ReplayReport
from streams.settings.settings import Settings

EXAMPLE = "Example: cartpulse dead-letters list --limit 20"
SHOW_EXAMPLE = "Example: cartpulse dead-letters show 5f50f1a0 --raw > letter.json"
REPLAY_EXAMPLE = "Example: cartpulse dead-letters replay --id 5f50f1a0 --file letter.json"

FIRST_BYTES = 80
"""Bytes of the refused value that a list shows; `show` has all of them."""

Ids = Annotated[
    list[str] | None, typer.Option("--id", metavar="ID", help="Only this one; the beginning will do.")
]
Errors = Annotated[
    list[str] | None, typer.Option("--error", help="Only refused for this error, such as type.")
]
Stages = Annotated[
    list[str] | None, typer.Option("--stage", help="Only refused here: decode, time, duplicate or apply.")
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Only written since then, or in the last 12h.")
]


class NoSuchLetterError(CartpulseError):
    """No dead letter has this id, or more than one id begins with it."""


def list_dead_letters(
    *,
    broker: Broker = None,
    as_json: Json = False,
    ids: Ids = None,
    errors: Errors = None,
    stages: Stages = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(help="At most so many, the oldest first.", min=1)] = 100,
) -> None:
    """List refused records: id, source position, stage, error, field, reason and the first bytes.

    With --json one object a line. The topic `dead-letters` holds the original bytes, untouched.
    """
    settings = settings_with(kafka_broker=broker)
    shown = run(_list(settings, _selection(ids, errors, stages, since), limit=limit, as_json=as_json))
    if not shown and not as_json:
        typer.echo("No dead letters.", err=True)


def show_dead_letter(
    *,
    identity: Annotated[str, typer.Argument(metavar="ID", help="As listed; the beginning will do.")],
    broker: Broker = None,
    as_json: Json = False,
    raw: Annotated[bool, typer.Option("--raw", help="Write the original bytes and nothing else.")] = False,
) -> None:
    """Show one dead letter whole: all headers, the original, and whether it was sent back."""
    settings = settings_with(kafka_broker=broker)
    letter, replayed = run(_find(settings, identity))
    if raw:
        sys.stdout.buffer.write(letter.value or b"")
    elif as_json:
        typer.echo(letter_as_json(letter, replayed))
    else:
        typer.echo(page(letter, replayed))


def replay(
    *,
    broker: Broker = None,
    as_json: Json = False,
    ids: Ids = None,
    errors: Errors = None,
    stages: Stages = None,
    since: Since = None,
    file: Annotated[
        typer.FileBinaryRead | None,
        typer.Option("--file", help="The corrected value of the one letter chosen; - is standard input."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing, say what would be.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Send refused records back to the purchases, unchanged or repaired, each once.

    A letter that was sent back is marked in `dead-letters`, and never sent again; one that a worker would
    refuse again is left where it is, and the command ends with status 1. What is sent keeps its key and its
    bytes; a repaired one gets its customer's key.
    """
    settings = settings_with(kafka_broker=broker)
    # Stage 1: choose the letters, and check that every id names one of them.
    with reading_bar("Reading dead letters") as progress:
        found = run(survey(settings, _selection(ids, errors, stages, since), progress))
    _check(found, ids or [], single=file is not None)
    if not found.chosen:
        typer.echo("No dead letters to send back.", err=True)
        return
    # Stage 2: ask before sending letters that nobody named one by one.
    left = [identity for identity in found.chosen if identity not in found.sent]
    if left and not (ids or yes or dry_run):
        typer.confirm(f"Send {len(left)} record(s) back to {settings.purchases_topic}?", abort=True, err=True)
    # Stage 3: send, and report each letter.
    undone = 0

    def tell(told: ReplayReport) -> None:
        nonlocal undone
        undone += not told.done
        typer.echo(json.dumps(asdict(told)) if as_json else printable(told.sentence()))

    repaired = None if file is None else file.read()
    run(LetterReplay(settings, found, repaired=repaired, tell=tell, dry=dry_run).run())
    if undone:
        raise typer.Exit(FAILED)


async def _list(settings: Settings, selection: Selection, *, limit: int, as_json: bool) -> int:
    count = 0
    async with aclosing(read_letters(settings)) as letters:
        async for letter in letters:
            if isinstance(letter, DeadLetterReplayed) or letter not in selection:
                continue
            told = describe(letter)
            typer.echo(json.dumps(told) if as_json else sentence(told))
            count += 1
            if count == limit:
                break
    return count


async def _find(settings: Settings, identity: str) -> tuple[Letter, DeadLetterReplayed | None]:
    """Find the one letter whose id begins with `identity`, and its marker of a replay; None without one."""
    chosen, found, sent = Selection(frozenset({identity})), list[Letter](), dict[str, DeadLetterReplayed]()
    with reading_bar("Reading dead letters") as progress:
        async with aclosing(read_letters(settings, progress)) as letters:
            async for letter in letters:
                if isinstance(letter, DeadLetterReplayed):
                    sent[letter.letter_id] = letter
                elif letter in chosen and len(found) < 2:
                    found.append(letter)
    _check(LetterSurvey(dict.fromkeys(letter.id for letter in found)), [identity], single=True)
    return found[0], sent.get(found[0].id)


def _check(found: LetterSurvey, ids: list[str], *, single: bool) -> None:
    """Check that every id names exactly one letter.

    Raises:
        NoSuchLetterError: An id names no letter or several, or `--file` comes with several letters.
    """
    for identity in ids:
        named = found.named(identity)
        if not named:
            raise NoSuchLetterError(
                f"No dead letter's id begins with {identity!r}: `cartpulse dead-letters list` shows them."
            )
        if len(named) > 1:
            raise NoSuchLetterError(f"More than one id begins with {identity!r}: {', '.join(named[:5])}.")
    if single and len(found.chosen) != 1:
        raise NoSuchLetterError(
            f"--file repairs one letter, and {len(found.chosen)} are chosen: name it by --id."
        )


def _selection(
    ids: list[str] | None, errors: list[str] | None, stages: list[str] | None, since: str | None
) -> Selection:
    try:
        at = None if since is None else instant(since, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from error
    return Selection(frozenset(ids or ()), frozenset(errors or ()), frozenset(stages or ()), at)


def describe(letter: Letter) -> dict[str, Any]:
    """Return a dead letter's headers and the first bytes of its value, as JSON-able values."""
    told, value = letter.told, letter.value or b""
    return {
        "id": letter.id,
        "topic": told.topic,
        "partition": told.partition,
        "offset": told.offset,
        **({} if told.last_offset is None else {"last_offset": told.last_offset}),
        "key": None if letter.key is None else letter.key.decode(errors="backslashreplace"),
        "stage": told.stage,
        "error": told.error,
        "field": told.field,
        "reason": told.reason,
        "bytes": len(value),
        "first_bytes": value[:FIRST_BYTES].decode(errors="backslashreplace"),
    }


def sentence(letter: dict[str, Any]) -> str:
    """Describe a dead letter for people, on two lines."""
    last = f"-{letter['last_offset']}" if "last_offset" in letter else ""
    place = f"{letter['topic']}[{letter['partition']}]@{letter['offset']}{last}"
    field = f" {letter['field']}:" if letter["field"] else ""
    why = f"{letter['stage']}/{letter['error']}:{field} {letter['reason']}"
    return f"{letter['id']}  {printable(f'{place}  {why}')}\n    {printable(letter['first_bytes'])}"
