"""A sending that is interrupted goes on where it ended: nothing is skipped, and no purchase is sent twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from cartpulse.commands.purchases.sending import Sender
from streams.kafka.log.reading import read_all
from streams.sources.position import Destination, Position, PositionError
from streams.sources.sender import RecordSender, SendProgress
from streams.sources.synthetic.process import Process
from streams.sources.synthetic.purchases import Synthetic
from streams.sources.ticks import with_ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from streams.brokers.embedded import LocalBroker
    from streams.settings.settings import Settings
    from streams.sources.feed import Feed
    from tests.conftest import Broker

PROCESS = Process(customers=60, days=12)


def feeds(settings: Settings) -> Iterable[Feed]:
    return with_ticks(Synthetic(PROCESS, settings.ledger), settings.ledger)


def position(settings: Settings, path: Path, source: str = "a") -> Position:
    return Position(path, Destination(source, "r", settings.kafka_broker, settings.purchases_topic, 2))


async def held(settings: Settings) -> Counter[bytes]:
    return Counter(
        [record.value async for record in read_all(settings, settings.purchases_topic) if record.key]
    )


class _Interrupted(BaseException):
    """A process that is killed, as far as it can be within one."""


def killed_in_the_middle_of_a_portion(patch: pytest.MonkeyPatch) -> None:
    """Half of the next portion arrives."""
    whole = RecordSender.send

    async def send(self: RecordSender, records: Iterable[Feed]) -> SendProgress:
        portion = list(records)
        done = await whole(self, portion[: len(portion) // 2])
        if portion:
            raise _Interrupted
        return done

    patch.setattr(RecordSender, "send", send)


def killed_after(notes: int) -> Callable[[pytest.MonkeyPatch], None]:
    """So many notes of the position are made; what is acknowledged next is not noted."""

    def interrupt(patch: pytest.MonkeyPatch) -> None:
        left, whole = [notes], Position.advance

        def advance(self: Position, sent: int, ends: Sequence[int], *, finished: bool = False) -> None:
            if not left[0]:
                raise _Interrupted
            left[0] -= 1
            whole(self, sent, ends, finished=finished)

        patch.setattr(Position, "advance", advance)

    return interrupt


async def test_whatever_interrupts_it_every_purchase_arrives_once(
    broker: Broker,
    fresh_settings: Callable[..., Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings, found = fresh_settings(broker, partitions=2), 0
    ways = [killed_after(0), killed_in_the_middle_of_a_portion, killed_after(1), killed_after(3)]
    for interrupt in (*ways, *ways):
        place = position(settings, tmp_path / "position")
        place.load()
        sender = Sender(settings, place, portion=15)
        with monkeypatch.context() as patch:
            interrupt(patch)
            with pytest.raises(_Interrupted):
                await sender.send(feeds(settings))
        found += sender.found
    place = position(settings, tmp_path / "position")
    place.load()
    sender = Sender(settings, place, portion=15)
    await sender.send(feeds(settings))
    assert found + sender.found > 50
    assert position(settings, tmp_path / "position").load().finished
    expected = Counter(record.value for record in feeds(settings) if record.key)
    assert await held(settings) == expected
    assert max(expected.values()) == 1


async def test_a_topic_made_anew_is_noticed(
    tansu: LocalBroker, fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = fresh_settings(tansu, partitions=2)
    place = position(settings, tmp_path / "position")
    place.advance(5, [1_000, 1_000])
    with pytest.raises(PositionError, match="made anew"):
        await Sender(settings, place).send(feeds(settings))


def test_a_position_of_something_else_is_refused_and_named(
    fresh_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    class Nowhere:
        address = "127.0.0.1:1"
        pid = 0

    settings = fresh_settings(Nowhere())
    file = tmp_path / "position"
    position(settings, file).advance(3, [0, 0])
    with pytest.raises(PositionError, match="file has changed"):
        position(settings, file, source="b").load()
    assert position(settings, file, source="b").load(restart=True).sent == 0
    file.write_text("{")
    with pytest.raises(PositionError, match="--restart"):
        position(settings, file).load()
