"""The lease and the epoch: when something may be sent."""

from __future__ import annotations

import asyncio

import pytest

from streams.delivery.lease import Epoch, Lease, Revoked
from tests.support.kafka.fake_kafka import FakeClock


async def test_a_new_lease_is_not_valid() -> None:
    assert not Lease(FakeClock(), 6.0).valid


async def test_a_lease_is_good_for_half_a_session_after_the_commit_was_asked_for() -> None:
    clock = FakeClock()
    lease = Lease(clock, 6.0)
    asked = clock.elapsed()
    clock.at += 2.0
    lease.renew(asked)
    assert lease.remaining == pytest.approx(1.0)
    clock.at += 1.0
    assert not lease.valid


async def test_an_answer_that_comes_late_does_not_shorten_a_lease() -> None:
    clock = FakeClock()
    lease = Lease(clock, 6.0)
    lease.renew(clock.elapsed())
    lease.renew(clock.elapsed() - 2.0)
    assert lease.remaining == pytest.approx(3.0)


async def test_permission_waits_until_a_lapsed_lease_is_renewed() -> None:
    clock = FakeClock()
    epoch = Epoch(Lease(clock, 6.0))
    waiting = asyncio.create_task(epoch.permit())
    await asyncio.sleep(0)
    assert not waiting.done()
    epoch.lease.renew(clock.elapsed())
    await waiting


async def test_whoever_waits_for_the_permission_of_an_epoch_that_ends_is_told() -> None:
    epoch = Epoch(Lease(FakeClock(), 6.0))
    waiting = asyncio.create_task(epoch.permit())
    await asyncio.sleep(0)
    epoch.end()
    with pytest.raises(Revoked):
        await waiting


async def test_a_valid_lease_does_not_help_an_epoch_that_is_over() -> None:
    clock = FakeClock()
    epoch = Epoch(Lease(clock, 6.0))
    epoch.lease.renew(clock.elapsed())
    epoch.end()
    with pytest.raises(Revoked):
        await epoch.permit()
