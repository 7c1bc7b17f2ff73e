"""Workers that are killed, stopped, added and ended lose nothing, count nothing twice, and say the same."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from models.ledger.ledger import Ledger
from streams.brokers.apache_kafka import ApacheKafka
from streams.brokers.embedded import LocalBroker
from streams.kafka.options import consumer_options
from streams.process.exit_status import Status
from tests.support.data.purchases import produce, purchase, shop
from tests.support.kafka.cluster import Cluster, Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from models.settings import LedgerSettings
    from streams.settings.settings import Settings
    from tests.conftest import Broker

pytestmark = pytest.mark.end_to_end

SESSION = 2.0
EVENTS = 16_000
SEEDS = range(int(os.environ.get("SEEDS", "2")))
"""Of data and of the moments at which things happen; `SEEDS=20` for a thorough look."""


def real_ledger(settings: LedgerSettings, partition: int, partitions: int) -> Ledger:
    """The ledger of this release, as `cartpulse worker` makes it."""
    return Ledger(settings, partition=partition, partitions=partitions)


REAL = Job(program=("cartpulse", "worker"), ledger=real_ledger)


def baskets(count: int, *, customers: int = 400, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Baskets of random customers."""
    chance = random.Random(seed)
    for number in range(count):
        customer = f"customer-{chance.randrange(customers)}"
        yield customer, purchase(number, customer)


@pytest.fixture(
    params=[
        ("tansu", "at_least_once"),
        pytest.param(("apache_kafka", "at_least_once"), marks=pytest.mark.kafka),
        pytest.param(("apache_kafka", "exactly_once"), marks=pytest.mark.kafka),
    ],
    ids="-".join,
)
def service(request: pytest.FixtureRequest, fresh_settings: Callable[..., Settings]) -> Settings:
    """Four partitions, small batches; on both brokers, and under both guarantees where there are two."""
    name, guarantee = request.param
    broker: Broker = request.getfixturevalue(name)
    return fresh_settings(
        broker, partitions=4, batch_records=100, sweep_limit=50, delivery_guarantee=guarantee
    )


@pytest.mark.parametrize("seed", SEEDS)
async def test_one_of_two_workers_is_killed_and_one_is_added(
    service: Settings, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    async with Cluster(service, tmp_path) as cluster:
        first, _ = cluster.start_worker(SLOW_MS="20"), cluster.start_worker(SLOW_MS="20")
        producing = asyncio.create_task(produce(service, baskets(EVENTS, seed=seed)))
        await cluster.until_applied(chance.randrange(EVENTS // 4))
        first.kill()
        await cluster.until_applied(chance.randrange(EVENTS // 4, EVENTS // 2))
        cluster.start_worker()
        await producing
        await cluster.until_settled()


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_stopped_worker_comes_back_and_its_successor_is_killed(
    service: Settings, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    async with Cluster(service, tmp_path) as cluster:
        stopped = cluster.start_worker(SLOW_MS="50")
        producing = asyncio.create_task(produce(service, baskets(EVENTS, seed=seed)))
        await cluster.until_applied(chance.randrange(1, EVENTS // 8))
        stopped.send_signal(signal.SIGSTOP)
        successor = cluster.start_worker(SLOW_MS="20")
        await asyncio.sleep(2 * SESSION)  # the scenario itself, and no waiting for something
        before = await cluster.applied()
        await cluster.until_applied(before + 1_000)
        stopped.send_signal(signal.SIGCONT)
        await cluster.until_applied(before + chance.randrange(1_000, 4_000))
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


async def test_real_purchases_survive_a_killed_worker_and_an_added_one(
    service: Settings, tmp_path: Path
) -> None:
    async with Cluster(service, tmp_path, REAL) as cluster:
        first, _ = cluster.start_worker(), cluster.start_worker()
        producing = asyncio.create_task(produce(service, shop(30, 240, seed=3)))
        await cluster.until_applied(400)
        first.kill()
        await cluster.until_applied(900)
        cluster.start_worker()
        assert await producing > 1_800
        await cluster.until_settled()
        assert await cluster.outputs() > 100


async def test_one_worker_and_three_make_the_same_of_a_log(service: Settings, tmp_path: Path) -> None:
    async with Cluster(service, tmp_path, REAL) as cluster:
        await produce(service, shop(20, 160, seed=4))
        for _ in range(3):
            cluster.start_worker()
        await cluster.until_settled()


async def test_fausts_own_command_runs_the_app_too(service: Settings, tmp_path: Path) -> None:
    job = Job(program=("faust", "-A", "agents.app", "worker"), ledger=real_ledger)
    async with Cluster(service, tmp_path, job) as cluster:
        worker = cluster.start_worker()
        await produce(service, shop(3, 40, seed=5))
        await cluster.until_settled()
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, 10) == 0


async def test_events_that_make_the_ledger_raise_are_isolated_and_all_others_applied(
    service: Settings, tmp_path: Path
) -> None:
    async with Cluster(service, tmp_path) as cluster:
        cluster.start_worker()
        events = list(baskets(2_000))
        events[500:500] = [("poison", purchase(-1, "poison"))]
        await produce(service, events)
        await cluster.until_applied(2_001)
        letters = await cluster.dead_letters()
        assert [(letter.value, dict(letter.headers)["stage"]) for letter in letters] == [
            (events[500][1], b"apply")
        ]


async def test_a_worker_whose_log_was_cut_ends_with_a_status_and_one_line(
    service: Settings, tmp_path: Path
) -> None:
    async with Cluster(service, tmp_path) as cluster:
        await produce(service, baskets(100))
        consumer = AIOKafkaConsumer(**consumer_options(service, group=service.group))
        await consumer.start()
        consumer.assign([TopicPartition(service.purchases_topic, 0)])
        await consumer.commit({TopicPartition(service.purchases_topic, 0): 7})
        await consumer.stop()
        worker = cluster.start_worker()
        assert await asyncio.to_thread(worker.wait, 30) == Status.REFUSED
        lines = [line for line in cluster.logs().splitlines() if "CRITICAL" in line]
        assert len(lines) == 1
        assert "the group has committed offset 7" in lines[0]
        assert "Traceback" not in cluster.logs()


async def test_an_operator_pauses_a_worker_asks_for_a_customer_and_lets_it_go_on(
    service: Settings, tmp_path: Path
) -> None:
    async with Cluster(service, tmp_path) as cluster:
        cluster.start_worker()
        await produce(service, [("900", purchase(1, "900"))])
        await cluster.until_applied(1)
        answer = await cluster.command({"command": "state", "customer_id": "900"})
        assert answer == {"answer": "state", "customer_id": "900", "state": {"events": 1}}
        await cluster.command({"command": "pause"}, answers=False)
        await cluster.until(lambda: "Told to pause" in cluster.logs(), 10, "the pause")
        await produce(service, [("900", purchase(2, "900"))])
        answer = await cluster.command({"command": "state", "customer_id": "900"})
        assert answer["state"] == {"events": 1}
        await cluster.command({"command": "resume"}, answers=False)
        await cluster.until_applied(2)


async def test_a_worker_whose_broker_is_gone_ends_with_a_status_and_one_line(
    fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    async with LocalBroker() as broker:
        service = fresh_settings(broker, send_deadline_seconds=2)
        async with Cluster(service, tmp_path) as cluster:
            worker = cluster.start_worker(SLOW_MS="20")
            await produce(service, baskets(EVENTS))
            await cluster.until_applied(4_000)
            await broker.stop()
            assert await asyncio.to_thread(worker.wait, 20) == 1
            endings = [line for line in cluster.logs().splitlines() if "The worker ends:" in line]
            assert len(endings) == 1


@pytest.mark.kafka
async def test_the_guarantee_is_changed_worker_by_worker(
    apache_kafka: ApacheKafka, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    service = fresh_settings(
        apache_kafka, partitions=4, batch_records=100, delivery_guarantee="at_least_once"
    )
    exactly = {"CARTPULSE_DELIVERY_GUARANTEE": "exactly_once"}
    async with Cluster(service, tmp_path) as cluster:
        first, second = cluster.start_worker(SLOW_MS="20"), cluster.start_worker(SLOW_MS="20", **exactly)
        producing = asyncio.create_task(produce(service, baskets(EVENTS, seed=9)))
        await cluster.until_applied(EVENTS // 8)
        first.kill()
        cluster.start_worker(SLOW_MS="20", **exactly)
        await cluster.until_applied(EVENTS // 4)
        second.kill()
        cluster.start_worker(SLOW_MS="20")
        await producing
        await cluster.until_settled(90)  # an open transaction of the killed one is ended by the broker


@pytest.mark.kafka
async def test_workers_live_through_the_loss_of_the_broker_and_its_return(
    apache_kafka: ApacheKafka, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    del apache_kafka  # skips where there is none; the broker that is lost is another one
    broker = ApacheKafka()
    await broker.start()
    try:
        service = fresh_settings(broker, partitions=2, batch_records=100)
        async with Cluster(service, tmp_path) as cluster:
            workers = [cluster.start_worker(SLOW_MS="20") for _ in range(2)]
            await produce(service, baskets(10_000))
            await cluster.until_applied(2_000)
            broker.kill()
            await broker.start()
            await cluster.until_settled()
            assert [worker.poll() for worker in workers] == [None, None]
    finally:
        broker.close()
