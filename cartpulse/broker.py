"""`cartpulse broker`: the local broker, in the foreground."""

from typing import Annotated

import typer

from cartpulse.endings import run
from streams.broker import LOCAL_SESSION_MS, LocalBroker
from streams.errors import LocalBrokerError

EXAMPLE = "Example: cartpulse broker --port 9092"


def broker(
    port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)
    ] = 9092,
) -> None:
    """Run the local broker until Ctrl-C. It keeps all it holds in memory: when it ends, that is gone.

    The first line it writes names its address, for KAFKA_BROKER.
    """
    run(_serve(port))


async def _serve(port: int) -> None:
    async with LocalBroker(port) as local:
        typer.echo(f"KAFKA_BROKER={local.address} CARTPULSE_SESSION_TIMEOUT_MS={LOCAL_SESSION_MS}")
        typer.echo("The local broker is ready. Ctrl-C ends it.", err=True)
        status = await local.wait()
    raise LocalBrokerError(f"The local broker ended by itself with status {status}.")
