"""The clients of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.connections import NEVER_MS, Connections

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from streams.broker import LocalBroker
    from streams.settings import Settings


async def test_the_member_never_leaves_for_want_of_fetches_and_the_reader_has_no_group(
    monkeypatch: pytest.MonkeyPatch, tansu: LocalBroker, fresh_settings: Callable[..., Settings]
) -> None:
    made: list[dict[str, Any]] = []

    class Recorded:
        def __init__(self, **options: Any) -> None:
            made.append(options)

        async def start(self) -> None:
            """Do nothing."""

    monkeypatch.setattr("streams.connections.AIOKafkaConsumer", Recorded)
    settings = fresh_settings(tansu)
    connections = Connections(settings)
    await connections.consumer()
    await connections.reader()
    member, reader = made
    assert (member["group_id"], member["max_poll_interval_ms"]) == (settings.group, NEVER_MS)
    assert member["auto_offset_reset"] == "none"
    assert not member["enable_auto_commit"]
    assert reader.get("group_id") is None


async def test_rows_have_a_producer_of_their_own(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings]
) -> None:
    outputs, rows = await Connections(fresh_settings(tansu)).producers()
    assert outputs is not rows
    for producer in (outputs, rows):
        await producer.stop()
