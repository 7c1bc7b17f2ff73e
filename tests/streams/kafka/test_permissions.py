"""A worker asks first whether it may join its groups; `end_to_end/test_security.py` has one that may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.brokers.embedded import free_port
from streams.errors import BrokerUnreachableError, NotAllowedError
from streams.kafka.permissions import check_groups
from streams.process.exit_status import Status, status_of
from streams.settings.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Broker


async def test_where_everybody_may_do_everything_nothing_is_said(
    broker: Broker, fresh_settings: Callable[..., Settings]
) -> None:
    await check_groups(fresh_settings(broker), "group")


async def test_a_broker_that_is_away_is_no_missing_right() -> None:
    with pytest.raises(BrokerUnreachableError):
        await check_groups(Settings(kafka_broker=f"127.0.0.1:{free_port(0)}"), "group")


def test_a_missing_right_is_nothing_that_a_restart_mends() -> None:
    assert status_of(NotAllowedError("no right")) is Status.REFUSED
