"""Where logs end: markers count in the high watermark and are no records."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from aiokafka.errors import IllegalStateError
from aiokafka.structs import TopicPartition

from streams.membership.lag import LagTracker

SOURCE = TopicPartition("purchases", 0)


class Consumer:
    """Says what a test makes it say."""

    def __init__(self, *, position: int, highwater: int | None, stable: int | None = None) -> None:
        self.told, self.water, self.stable = position, highwater, stable
        self.assigned = True

    async def position(self, _: TopicPartition) -> int:
        """Where it is."""
        if not self.assigned:
            raise IllegalStateError
        return self.told

    def highwater(self, _: TopicPartition) -> int | None:
        """Markers are counted."""
        assert self.assigned
        return self.water

    def last_poll_timestamp(self, _: TopicPartition) -> int:
        """When the leader answered."""
        assert self.assigned
        return 17

    def last_stable_offset(self, _: TopicPartition) -> int | None:
        """Where the first open transaction begins."""
        return self.stable


def partition(*, expected: int, acknowledged: int) -> Any:
    delivery = SimpleNamespace(acknowledged=acknowledged)
    return SimpleNamespace(source=SOURCE, reading=True, expected=expected, delivery=delivery)


async def test_the_lag_is_what_lies_between_the_acknowledged_offset_and_the_end() -> None:
    ends, owned = (
        LagTracker(Consumer(position=4, highwater=10), holes=True),
        partition(expected=4, acknowledged=3),
    )
    await ends.look(owned)
    assert ends.lag(owned) == 7
    assert not ends.reached(owned)


async def test_a_marker_at_the_end_is_no_lag_once_the_position_has_passed_it() -> None:
    ends, owned = (
        LagTracker(Consumer(position=11, highwater=11), holes=True),
        partition(expected=10, acknowledged=10),
    )
    assert ends.lag(owned) == 1, "not looked yet"
    await ends.look(owned)
    assert ends.reached(owned)
    assert ends.lag(owned) == 0


async def test_what_an_open_transaction_holds_back_is_no_lag() -> None:
    consumer = Consumer(position=6, highwater=40, stable=6)
    ends, owned = LagTracker(consumer, holes=True), partition(expected=6, acknowledged=6)
    await ends.look(owned)
    assert ends.lag(owned) == 0


async def test_a_broker_without_transactions_is_not_asked_about_them() -> None:
    consumer = Consumer(position=6, highwater=40, stable=0)
    ends, owned = LagTracker(consumer, holes=False), partition(expected=6, acknowledged=6)
    await ends.look(owned)
    assert ends.lag(owned) == 34


async def test_before_the_first_fetch_and_when_it_is_taken_away_nothing_is_known() -> None:
    consumer = Consumer(position=0, highwater=None)
    ends, owned = LagTracker(consumer, holes=True), partition(expected=0, acknowledged=0)
    assert not ends.reached(owned)
    assert ends.lag(owned) == 0
    consumer.assigned = False
    await ends.look(owned)
    assert ends.end(owned) is None


def test_the_last_answer_is_the_consumer_s_and_none_for_a_partition_that_is_being_taken_away() -> None:
    consumer = Consumer(position=4, highwater=10)
    ends, owned = LagTracker(consumer, holes=True), partition(expected=4, acknowledged=3)
    assert ends.answered_at(owned) == 17
    consumer.assigned = False
    assert ends.answered_at(owned) is None
