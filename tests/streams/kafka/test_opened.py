"""Clients opened for a block: closed whatever happens, and a broker that is away named in one error."""

from __future__ import annotations

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.brokers.embedded import free_port
from streams.errors import BrokerUnreachableError
from streams.kafka.opened import admin, opened, raw_client, reaching
from streams.settings.settings import Settings


class Client:
    """A consumer or producer that remembers what was asked of it."""

    def __init__(self, *, starts: bool = True) -> None:
        self._starts = starts
        self.asked: list[str] = []

    async def start(self) -> None:
        """Connect, or fail to."""
        self.asked.append("start")
        if not self._starts:
            raise KafkaConnectionError

    async def stop(self) -> None:
        """Disconnect."""
        self.asked.append("stop")


async def test_a_client_is_stopped_after_the_block_and_after_an_error_in_it() -> None:
    client = Client()
    async with opened(client) as same:
        assert same is client
        assert client.asked == ["start"]
    assert client.asked == ["start", "stop"]
    broken = Client()
    with pytest.raises(ValueError, match="block"):
        async with opened(broken):
            raise ValueError("block")
    assert broken.asked == ["start", "stop"]


async def test_a_client_that_does_not_start_is_stopped_too() -> None:
    client = Client(starts=False)
    with pytest.raises(KafkaConnectionError):
        async with opened(client):
            pytest.fail("the block is not entered")
    assert client.asked == ["start", "stop"]


@pytest.mark.parametrize("opening", [admin, raw_client])
async def test_a_broker_that_is_away_is_the_error_that_says_what_to_do(opening: object) -> None:
    settings = Settings(kafka_broker=f"127.0.0.1:{free_port(0)}")
    assert callable(opening)
    with pytest.raises(BrokerUnreachableError, match="cartpulse broker"):
        async with reaching(settings), opening(settings):
            pytest.fail("the block is not entered")


@pytest.mark.parametrize("error", [KafkaConnectionError(), ConnectionResetError(), TimeoutError()])
async def test_errors_of_a_broker_are_turned_and_others_are_not(error: Exception) -> None:
    with pytest.raises(BrokerUnreachableError):
        async with reaching(Settings()):
            raise error
    with pytest.raises(KeyError):
        async with reaching(Settings()):
            raise KeyError
