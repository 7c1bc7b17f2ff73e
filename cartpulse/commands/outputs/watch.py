"""`cartpulse watch`: output events, as they come."""

from contextlib import aclosing
from typing import Annotated, Final

import typer
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.text import Text

from cartpulse.commands.outputs.lines import line
from cartpulse.commands.service.outlook import outlook
from cartpulse.console.exit import run
from cartpulse.console.options import Broker, Json, settings_with
from models.learning.rfm import SEGMENTS
from streams.errors import CartpulseError
from streams.kafka.log.reading import NoSuchTopicError, follow, reader, topics_of
from streams.kafka.topics import OUTPUTS
from streams.operations.events import OutputEvent, Wanted
from streams.operations.log_clock import log_clock
from streams.settings.settings import Settings

EXAMPLE = 'Example: cartpulse watch segment-changes --segment "At Risk"'

STYLES: Final = {"raised": "yellow", "fulfilled": "green", "missed": "red", "withdrawn": "dim"}
"""State of an alert -> style of its line."""


def watch(
    *,
    topics: Annotated[
        list[str] | None,
        typer.Argument(metavar="TOPIC", help=f"Without a prefix; all of {', '.join(OUTPUTS)} if none."),
    ] = None,
    broker: Broker = None,
    as_json: Json = False,
    customer: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this customer's; may be given again.")
    ] = None,
    segment: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Only events that name this segment, such as changes from or to it."
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Only this `ce_type`, whole or short, or alert state."),
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Also what is there already, then what comes.")
    ] = False,
    limit: Annotated[int | None, typer.Option(help="End after so many.", min=1)] = None,
) -> None:
    """Show output events as they come, one a line, until Ctrl-C.

    Reads what is committed, in no group, so that it is in nobody's way. A copy that was delivered again is
    shown again; its `ce_id` is the same.
    """
    settings = settings_with(kafka_broker=broker)
    wanted = Wanted(frozenset(customer or ()), frozenset(map(_segment, segment or ())), frozenset(kind or ()))
    watching = _watch(
        settings, topics or [], wanted, from_beginning=from_beginning, limit=limit, as_json=as_json
    )
    run(watching, quiet=True)


async def _watch(
    settings: Settings,
    names: list[str],
    wanted: Wanted,
    *,
    from_beginning: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    places = await _places(settings, names)
    expected = await _outlook(settings)
    console = Console(highlight=False, markup=False, emoji=False)
    shown = 0

    def started() -> None:
        topics = ", ".join(sorted({place.topic for place in places}))
        typer.echo(f"Watching {topics} at {settings.kafka_broker}. Ctrl-C ends it.", err=True)
        for sentence in expected:
            typer.echo(sentence, err=True)

    async with (
        reader(settings) as consumer,
        aclosing(follow(consumer, places, from_beginning=from_beginning, started=started)) as coming,
    ):
        async for records in coming:
            for seen in filter(wanted.__contains__, map(OutputEvent.of, records)):
                _show(console, seen, as_json=as_json)
                shown += 1
                if shown == limit:
                    return


async def _outlook(settings: Settings) -> list[str]:
    """Say what a service waits for, where this login may see that."""
    try:
        found = await log_clock(settings)
    except (KafkaError, CartpulseError):
        return []
    return outlook(settings, found, found.occurred_at)


async def _places(settings: Settings, names: list[str]) -> list[TopicPartition]:
    """Return the partitions of the topics named, or of every output topic that exists."""
    present = await topics_of(settings)
    topics = [settings.topic(name) for name in names or OUTPUTS]
    there = [topic for topic in topics if topic in present]
    if not there or (names and len(there) < len(topics)):
        missing = ", ".join(sorted(set(topics) - set(there)))
        own = sorted(topic for topic in present if topic.startswith(settings.topic_prefix))
        raise NoSuchTopicError(
            f"{settings.kafka_broker} has no topic {missing}, or this login may not see it. There are: "
            f"{', '.join(own) or 'none'} (CARTPULSE_TOPIC_PREFIX is {settings.topic_prefix!r})."
        )
    return [place for topic in there for place in present[topic]]


def _show(console: Console, seen: OutputEvent, *, as_json: bool) -> None:
    """Print one event: cut to the width of a terminal, whole elsewhere."""
    if as_json:
        typer.echo(seen.as_json())
    elif console.is_terminal:
        style = STYLES.get(str((seen.value or {}).get("state")), "")
        console.print(Text(line(seen), style=style), no_wrap=True, overflow="ellipsis")
    else:
        typer.echo(line(seen))


def _segment(name: str) -> str:
    """Return a segment's name as events write it."""
    for segment in SEGMENTS:
        if segment.casefold() == name.casefold():
            return segment
    raise typer.BadParameter(
        f"there is no {name!r}; the segments are {', '.join(SEGMENTS)}", param_hint="--segment"
    )
