"""An edited order: a dead letter `changed` that says what to send, on the topic and by `produce`."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from models.contracts.events import DeadLetter
from streams.settings.settings import variable
from tests.end_to_end.service.test_upgrades import REAL
from tests.support.data.purchases import produce
from tests.support.kafka.cluster import Cluster
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.settings.settings import Settings
    from tests.conftest import Broker

pytestmark = pytest.mark.end_to_end

HEADER = "order_id,customer_id,date,sku,quantity,price\n"
FIRST = HEADER + "77,A,2024-02-01 10:00,S1,1,2.50\n78,A,2024-02-02 10:00,S1,1,2.50\n"
EDITED = HEADER + (
    "77,A,2024-02-01 10:00,S1,5,2.50\n77,A,2024-02-01 10:00,S2,1,9.00\n78,A,2024-02-02 10:00,S1,1,2.50\n"
)


@pytest.fixture
def service(tansu: Broker, fresh_settings: Callable[..., Settings]) -> Settings:
    """Two partitions, on the log's clock."""
    return fresh_settings(tansu, partitions=2, clock="log")


async def produced(settings: Settings, file: Path, text: str, *options: str) -> str:
    """Write a file and send it; what the command says."""
    await asyncio.to_thread(file.write_text, text)
    given = {variable(name): str(getattr(settings, name)) for name in settings.model_fields_set}
    process = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "cartpulse", "produce", str(file), *options],
        env=os.environ | given | {"PYTHONPATH": str(ROOT), "COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


async def letters(cluster: Cluster) -> list[tuple[DeadLetter, Any]]:
    """The dead letters and what they hold."""
    return [(DeadLetter.from_headers(record.headers), record) for record in await cluster.dead_letters()]


async def test_an_edited_order_in_a_file_is_refused_and_told(service: Settings, tmp_path: Path) -> None:
    async with Cluster(service, tmp_path, REAL) as cluster:
        told = json.loads(await produced(service, tmp_path / "v1.csv", FIRST, "--json"))
        assert told["workers"]["read"] == 0
        assert told["workers"]["sent"] == told["sent"] + told["ticks"]
        cluster.start_worker()
        await cluster.until_applied(told["workers"]["sent"])
        before = await cluster.outputs()

        said = await produced(service, tmp_path / "v2.csv", EDITED)
        assert (
            "1 of them was refused by the workers: 1 changed (event ids of orders that were counted before "
            "with other content: send a return and a new order instead)"
        ) in " ".join(said.split())
        ((described, record),) = await letters(cluster)
        assert (described.stage, described.error) == ("duplicate", "changed")
        assert "send a return of what was taken back" in described.reason
        assert json.loads(record.value)["event_id"].startswith("77")
        await cluster.until_settled()
        assert await cluster.outputs() == before

        again = json.loads(await produced(service, tmp_path / "v1.csv", FIRST, "--json", "--restart"))
        assert again["workers"]["refused"] == {}
        assert again["workers"]["read"] == again["workers"]["sent"]
        assert len(await letters(cluster)) == 1


def event(customer: str = "A", at: str = "2024-02-01T10:00:00Z", quantity: float = 1) -> dict[str, Any]:
    """An event of one id."""
    line = {"product_id": "S1", "category": "OAT", "quantity": quantity, "unit_price": 2.5}
    return {
        "event_id": "e1",
        "customer_id": customer,
        "occurred_at": at,
        "currency": "USD",
        "kind": "purchase",
        "items": [line],
    }


async def test_an_id_that_comes_again_is_told_by_time_customer_and_content(
    tansu: Broker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    service = fresh_settings(tansu, clock="log")
    sent = [
        (event(), None),
        (event() | {"till": 7}, None),
        (event(at="2024-02-01T11:00:00.000+01:00"), None),
        (event() | {"store_id": None}, None),
        (event(quantity=3), "changed"),
        (event() | {"channel": "web"}, "changed"),
        (event() | {"items": event()["items"] * 2}, "changed"),
        (event(at="2024-02-01T10:00:01Z"), "reused-id"),
        (event(customer="B"), None),
        (event(), None),
    ]
    async with Cluster(service, tmp_path, REAL) as cluster:
        cluster.start_worker()
        await produce(service, [(said["customer_id"], json.dumps(said).encode()) for said, _ in sent])
        await cluster.until_settled()
        assert [told.error for told, _ in await letters(cluster)] == [code for _, code in sent if code]
        assert {key for key in await cluster._rows(0) if key[:1] != b"\0"} == {b"A", b"B"}
