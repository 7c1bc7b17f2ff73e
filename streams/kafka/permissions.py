"""Check that the worker's login may join the groups that the worker has to join.

aiokafka does not report such a refusal until records are fetched, and a member without a partition fetches
none: the worker would do nothing and log nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.client import CoordinationType
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError

from streams.errors import NotAllowedError
from streams.kafka.opened import raw_client, reaching

if TYPE_CHECKING:
    from streams.settings.settings import Settings


async def check_groups(settings: Settings, group: str) -> None:
    """Ask for the coordinators of the worker's groups: a login without the right is refused this request.

    Raises:
        NotAllowedError: The login may not join one of the groups.
        BrokerUnreachableError: No broker answers.
    """
    async with reaching(settings), raw_client(settings) as client:
        # The second group is Faust's, for commands: it is named after the worker (`app.create_engine`).
        own = f"{settings.application}-worker-{settings.group_instance_id or 'any'}"
        for name in (group, own):
            try:
                await client.coordinator_lookup(CoordinationType.GROUP, name)
            except GroupAuthorizationFailedError as reason:
                raise NotAllowedError(
                    f"The login {settings.kafka_sasl_username!r} may not read with the group {name!r}",
                    remedy="deploy/kafka/acls.sh says which rights a worker needs.",
                ) from reason
            except KafkaError:  # the coordinator is not available yet; joining waits for it
                continue
