"""Outbox: the only way by which a partition's records leave a worker, transactions apart."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

from streams.errors import DeliveryFailedError

if TYPE_CHECKING:
    from aiokafka.structs import TopicPartition

    from streams.delivery.lease import Epoch


class Outbox:
    """Sender of closed record batches: one at a time to each partition, each awaited until acknowledged.

    A batch given to a producer cannot be called back, so the permission must be granted in the same event
    loop step. While aiokafka's `send_batch` waits for an earlier batch to the same partition, the lease could
    lapse. Hence one batch at a time: the next is sent only when the previous one is acknowledged or given up.

    Args:
        producer: Started aiokafka producer.
        deadline: Seconds after which an unacknowledged send has failed. An idempotent producer by itself
            never gives up.
    """

    def __init__(self, producer: Any, *, deadline: float) -> None:
        self._producer = producer
        self._deadline = deadline
        self._locks: defaultdict[TopicPartition, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._under_way: dict[TopicPartition, asyncio.Future[Any]] = {}

    def builder(self) -> Any:
        """Make a new `BatchBuilder`, to be filled, closed and sent."""
        return self._producer.create_batch()

    async def send(self, builder: Any, target: TopicPartition, epoch: Epoch) -> int:
        """Send one record batch under an epoch and its lease.

        Returns:
            The acknowledged base offset.

        Raises:
            Revoked: The epoch ended before the batch was sent.
            DeliveryFailedError: The broker refused the batch, or did not acknowledge it in time.
        """
        async with self._locks[target]:
            earlier = self._under_way.get(target)
            if earlier is not None:
                await asyncio.wait([earlier], timeout=self._deadline)
            await epoch.permit()
            try:
                sent = await self._producer.send_batch(builder, target.topic, partition=target.partition)
                self._under_way[target] = sent
                done, _ = await asyncio.wait([sent], timeout=self._deadline)
                if not done:
                    raise DeliveryFailedError(
                        f"{target.topic}[{target.partition}] did not acknowledge a send within "
                        f"{self._deadline:g} s: is the broker up? (CARTPULSE_SEND_DEADLINE_SECONDS)"
                    )
                self._under_way.pop(target, None)
                return int(sent.result().offset)
            except KafkaError as error:
                raise DeliveryFailedError(
                    f"{target.topic}[{target.partition}] refused a send: {error or type(error).__name__}"
                ) from error
