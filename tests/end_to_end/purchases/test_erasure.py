"""A customer is erased from a running service: what is left is what the privacy page says, and no more."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.structs import TopicPartition

from models.memory.rows import habits_key, is_erased
from streams.changelog.recovery import read_to_end
from streams.operations.customers import UnknownCustomerError, gather
from streams.operations.erasure import write_erasure
from streams.operations.export import gather as gather_all
from tests.end_to_end.service.test_workers import REAL
from tests.support.data.purchases import produce, purchase, shop
from tests.support.kafka.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streams.kafka.log.reading import ReadProgress
    from streams.settings.settings import Settings
    from tests.conftest import Broker

pytestmark = pytest.mark.end_to_end

ERASED = "Zoë née 4711"
"""An id that occurs nowhere by chance."""
TRACES = (ERASED.encode(), json.dumps(ERASED)[1:-1].encode())
"""As topics and files may hold it."""


@pytest.fixture(
    params=[
        ("tansu", "at_least_once"),
        pytest.param(("apache_kafka", "exactly_once"), marks=pytest.mark.kafka),
    ],
    ids="-".join,
)
def service(
    request: pytest.FixtureRequest, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> Settings:
    """Two partitions with checkpoints every second."""
    name, guarantee = request.param
    broker: Broker = request.getfixturevalue(name)
    return fresh_settings(
        broker,
        partitions=2,
        delivery_guarantee=guarantee,
        checkpoint_dir=tmp_path / "checkpoints",
        checkpoint_seconds=1,
        alert_minimum_probability=0.25,
        alert_minimum_lift=0.0,
    )


def history() -> list[tuple[str | None, bytes]]:
    """A shop in which the one who will be erased buys milk every other day."""
    purchases = list(shop(20, 60, seed=8))
    mine = [
        (ERASED, purchase(10_000 + day, ERASED, f"2017-01-{day:02d}T09:00:00Z")) for day in range(1, 20, 2)
    ]
    return sorted([*purchases, *mine], key=lambda record: json.loads(record[1])["occurred_at"])


async def held(cluster: Cluster, topic: str) -> list[Any]:
    """All records of a topic."""
    found: list[Any] = []
    for partition in range(cluster.settings.partitions):
        async for records in read_to_end(cluster._reader, TopicPartition(topic, partition), 0):
            found += records
    return found


def names(content: bytes | None) -> bool:
    """Whether bytes hold the id."""
    return any(trace in (content or b"") for trace in TRACES)


async def test_nothing_is_left_of_an_erased_customer_but_what_the_privacy_page_says(
    service: Settings, tmp_path: Path
) -> None:
    async with Cluster(service, tmp_path, REAL) as cluster:
        worker = cluster.start_worker()
        await produce(service, history())
        await cluster.until_settled()
        before = await gather_all(service, ERASED.encode(), quiet)
        assert before["state"][0]["columns"]["baskets"] == len(before["purchases"]) > 5
        assert before["outputs"]
        await checkpoints_after(cluster)
        assert any(names(path.read_bytes()) for path in files(tmp_path))

        asked_at = datetime.now(UTC)
        await write_erasure(service, ERASED, asked_at)
        await cluster.until_settled()
        await checkpoints_after(cluster)

        assert not [path for path in files(tmp_path) if names(path.read_bytes())]
        assert (await cluster.command({"command": "counts"}))["counts"]["erased"] == 1
        last = {record.key: record.value for record in await held(cluster, service.changelog_topic)}
        assert last[ERASED.encode()] is last[habits_key(ERASED.encode())] is None
        assert not [key for key, row in last.items() if names(row)]

        worker.kill()
        worker.wait()
        cluster.start_worker()
        await cluster.until_settled()
        for partition in range(2):
            for key in (ERASED.encode(), habits_key(ERASED.encode())):
                row = (await cluster._rows(partition)).get(key)
                assert row is None or is_erased(row)
        with pytest.raises(UnknownCustomerError, match="is not known"):
            await gather(service, ERASED.encode(), None, quiet)
        after = await gather_all(service, ERASED.encode(), quiet)
        assert after["state"] == []
        erasures = [one for one in after["purchases"] if one["value"]["kind"] == "erase"]
        assert [one["partition"] for one in erasures] == [0, 1]
        assert [one for one in after["purchases"] if one not in erasures] == before["purchases"]
        news = [one["value"] for one in after["outputs"] if one not in before["outputs"]]
        assert {value.get("state") for value in news} <= {"withdrawn"}
        open_before = {alert["alert_id"] for alert in before["state"][0]["described"]["open_alerts"]}
        assert {value["alert_id"] for value in news} == open_before


@contextlib.contextmanager
def quiet(title: str) -> Iterator[ReadProgress]:
    """No bar."""
    del title

    def show(read: int, of: int) -> None:
        del read, of

    yield show


def files(folder: Path) -> list[Path]:
    """Everything that the workers wrote, their logs too."""
    return [path for path in folder.rglob("*") if path.is_file()]


async def checkpoints_after(cluster: Cluster) -> None:
    """Wait until both partitions have a checkpoint of all that is applied."""
    folder = cluster.settings.checkpoint_dir
    assert folder is not None
    began = datetime.now(UTC).timestamp()
    await produce(cluster.settings, [(None, purchase(90_000, "x", "nonsense"))])  # refused, but applied
    await cluster.until(
        lambda: sum(path.stat().st_mtime > began for path in folder.glob("*.checkpoint")) == 2,
        30,
        "checkpoints",
    )
