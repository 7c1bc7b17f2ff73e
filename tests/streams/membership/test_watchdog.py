"""What stands still is told once, and then ends the worker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streams.errors import BrokerUnreachableError, DeliveryFailedError, EngineError
from streams.membership.watchdog import REJOIN_SECONDS, Watchdog
from tests.support.kafka.fake_kafka import FakeClock


class Yard:
    """A watchdog over one partition."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.left, self.paused = 5, False
        self.answers, self.silent = 0, False
        self.unanswered: float | None = None
        self.unassigned: float | None = None
        self.delivery = SimpleNamespace(acknowledged=7, base=100, idle=True)
        self.partition: Any = Owned(
            number=3,
            under_way_since=None,
            can_fetch=True,
            drained=True,
            delivery=self.delivery,
            epoch=SimpleNamespace(lease=SimpleNamespace(valid=True)),
        )
        self.owned: list[Any] = [self.partition]
        self.watchdog = Watchdog(
            lambda: self.owned,
            clock=self.clock,
            lag=lambda _: self.left,
            answered_at=lambda _: self.answers or None,
            paused=lambda: self.paused,
            unanswered_since=lambda: self.unanswered,
            unassigned_since=lambda: self.unassigned,
            stall=60,
            patience=60,
            session=10,
        )

    def pass_seconds(self, seconds: int) -> None:
        """Look once in each of them."""
        for _ in range(seconds):
            self.clock.at += 1
            self.answers += not self.silent
            self.watchdog.look()


class Owned:
    """As a partition, as far as it is looked at, and a key as it is."""

    def __init__(self, **told: Any) -> None:
        vars(self).update(told)


def test_a_clock_row_that_stands_still_with_lag_is_an_alarm_once_and_then_an_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    yard = Yard()
    yard.pass_seconds(30)
    assert not caplog.records
    yard.pass_seconds(30)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "partition 3 has stood still for 31 s at offset 7, with 5 purchases" in caplog.text
    with pytest.raises(EngineError, match=r"stood still for .* \(CARTPULSE_STALL_SECONDS\)"):
        yard.pass_seconds(3)


def test_finished_steps_behind_one_that_does_not_end_are_an_end_without_any_lag() -> None:
    yard = Yard()
    yard.left, yard.delivery.idle, yard.partition.drained = 0, False, False
    with pytest.raises(EngineError, match="and steps that are not acknowledged"):
        yard.pass_seconds(70)


def test_a_lease_that_never_comes_is_named() -> None:
    yard = Yard()
    yard.partition.epoch.lease.valid = False
    with pytest.raises(EngineError, match="and no lease"):
        yard.pass_seconds(70)


@pytest.mark.parametrize("moves", ["acknowledged", "base"])
def test_what_moves_is_not_stuck_however_slowly(moves: str, caplog: pytest.LogCaptureFixture) -> None:
    yard = Yard()
    for _ in range(9):
        yard.pass_seconds(29)
        setattr(yard.delivery, moves, getattr(yard.delivery, moves) + 1)
    assert not caplog.records


def test_a_partition_with_nothing_to_do_may_stand_still() -> None:
    yard = Yard()
    yard.left = 0
    yard.pass_seconds(500)
    yard.left = 1
    yard.pass_seconds(30)


def test_a_leader_that_answers_no_fetch_ends_the_worker_though_no_lag_is_known() -> None:
    yard = Yard()
    yard.left = 0
    yard.pass_seconds(500)
    yard.silent = True
    yard.pass_seconds(70)
    with pytest.raises(
        BrokerUnreachableError, match="the leader of partition 3 has answered no fetch for 70 s"
    ):
        yard.pass_seconds(1)


def test_a_leader_that_never_answered_is_no_better() -> None:
    yard = Yard()
    yard.left, yard.silent = 0, True
    with pytest.raises(BrokerUnreachableError, match="answered no fetch"):
        yard.pass_seconds(75)


def test_a_leader_who_is_not_asked_need_not_answer() -> None:
    yard = Yard()
    yard.left, yard.silent, yard.partition.can_fetch = 0, True, False
    yard.pass_seconds(500)
    yard.partition.can_fetch = True
    yard.pass_seconds(60)


def test_a_worker_on_hold_is_not_stuck() -> None:
    yard = Yard()
    yard.paused = True
    yard.pass_seconds(500)


def test_a_partition_that_is_being_opened_is_left_alone() -> None:
    yard = Yard()
    yard.partition.delivery = None
    yard.pass_seconds(500)


def test_a_new_assignment_begins_anew() -> None:
    yard = Yard()
    yard.pass_seconds(50)
    yard.owned = [Owned(**vars(yard.partition))]
    yard.pass_seconds(50)


def test_a_batch_that_nobody_finishes_ends_the_worker() -> None:
    yard = Yard()
    yard.left, yard.paused, yard.partition.under_way_since = 0, True, yard.clock.elapsed()
    yard.pass_seconds(60)
    with pytest.raises(EngineError, match="has not finished a batch of partition 3"):
        yard.pass_seconds(1)


def test_while_commits_are_not_answered_the_broker_is_what_is_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    yard = Yard()
    yard.pass_seconds(5)
    yard.unanswered = yard.clock.elapsed()
    yard.pass_seconds(60)
    assert not caplog.records
    with pytest.raises(DeliveryFailedError, match=r"accepted no commit for 60 s.*SEND_DEADLINE"):
        yard.pass_seconds(1)


def test_after_the_broker_is_back_a_partition_has_its_whole_time_again() -> None:
    yard = Yard()
    yard.pass_seconds(20)
    yard.unanswered = yard.clock.elapsed()
    yard.pass_seconds(50)
    yard.unanswered = None
    yard.pass_seconds(55)


def test_a_worker_that_was_stopped_or_suspended_as_a_whole_is_not_stuck() -> None:
    yard = Yard()
    yard.partition.under_way_since = yard.unanswered = yard.clock.elapsed()
    yard.pass_seconds(20)
    yard.clock.at += 10_000
    yard.watchdog.look()
    yard.pass_seconds(55)
    with pytest.raises((EngineError, DeliveryFailedError)):
        yard.pass_seconds(10)


def test_a_group_that_assigns_nothing_ends_the_worker() -> None:
    yard = Yard()
    yard.owned, yard.unassigned = [], yard.clock.elapsed()
    yard.pass_seconds(60 + 10 + int(REJOIN_SECONDS))
    with pytest.raises(BrokerUnreachableError, match="has assigned nothing for 100 s"):
        yard.pass_seconds(1)


def test_how_long_it_has_stood_still_is_told_while_it_does() -> None:
    yard = Yard()
    yard.pass_seconds(21)
    assert yard.watchdog.still(yard.partition) == 20
    yard.delivery.acknowledged += 1
    yard.pass_seconds(1)
    assert yard.watchdog.still(yard.partition) == 0
