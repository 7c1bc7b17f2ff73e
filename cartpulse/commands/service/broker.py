"""`cartpulse broker`: a broker on this machine, in the foreground: the embedded one, or Apache Kafka."""

from pathlib import Path
from typing import Annotated, Final

import typer

from cartpulse.console.exit import run
from cartpulse.console.options import settings_with
from streams.brokers.apache_kafka import ApacheKafka
from streams.brokers.artifacts import artifacts, fetched, java
from streams.brokers.embedded import LOCAL_SESSION_MS, LocalBroker, free_port
from streams.brokers.node import Node, port_of_a_node
from streams.errors import CartpulseError, LocalBrokerError, TopicMismatchError
from streams.kafka.topics import create_topics, remake_empty

EXAMPLE = "Example: cartpulse broker --kafka --data ~/kafka-data"

KAFKA_SESSION_MS: Final = 10_000
"""Session timeout for Apache Kafka, ms: the settings' default. Apache Kafka answers a join at once, so that
nothing requires a shorter one."""


def broker(
    port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)
    ] = 9092,
    *,
    kafka: Annotated[
        bool,
        typer.Option(
            "--kafka", help="Apache Kafka in place of the embedded broker; needs Java 17 and, once, Maven."
        ),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Where Apache Kafka keeps its data from one start to the next; without it nothing is kept.",
            file_okay=False,
            resolve_path=True,
        ),
    ] = None,
) -> None:
    """Run the local broker until Ctrl-C. It keeps all it holds in memory: when it ends, that is gone.

    It makes the topics of the service before it says that it is ready: the embedded broker would make a topic
    that a client names with partitions of its own choice. The first line it writes names its address, for
    KAFKA_BROKER. With --kafka it is Apache Kafka, as one node without Docker.
    """
    if data is not None and not kafka:
        raise typer.BadParameter("the embedded broker keeps nothing; add --kafka", param_hint="--data")
    if kafka:
        run(_serve_kafka(port, data))
    else:
        run(_serve(LocalBroker(port), LOCAL_SESSION_MS, "The local broker is ready. Ctrl-C ends it."))


async def _serve_kafka(port: int, data: Path | None) -> None:
    java()
    if not fetched():
        typer.echo("Fetching Apache Kafka with Maven, once: 43 MB.", err=True)
        artifacts()
    node = Node(port=free_port(port) if port else port_of_a_node())
    kept = (
        "Its data is in a temporary folder and goes with it; --data DIR keeps it."
        if data is None
        else f"Its data is kept in {data}."
    )
    local = ApacheKafka(node, folder=data)
    await _serve(local, KAFKA_SESSION_MS, f"Apache Kafka is ready. {kept} Ctrl-C ends it.")


async def _serve(local: LocalBroker | ApacheKafka, session_ms: int, ready: str) -> None:
    async with local:
        await _make_topics(local.address)
        typer.echo(f"KAFKA_BROKER={local.address} CARTPULSE_SESSION_TIMEOUT_MS={session_ms}")
        typer.echo(ready, err=True)
        status = await local.wait()
    raise LocalBrokerError(f"The local broker ended by itself with status {status}.")


async def _make_topics(address: str) -> None:
    """Make the topics of the service on the broker that was just started.

    A client that waits for the broker may name a topic a moment earlier: the embedded broker then makes the
    topic with four partitions. Such a topic is made anew, unless it holds records.
    """
    settings = settings_with(kafka_broker=address)
    try:
        await create_topics(settings)
    except TopicMismatchError as mismatch:
        if not await remake_empty(settings):
            typer.echo(f"The topics that are there do not fit this service. {mismatch}", err=True)
    except CartpulseError as reason:
        typer.echo(f"The topics of the service are not made yet: {reason}", err=True)
