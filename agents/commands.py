"""Agent for operators' commands: `pause`, `resume`, `state` of a customer, `counts`.

A command is a JSON object on the commands topic, such as `{"command": "state", "customer_id": "900"}`. Every
worker receives every command. An answer is a record of the same topic with `answer` in place of `command`.
The worker that owns the customer's partition answers `state`; every worker answers `counts`; `pause` and
`resume` get no answer.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from streams.app import Engine
    from streams.engine.partitions import Partitions

log = logging.getLogger(__name__)


def add_commands(engine: Engine) -> None:
    """Register the agent that obeys the commands of `engine.commands`."""

    @engine.app.agent(engine.commands, concurrency=1, name="commands")
    async def obey(commands: AsyncIterable[bytes]) -> None:
        async for command in commands:
            try:
                answer = respond(engine.partitions, command)
            except Exception:
                log.exception("A command could not be obeyed: %.200r", command)
                continue
            if answer is not None:
                await engine.commands.send(value=json.dumps(answer).encode())


def respond(partitions: Partitions, command: bytes) -> dict[str, Any] | None:
    """Obey one command.

    Args:
        partitions: Partitions of the worker.
        command: JSON of the command. Answers on the same topic are ignored; anything else that is no command
            is logged and ignored.

    Returns:
        Answer to send, or None if there is none.
    """
    try:
        told = json.loads(command)
    except ValueError:
        told = None
    name = told.get("command") if isinstance(told, dict) else None
    if name in ("pause", "resume"):
        partitions.hold(name == "pause")
        log.info("Told to %s", name)
    elif name == "counts":
        return {
            "answer": "counts",
            "partitions": sorted(partitions.owned),
            "counts": partitions.report(),
        }
    elif name == "state":
        customer = str(told.get("customer_id", ""))
        state = partitions.describe(customer.encode())
        if state is not None:
            return {"answer": "state", "customer_id": customer, "state": state}
    elif not isinstance(told, dict) or "answer" not in told:
        log.warning("This is no command: %.200r", command)
    return None
