"""`cartpulse topics`: make the topics, or see that they fit."""

import json
from typing import Annotated

import typer

from cartpulse.endings import run
from cartpulse.go_live import NEVER, write_live
from cartpulse.options import Broker, Json, settings_with
from streams.errors import SettingsError
from streams.topics import create_topics, topic_specs

EXAMPLE = "Example: CARTPULSE_PARTITIONS=4 cartpulse topics --broker kafka-1:9092"


UntilLive = Annotated[
    bool,
    typer.Option(
        "--until-live",
        help="On the log clock: what is loaded first is history, and nothing is sent before "
        "`cartpulse go-live`.",
    ),
]


def topics(*, broker: Broker = None, until_live: UntilLive = False, as_json: Json = False) -> None:
    """Make the topics that are missing and check those that exist.

    A worker does the same when it starts. A topic that exists and differs is an error that says what to do.
    """
    settings = settings_with(kafka_broker=broker)
    if until_live and settings.clock == "wall":
        raise SettingsError("On the wall clock nothing is sent before `cartpulse go-live` anyway.")
    report = run(create_topics(settings))
    if until_live:
        if settings.purchases_topic not in report.made:
            raise SettingsError(
                f"{settings.purchases_topic} was there already, and what its log holds is news: --until-live "
                "is for new topics. Name them with CARTPULSE_TOPIC_PREFIX."
            )
        run(write_live(settings, NEVER))
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
