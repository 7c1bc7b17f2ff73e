"""The service that owns partitions: assignment, epochs, lease, commits, and what is kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka.errors import (
    CommitFailedError,
)

from models.records.decoder import Decoder
from streams.engine.rebalances import RebalanceListener
from streams.errors import (
    ChangelogLostError,
    TopicMismatchError,
)
from streams.membership.conflicts import MOST_REOPENINGS
from streams.partition.run_queue import raw_of
from streams.process.exit_status import Status
from tests.support.kafka.fake_kafka import FakeConsumer, FakeLogs, until
from tests.support.ledgers.counting import CountingLedger
from tests.support.partitions import CHANGELOGS, SETTINGS, SOURCES, clocks, fill, running

if TYPE_CHECKING:
    import pytest


async def test_the_consumer_is_started_before_it_is_subscribed() -> None:
    async with running() as service:
        assert service.kafka.group.calls[0] == ("subscribe", "purchases")


async def test_every_assigned_partition_is_paused_and_sought_in_the_callback_committed_or_not() -> None:
    logs = FakeLogs()
    logs.committed[SOURCES[0]] = 0
    async with running(logs) as service:
        group = service.kafka.group
        group.calls.clear()
        await group.listener.on_partitions_revoked(set())
        group.positions = dict.fromkeys(SOURCES, -1)
        group.listener.on_partitions_assigned(set(SOURCES))
        assert [call[0] for call in group.calls] == ["pause", "seek"] * 2


async def test_a_recovered_partition_is_sought_and_resumed_in_one_step() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        calls = service.kafka.group.calls
        resumed = calls.index(("resume", SOURCES[0]))
        assert calls[resumed - 1] == ("seek", SOURCES[0], 0)


async def test_purchases_are_applied_and_their_end_is_committed() -> None:
    async with running(fill(FakeLogs(), 25)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.logs.committed.get(SOURCES[0]) == 25)
        assert clocks(service.logs)[-1] == 24


async def test_nothing_is_sent_before_the_group_has_accepted_a_commit() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        service.kafka.group.refuse = CommitFailedError()
        await service.kafka.group.rebalance(SOURCES)
        await until(lambda: service.ledgers and service.ledgers[0].clock.offset == 4)
        assert not service.kafka.rows.sent
        service.kafka.group.refuse = None
        await until(lambda: clocks(service.logs))


async def test_a_worker_whose_commits_are_refused_sends_nothing_half_a_session_later() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        service.kafka.group.refuse = CommitFailedError()
        await asyncio.sleep(0.2)
        service.time.at += 0.6
        fill(service.logs, 5)
        service.logs.changed.set()
        await until(lambda: service.ledgers[0].clock.offset == 9)
        await asyncio.sleep(0.05)
        assert clocks(service.logs) == [4]


async def test_only_acknowledged_batches_are_committed() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.logs.committed.get(SOURCES[0]) == 5)
        service.kafka.rows.at_once = False
        fill(service.logs, 5)
        await until(service.kafka.rows.waiting)
        await asyncio.sleep(0.25)
        assert service.logs.committed[SOURCES[0]] == 5
        service.kafka.rows.acknowledge(service.kafka.rows.waiting()[0])
        await until(lambda: service.logs.committed[SOURCES[0]] == 10)


async def test_a_revocation_waits_until_what_is_computed_is_acknowledged_and_commits_it() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        service.kafka.rows.at_once = False
        fill(service.logs, 5)
        await until(service.kafka.rows.waiting)
        revoking = asyncio.create_task(service.kafka.group.listener.on_partitions_revoked(set(SOURCES)))
        await asyncio.sleep(0.02)
        assert not revoking.done()
        while not revoking.done():
            for sent in service.kafka.rows.waiting():
                service.kafka.rows.acknowledge(sent)
            await asyncio.sleep(0.001)
        assert service.logs.committed[SOURCES[0]] == service.ledgers[0].clock.offset + 1
        assert not service.owned


async def test_a_worker_that_stops_opens_nothing_that_it_is_assigned_meanwhile() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        service.kafka.rows.at_once = False
        fill(service.logs, 5)
        await until(service.kafka.rows.waiting)
        made = len(service.ledgers)
        stopping = asyncio.create_task(service.stop())
        await asyncio.sleep(0)
        await service.kafka.group.rebalance(SOURCES)
        assert not service.owned
        await stopping
        assert len(service.ledgers) == made


async def test_a_revocation_does_not_wait_longer_than_its_part_of_the_session() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        service.kafka.rows.at_once = False
        fill(service.logs, 5)
        await until(service.kafka.rows.waiting)
        await asyncio.wait_for(service.kafka.group.listener.on_partitions_revoked(set(SOURCES)), 2)
        assert not service.owned


async def test_a_clean_ledger_is_taken_up_again_when_its_partition_comes_back() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        made = len(service.ledgers)
        await service.assigned(SOURCES[0])
        assert len(service.ledgers) == made
        fill(service.logs, 5)
        await until(lambda: clocks(service.logs) == [4, 9])


async def test_a_kept_ledger_takes_what_another_owner_has_written_meanwhile() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        ledger = service.owned[0].ledger
        await service.assigned(SOURCES[1])
        async with running(service.logs) as successor:
            fill(service.logs, 5)
            await successor.assigned(SOURCES[0])
            await until(lambda: clocks(service.logs) == [4, 9])
        await service.assigned(*SOURCES)
        assert service.owned[0].ledger.clock.offset == 9
        assert service.owned[0].ledger is not ledger  # it was let go when another got the partition


async def test_rows_of_another_worker_in_between_make_the_partition_read_its_changelog_again() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        stale = service.logs.records[CHANGELOGS[0]][0]
        service.logs.append(CHANGELOGS[0], stale.key, stale.value)
        fill(service.logs, 10)
        await until(lambda: service.counts.reopened == 1 and clocks(service.logs)[-1] == 14)
        await until(lambda: service.owned[0].reading)
        fill(service.logs, 3)
        await until(lambda: clocks(service.logs)[-1] == 17)
        assert service.reason is None
        assert service.owned[0].ledger.describe(b"c0") == {"events": 6}


async def test_a_partition_of_which_the_group_takes_no_commit_is_not_opened_again() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs) == [4])
        service.kafka.group.refuse = CommitFailedError()
        service.reopen(service.owned[0], "its producer was fenced off")
        refused = service.counts.commits_refused
        await until(lambda: service.counts.commits_refused > refused)
        fill(service.logs, 3)
        for _ in range(50):
            await asyncio.sleep(0)
        assert not service.owned[0].reading
        assert clocks(service.logs) == [4]
        service.kafka.group.refuse = None
        await service.assigned(*SOURCES)
        await until(lambda: clocks(service.logs)[-1] == 7)


async def test_a_fight_over_a_partition_that_does_not_end_ends_the_worker() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        for number in range(MOST_REOPENINGS):
            await until(lambda: service.owned[0].reading)
            assert service.reason is None, number
            service.reopen(service.owned[0], "its producer was fenced off")
        await until(lambda: service.reason)
        assert "again and again: its producer was fenced off" in str(service.reason)


async def test_a_changelog_that_was_made_anew_under_a_worker_ends_it_for_good() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.logs.committed.get(SOURCES[0]) == 5)
        service.logs.records[CHANGELOGS[0]].clear()
        fill(service.logs, 5)
        await until(lambda: service.reason)
        assert isinstance(service.reason, ChangelogLostError)
        assert "rows landed at offset 0 instead of 4" in str(service.reason)
        assert service.status == Status.REFUSED
        assert service.logs.committed[SOURCES[0]] == 5


async def test_a_broker_that_forgot_everything_ends_a_worker_that_outlived_it_and_says_what_to_do() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.logs.committed.get(SOURCES[0]) == 5)
        service.logs.records.clear()
        service.logs.committed.clear()
        await service.assigned(*SOURCES)
        await until(lambda: service.reason)
        assert isinstance(service.reason, ChangelogLostError)
        assert "it has forgotten everything: start the worker again, and send the purchases again" in str(
            service.reason
        )
        assert service.status == Status.REFUSED
        assert not service.logs.records[CHANGELOGS[0]]


async def test_more_partitions_than_the_state_was_made_for_end_the_worker_for_good() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        service.kafka.group.topics[SETTINGS.purchases_topic] = {0, 1, 2}
        await service.kafka.group.rebalance([SOURCES[1]])
        await until(lambda: service.reason)
        assert isinstance(service.reason, TopicMismatchError)
        assert "has 3 partitions now" in str(service.reason)


async def test_a_key_that_a_zombie_wrote_last_is_written_again_before_anything_else() -> None:
    logs = fill(FakeLogs(), 5)
    async with running(logs) as service:
        await service.assigned(SOURCES[0])
        await until(lambda: clocks(logs) == [4])
    good = {record.key: record.value for record in logs.records[CHANGELOGS[0]]}
    old = CountingLedger()
    (zombie_row, zombie_clock) = old.advance(service_run(logs, 1)).rows
    for row in (zombie_row, zombie_clock):
        logs.append(CHANGELOGS[0], row.key, row.value)
    async with running(logs) as service:
        await service.assigned(SOURCES[0])
        await until(lambda: service.counts.rows_corrected == 2 and clocks(logs)[-1] == 4)
        last = {record.key: record.value for record in logs.records[CHANGELOGS[0]]}
        assert last == good


def service_run(logs: FakeLogs, count: int) -> Any:
    records, _ = Decoder(SETTINGS.ledger).decode(
        [raw_of(record) for record in logs.records[SOURCES[0]][:count]]
    )
    return records


async def test_a_ledger_made_with_other_settings_is_said_to_be(caplog: pytest.LogCaptureFixture) -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(SOURCES[0])
        await until(lambda: service.logs.committed.get(SOURCES[0]) == 5)
        assert "other settings" not in caplog.text
        await service.assigned(SOURCES[0])
        assert "made with other settings" in caplog.text


async def test_what_was_fetched_for_an_old_assignment_is_never_applied() -> None:
    async with running(fill(FakeLogs(), 5), agent=False) as service:
        await service.assigned(*SOURCES)
        old = await asyncio.wait_for(service.batches.get(), 5)
        await service.kafka.group.rebalance(SOURCES)
        ledger = service.ledgers[0]
        async with old:
            await old.deliver(old.ledger.advance(old.records))
        assert ledger.clock.offset == -1


async def test_a_stop_delivers_what_is_computed_commits_it_and_closes_the_clients() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        await service.assigned(*SOURCES)
        await until(lambda: service.ledgers[0].clock.offset == 4)
        await service.stop()
        assert service.logs.committed[SOURCES[0]] == 5
        assert service.kafka.group.stopped
        assert service.kafka.rows.stopped
        assert service.kafka.outputs.stopped
        assert max(service.last_resort) < 10


async def test_a_client_that_does_not_close_does_not_hold_the_stop_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.engine.partitions.CLOSE_SECONDS", 0.01)

    async def hang(_: FakeConsumer) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(FakeConsumer, "stop", hang)
    async with running() as service:
        await asyncio.wait_for(service.stop(), 2)


async def test_a_worker_on_hold_keeps_its_lease_and_applies_nothing() -> None:
    async with running(fill(FakeLogs(), 5)) as service:
        service.hold(paused=True)
        await service.assigned(*SOURCES)
        commits = len(service.kafka.group.commits)
        await until(lambda: len(service.kafka.group.commits) > commits + 2)
        assert service.ledgers[0].clock.offset == -1
        service.hold(paused=False)
        await until(lambda: clocks(service.logs) == [4])


async def test_a_customers_state_is_told_by_the_worker_that_owns_its_partition() -> None:
    async with running(fill(FakeLogs(), 5), partitions=1) as service:
        await service.assigned(SOURCES[0])
        await until(lambda: clocks(service.logs) == [4])
        assert service.describe(b"c0") == {"events": 2}
        assert service.describe(b"nobody") is None


async def test_how_many_partitions_the_group_assigned_is_known_but_during_a_rebalance() -> None:
    async with running() as service:
        assert service.counts.partitions_assigned is None
        await service.assigned(*SOURCES)
        assert service.counts.partitions_assigned == 2
        await RebalanceListener(service).on_partitions_revoked(SOURCES)
        assert service.counts.partitions_assigned is None
        await service.assigned()
        assert service.counts.partitions_assigned == 0
