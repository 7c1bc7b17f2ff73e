"""Workers that are killed, stopped, added and ended lose nothing, count nothing twice, and say the same."""

from __future__ import annotations

import asyncio
import random
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import Cluster
from tests.support.purchases import produce, purchase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streams.settings import Settings
    from tests.conftest import Broker

pytestmark = pytest.mark.end_to_end

SESSION = 2.0
EVENTS = 30_000


def baskets(count: int, *, customers: int = 400, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Baskets of random customers."""
    chance = random.Random(seed)
    for number in range(count):
        customer = f"customer-{chance.randrange(customers)}"
        yield customer, purchase(number, customer)


@pytest.fixture
def service(broker: Broker, fresh_settings: Callable[..., Settings]) -> Settings:
    """Four partitions, small batches."""
    return fresh_settings(broker, partitions=4, batch_records=100, sweep_limit=50)


async def test_one_of_two_workers_is_killed_and_one_is_added(service: Settings, tmp_path: Path) -> None:
    async with Cluster(service, tmp_path) as cluster:
        first, _ = cluster.start_worker(SLOW_MS="20"), cluster.start_worker(SLOW_MS="20")
        producing = asyncio.create_task(produce(service, baskets(EVENTS)))
        await cluster.until_applied(EVENTS // 10)
        first.kill()
        await cluster.until_applied(EVENTS // 4)
        cluster.start_worker()
        await producing
        await cluster.until_settled()


async def test_a_stopped_worker_comes_back_and_its_successor_is_killed(
    service: Settings, tmp_path: Path
) -> None:
    async with Cluster(service, tmp_path) as cluster:
        stopped = cluster.start_worker(SLOW_MS="50")
        producing = asyncio.create_task(produce(service, baskets(EVENTS)))
        await cluster.until_applied(EVENTS // 20)
        stopped.send_signal(signal.SIGSTOP)
        successor = cluster.start_worker(SLOW_MS="20")
        await asyncio.sleep(2 * SESSION)  # the scenario itself, and no waiting for something
        before = await cluster.applied()
        await cluster.until_applied(before + 1_000)
        stopped.send_signal(signal.SIGCONT)
        await cluster.until_applied(before + 3_000)
        successor.kill()
        await producing
        await cluster.until_settled()
        assert stopped.poll() is None


async def test_two_workers_start_at_nearly_the_same_moment_with_a_slow_agent(
    service: Settings, tmp_path: Path
) -> None:
    async with Cluster(service, tmp_path) as cluster:
        await produce(service, baskets(EVENTS // 2))
        cluster.start_worker(SLOW_MS="50")
        await asyncio.sleep(0.3)  # the scenario itself
        cluster.start_worker(SLOW_MS="50")
        producing = asyncio.create_task(produce(service, baskets(EVENTS // 2, seed=2)))
        await producing
        await cluster.until_settled()


async def test_a_worker_told_to_end_does_so_within_ten_seconds_and_another_goes_on(
    service: Settings, tmp_path: Path
) -> None:
    async with Cluster(service, tmp_path) as cluster:
        ended = cluster.start_worker(SLOW_MS="20")
        await produce(service, baskets(EVENTS))
        await cluster.until_applied(EVENTS // 10)
        ended.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(ended.wait, 10) == 0
        cluster.start_worker()
        await cluster.until_settled()
