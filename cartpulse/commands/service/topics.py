"""`cartpulse topics`: creation of missing topics, and a check of those that exist."""

import json
from typing import Annotated

import typer

from cartpulse.console.exit import run
from cartpulse.console.options import Broker, Json, settings_with
from streams.errors import SettingsError
from streams.kafka.topics import topic_specs
from streams.operations.go_live import make_topics

EXAMPLE = "Example: CARTPULSE_PARTITIONS=4 cartpulse topics --broker kafka-1:9092"


UntilLive = Annotated[
    bool,
    typer.Option(
        "--until-live",
        help="What is loaded first is history: nothing is sent before `cartpulse go-live`.",
    ),
]
ProducerTime = Annotated[
    bool,
    typer.Option(
        "--producer-time",
        help="New `purchases` keep their producers' time in place of the broker's: for mirrors, and for "
        "sources that invent purchases of the future.",
    ),
]


def topics(
    *,
    broker: Broker = None,
    until_live: UntilLive = False,
    producer_time: ProducerTime = False,
    as_json: Json = False,
) -> None:
    """Make the topics that are missing and check those that exist.

    A service on the wall clock is live from the moment at which its topics are made, unless history is loaded
    first. A worker makes topics, too, when it starts. A topic that exists and differs is an error that says
    what to do.
    """
    settings = settings_with(kafka_broker=broker)
    live = settings.clock == "wall"
    report = run(make_topics(settings, live=live, until_live=until_live, producer_time=producer_time))
    if (until_live or producer_time) and settings.purchases_topic not in report.made:
        option = "--until-live" if until_live else "--producer-time"
        raise SettingsError(
            f"{settings.purchases_topic} was there already: {option} is for new topics. Name them with "
            "CARTPULSE_TOPIC_PREFIX."
        )
    rows = [
        {
            "topic": spec.name,
            "partitions": spec.partitions,
            "state": "made" if spec.name in report.made else "found",
            "config": dict(spec.config),
        }
        for spec in topic_specs(settings)
    ]
    if as_json:
        typer.echo(json.dumps({"topics": rows, "notes": list(report.notes)}, indent=2))
        return
    width = max(len(str(row["topic"])) for row in rows)
    for row in rows:
        typer.echo(f"{row['topic']:<{width}}  {row['partitions']:>3} partitions  {row['state']}")
    for note in report.notes:
        typer.echo(f"note: {note}", err=True)
