"""`cartpulse go-live`: history ends here, and outputs begin."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import typer
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from cartpulse.endings import run
from cartpulse.options import Broker, Json, settings_with
from streams.clients import idempotence, producer_options
from streams.errors import SettingsError
from streams.settings import Settings
from streams.sources.feed import Feed
from streams.sources.replay import NotAcknowledgedError, Replay
from streams.topics import create_topics

EXAMPLE = "Example: CARTPULSE_CLOCK=wall cartpulse go-live --broker kafka-1:9092"


def go_live(*, broker: Broker = None, as_json: Json = False) -> None:
    """Tell a service on the wall clock that its history is loaded.

    Writes a `live` record to every partition of `purchases`. Events from before it shape what is known of
    customers and send nothing; events after it send their outputs, and the clock closes business days.
    """
    settings = settings_with(kafka_broker=broker)
    if settings.clock != "wall":
        raise SettingsError(
            "A service on the log clock has no live moment: what its log holds is all news. "
            "Set CARTPULSE_CLOCK=wall for a service that follows the wall clock."
        )
    now = datetime.now(UTC)
    run(_write(settings, live(now)))
    result: dict[str, Any] = {
        "topic": settings.purchases_topic,
        "partitions": settings.partitions,
        "live_at": now.isoformat(),
    }
    typer.echo(
        json.dumps(result)
        if as_json
        else f"Live from {now:%Y-%m-%d %H:%M:%S} UTC: written to {settings.partitions} partition(s) of "
        f"{settings.purchases_topic}."
    )


def live(moment: datetime) -> Feed:
    """The record that ends history at a moment."""
    written = moment.astimezone(UTC).replace(microsecond=0)
    value = msgspec.json.encode(
        {"kind": "live", "event_id": f"live:{written.isoformat()}", "occurred_at": written}
    )
    return Feed(None, value, int(written.timestamp()) * 1000)


async def _write(settings: Settings, record: Feed) -> None:
    await create_topics(settings)
    producer = AIOKafkaProducer(**producer_options(settings, idempotent=await idempotence(settings)))
    try:
        await producer.start()
        await Replay(producer, settings).send([record])
    except KafkaError as error:
        raise NotAcknowledgedError(f"the broker refused the live record: {error!r}") from error
    finally:
        await producer.stop()
