"""`cartpulse replay`: writes a year of real purchases to a running service."""

from typing import Annotated

import typer
from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cartpulse.console.exit import run
from cartpulse.console.options import Broker, settings_with
from streams.errors import SettingsError
from streams.kafka.opened import opened, reaching
from streams.kafka.options import idempotence, producer_options
from streams.kafka.topics import create_topics
from streams.operations.log_clock import choose_clock, log_clock
from streams.settings.settings import Settings
from streams.sources.complete_journey import CompleteJourney
from streams.sources.sender import RecordSender, SendProgress
from streams.sources.ticks import with_ticks

EXAMPLE = "Example: cartpulse replay --broker kafka-1:9092 --days 60 --speed 2"

DAYS_OF_THE_YEAR = 365


def replay(
    *,
    broker: Broker = None,
    days: Annotated[
        int | None, typer.Option(help="Only the first days of the year.", min=1, max=DAYS_OF_THE_YEAR)
    ] = None,
    speed: Annotated[
        float | None, typer.Option(help="Days to replay in one second; at full speed if not given.", min=0.01)
    ] = None,
) -> None:
    """Write the purchases of The Complete Journey to `purchases`, for workers that run elsewhere.

    `cartpulse demo` starts a broker and a worker of its own; this uses what is there. Sent twice, they count
    once. The shops are in CARTPULSE_TIME_ZONE=America/New_York.
    """
    settings = settings_with(kafka_broker=broker)
    sent = run(_replay(settings, days=days, speed=speed))
    typer.echo(f"{sent.purchases:,} purchases were sent to {settings.purchases_topic}.")


async def _replay(settings: Settings, *, days: int | None, speed: float | None) -> SendProgress:
    await create_topics(settings)
    if choose_clock(settings, await log_clock(settings)) == "wall":
        raise SettingsError(
            f"{settings.purchases_topic} follows the wall clock, on which purchases of 2017 are history, and "
            "nothing would come out. Replay them into topics of their own: set "
            "CARTPULSE_TOPIC_PREFIX=replay. for this command and its workers, or CARTPULSE_CLOCK=log before "
            "a worker opens new topics."
        )
    source = CompleteJourney(days=days)
    columns = (BarColumn(bar_width=20), TextColumn("{task.completed:,.0f} purchases"), TimeElapsedColumn())
    options = producer_options(settings, idempotent=await idempotence(settings))
    async with reaching(settings), opened(AIOKafkaProducer(**options)) as producer:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task("", total=len(source))

            def report(sent: SendProgress) -> None:
                progress.update(bar, completed=sent.purchases)

            sending = RecordSender(producer, settings, days_per_second=speed, progress=report)
            return await sending.send(with_ticks(source, settings.ledger))
