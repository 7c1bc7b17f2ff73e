"""Faust app with the service that owns purchases, which runs beside Faust's own transport."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import faust

from streams.clock import SystemClock
from streams.engine.partitions import Partitions
from streams.kafka.clients import Connections
from streams.kafka.options import faust_options
from streams.monitoring.health import Observer
from streams.monitoring.web import Web
from streams.partition.channel import BatchChannel
from streams.process.shutdown import Shutdown

if TYPE_CHECKING:
    from streams.flow import Flow
    from streams.settings.settings import Settings

VOID_BATCHES = 1_000
"""Room in the batch channel for batches of earlier epochs. Such batches may still wait for a slow agent when
a rebalance hands out new ones."""


class Engine(NamedTuple):
    """Faust app with the service and the channels that its agents read."""

    app: faust.App
    partitions: Partitions
    purchases: BatchChannel
    """Channel of purchase batches."""
    commands: faust.TopicT
    """Topic of operators' commands, read by Faust's own transport."""


def create_engine(flow: Flow, settings: Settings) -> Engine:
    """Make the app of one worker. Making the app connects to nothing and needs no event loop.

    Faust's own consumer has a consumer group per worker. So every worker receives every command sent from now
    on, and a rebalance of one worker's Faust group never disturbs another worker. The service is added as a
    dependency. A service declared with `@app.service` would start only after Faust has joined its group and
    recovered its tables.

    Args:
        flow: Flow that the worker runs.
        settings: Service settings.
    """
    # The app: a Faust group and a data folder of its own, no tables, no web server.
    name = settings.group_instance_id or uuid4().hex[:12]
    app = faust.App(
        f"{settings.application}-worker-{name}",
        **faust_options(settings),
        version=1,
        autodiscover=False,
        store="memory://",
        datadir=Path(tempfile.gettempdir()) / f"cartpulse-faust-{os.getuid()}",
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="latest",
        key_serializer="raw",
        value_serializer="raw",
        web_enabled=False,  # `streams.monitoring.web` starts earlier than Faust's web server would
        worker_redirect_stdouts=False,
        broker_session_timeout=settings.session_timeout_ms / 1_000,
        broker_heartbeat_interval=settings.session_timeout_ms / 6_000,
    )
    # The service that owns purchases. The web server is added first, so that it starts first and stops last.
    purchases = BatchChannel(app, maxsize=flow.partitions + VOID_BATCHES)
    connections = Connections(settings, group=flow.group)
    shutdown = Shutdown()
    partitions = Partitions(
        flow, settings=settings, channel=purchases, connections=connections, shutdown=shutdown
    )
    if settings.web_port:
        observer = Observer(settings, partitions, connections)
        app.add_dependency(Web(settings, observer, clock=SystemClock(), ending=shutdown))
    app.add_dependency(partitions)

    @app.on_before_shutdown.connect(weak=False)
    async def stop_partitions(sender: faust.App, **options: object) -> None:
        """Stop the partitions before Faust's own consumer, whose stop can take as long as a join."""
        del sender, options
        await partitions.stop()

    commands = app.topic(settings.commands_topic, key_type=bytes, value_type=bytes, internal=False)
    return Engine(app, partitions, purchases, commands)
