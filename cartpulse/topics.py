"""`cartpulse topics`: make the topics, or see that they fit."""

import json

import typer

from cartpulse.endings import run
from cartpulse.options import Broker, Json, settings_with
from streams.topics import create_topics, topic_specs

EXAMPLE = "Example: CARTPULSE_PARTITIONS=4 cartpulse topics --broker kafka-1:9092"


def topics(*, broker: Broker = None, as_json: Json = False) -> None:
    """Make the topics that are missing and check those that exist.

    A worker does the same when it starts. A topic that exists and differs is an error that says what to do.
    """
    settings = settings_with(kafka_broker=broker)
    report = run(create_topics(settings))
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
