"""Whether the worker's login may join the groups it has to join.

aiokafka keeps such a refusal to itself until records are fetched, and a member that was given no partition
fetches none: it would stand still in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError

from streams.errors import NotAllowed
from streams.kafka.options import connection, unreachable

if TYPE_CHECKING:
    from streams.settings.settings import Settings


async def check_groups(settings: Settings, group: str) -> None:
    """Ask for the coordinators of the worker's groups, which is what a login without the right is refused.

    Raises:
        NotAllowed: the login may not join one.
        BrokerUnreachable: no broker answers.
    """
    client = AIOKafkaClient(**connection(settings))
    try:
        await client.bootstrap()
        # The second is Faust's, for commands: named after the worker (`app.create_engine`).
        own = f"{settings.application}-worker-{settings.group_instance_id or 'any'}"
        for name in (group, own):
            try:
                await client.coordinator_lookup(CoordinationType.GROUP, name)
            except GroupAuthorizationFailedError as reason:
                raise NotAllowed(
                    f"The login {settings.kafka_sasl_username!r} may not read with the group {name!r}: "
                    "deploy/kafka/acls.sh says which rights a worker needs."
                ) from reason
            except KafkaError:  # a coordinator that is not there yet; whoever joins waits for it
                continue
    except (KafkaError, OSError) as reason:
        raise unreachable(settings, reason) from reason
    finally:
        await client.close()
