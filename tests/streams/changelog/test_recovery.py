"""Recovery: the ledger from the changelog, and whether the source fits it."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import LeaderNotAvailableError
from aiokafka.structs import TopicPartition

from models.ledger.ledger import Ledger
from models.memory.rows import CLOCK_KEY, is_erased, partition_row
from models.settings import LedgerSettings
from streams.changelog.framing import LatestRows, Witness, fill
from streams.changelog.recovery import PositionedLedger, Recovered, check_source, digest, read_to_end, recover
from streams.errors import SourceJumpedError
from tests.support.kafka.fake_kafka import FakeBuilder, FakeConsumer, FakeLogs
from tests.support.ledgers.counting import CountingClock, CountingLedger
from tests.support.ledgers.logs import Replay, basket, drive, erase, records_of, tick

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.contracts.changes import Row

SETTINGS = LedgerSettings()
CHANGELOG, SOURCE = TopicPartition("changelog", 0), TopicPartition("purchases", 0)


def write_row(logs: FakeLogs, key: bytes, offset: int, count: int = 0) -> None:
    content = struct.pack("<Qii", count, 0, 0) if key == CLOCK_KEY else struct.pack("<Q", count)
    logs.append(CHANGELOG, key, partition_row(content, offset=offset, boundary=0))


async def test_a_ledger_is_made_of_the_greatest_rows_and_goes_on_behind_its_clock() -> None:
    logs = FakeLogs()
    for key, offset, count in [(b"a", 8, 3), (CLOCK_KEY, 9, 77), (b"a", 4, 1), (CLOCK_KEY, 5, 33)]:
        write_row(logs, key, offset, count)
    recovered = await recover(FakeConsumer(logs), CHANGELOG, CountingLedger, None)
    assert recovered.ledger.describe(b"a") == {"events": 3}
    assert recovered.ledger.clock.offset == 9
    assert recovered.base == 4
    assert [[row.key for row in rows] for rows in recovered.corrections] == [[b"a", CLOCK_KEY]]


async def test_an_empty_changelog_makes_a_new_ledger() -> None:
    recovered = await recover(FakeConsumer(FakeLogs()), CHANGELOG, CountingLedger, None)
    assert recovered.ledger.clock.offset == -1
    assert recovered.base == 0


def kept_at(
    logs: FakeLogs, base: int, *, live: bool = True, wrong: frozenset[bytes] = frozenset()
) -> PositionedLedger:
    """A ledger that knows the changelog up to a place."""
    ledger, greatest = CountingLedger(), LatestRows()
    greatest.take(logs.records[CHANGELOG][:base])
    ledger.load(greatest.rows.items())
    return PositionedLedger(ledger, base, greatest.last, wrong, live=live)


async def go_on(
    logs: FakeLogs, kept: PositionedLedger | None, stored: PositionedLedger | None = None
) -> Recovered:
    async def load() -> PositionedLedger | None:
        return stored

    return await recover(FakeConsumer(logs), CHANGELOG, CountingLedger, kept, stored=load)


@pytest.mark.parametrize("live", [True, False], ids=["at work before", "from a checkpoint"])
async def test_a_kept_ledger_is_taken_up_again_after_a_look_at_the_tail_alone(*, live: bool) -> None:
    logs = FakeLogs()
    write_row(logs, b"a", 9, 4)
    write_row(logs, CLOCK_KEY, 9)
    kept = kept_at(logs, 2, live=live)
    recovered = await go_on(logs, kept)
    assert recovered.ledger is kept.ledger
    assert (recovered.base, recovered.read) == (2, 0)
    assert recovered.ledger.describe(b"a") == {"events": 4}
    assert recovered.witness == kept.witness
    assert not recovered.corrections


async def test_a_kept_ledger_takes_what_another_owner_has_written() -> None:
    logs = FakeLogs()
    for offset in (9, 12):
        write_row(logs, b"a", offset, offset)
        write_row(logs, CLOCK_KEY, offset)
    kept = kept_at(logs, 2)
    recovered = await go_on(logs, kept)
    assert recovered.ledger is kept.ledger
    assert recovered.ledger.clock.offset == 12
    assert recovered.ledger.describe(b"a") == {"events": 12}
    assert (recovered.base, recovered.read) == (4, 2)


async def test_rows_of_a_zombie_behind_what_was_kept_are_written_again() -> None:
    logs = FakeLogs()
    for key, offset, count in [(b"a", 8, 3), (b"b", 9, 1), (CLOCK_KEY, 9, 77)]:
        write_row(logs, key, offset, count)
    kept = kept_at(logs, 3, wrong=frozenset({b"b"}))
    for key, offset, count in [(b"a", 4, 1), (CLOCK_KEY, 5, 33)]:
        write_row(logs, key, offset, count)
    recovered = await go_on(logs, kept)
    assert recovered.ledger.describe(b"a") == {"events": 3}
    assert recovered.ledger.clock.offset == 9
    assert [[row.key for row in rows] for rows in recovered.corrections] == [[b"a", b"b", CLOCK_KEY]]
    assert recovered.corrections[0][0].value == logs.records[CHANGELOG][0].value


class Shop:
    """A ledger's changelog, step by step."""

    def __init__(self) -> None:
        self.logs, self.ledger, self.greatest = FakeLogs(), Ledger(SETTINGS), LatestRows()

    def apply(self, *values: bytes) -> None:
        """Apply records, and write what changed."""
        records = records_of(values, SETTINGS, first_offset=self.ledger.clock.offset + 1)
        drive(self.ledger, records, Writer(self.logs), sweep_limit=1, finish=True)

    @property
    def kept(self) -> PositionedLedger:
        """The ledger as a checkpoint would keep it."""
        known, file = Ledger(SETTINGS), io.BytesIO()
        self.ledger.save(file)
        file.seek(0)
        known.restore(file)
        log, greatest = self.logs.records[CHANGELOG], LatestRows()
        greatest.take(log)
        return PositionedLedger(known, len(log), greatest.last)

    def write(self, row: Row) -> None:
        """Write a row of a worker that does not know that it lost the partition."""
        self.logs.append(CHANGELOG, row.key, row.value)

    async def recover(self, kept: PositionedLedger | None = None) -> Recovered:
        """As a worker would that has this kept."""
        return await recover(FakeConsumer(self.logs), CHANGELOG, lambda: Ledger(SETTINGS), kept)


class Writer(Replay):
    """Writes rows as the engine does."""

    def __init__(self, logs: FakeLogs) -> None:
        super().__init__()
        self._logs = logs

    def store(self, rows: Iterable[Row]) -> None:
        """Append a step's rows."""
        builder = FakeBuilder()
        for key, value, headers in fill(builder, list(rows), 0).records:
            self._logs.append(CHANGELOG, key, value, headers)


def a_shop() -> tuple[Shop, Row]:
    """Three customers, and the row of one of them."""
    shop = Shop()
    shop.apply(tick(-1), *(basket(f"1/{each}", each, 0.5, ("MILK", "p", 1.0, 2.0)) for each in "abc"))
    return shop, shop.ledger.rows_of([b"b"])[0]


async def test_an_erased_customer_does_not_come_back_with_the_changelog() -> None:
    shop, _ = a_shop()
    before = shop.kept
    shop.apply(erase("b", 0.6), tick(0))
    for kept in (None, shop.kept, before):
        recovered = await shop.recover(kept)
        assert recovered.ledger.describe(b"b") is None
        assert recovered.ledger.describe(b"c") is not None
        assert not recovered.corrections
        assert (recovered.read < len(shop.logs.records[CHANGELOG])) == (kept is not None)


@pytest.mark.parametrize("when", ["before the place", "behind the place"])
async def test_a_stale_row_behind_a_tombstone_is_written_over_and_counts_for_nothing(when: str) -> None:
    shop, stale = a_shop()
    before = shop.kept
    shop.apply(erase("b", 0.6))
    kept = before if when == "behind the place" else shop.kept
    shop.write(stale)
    recovered = await shop.recover(kept)
    assert recovered.ledger.describe(b"b") is None
    assert [[(row.key, is_erased(row.value)) for row in rows] for rows in recovered.corrections] == [
        [(b"b", True)]
    ]
    for rows in recovered.corrections:
        Writer(shop.logs).store(rows)
    again = await shop.recover()
    assert again.ledger.describe(b"b") is None
    assert not again.corrections


async def test_a_standby_that_saw_a_stale_row_behind_a_tombstone_reads_all_to_write_it_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop, stale = a_shop()
    shop.apply(erase("b", 0.6))
    kept = shop.kept
    shop.write(stale)
    shop.apply(tick(0))
    beyond = shop.kept
    recovered = await shop.recover(
        PositionedLedger(beyond.ledger, beyond.base, beyond.witness, frozenset({b"b"}))
    )
    assert "tombstone has to be written again" in caplog.text
    assert [row.key for rows in recovered.corrections for row in rows] == [b"b"]
    assert kept.base < beyond.base


async def unfit(logs: FakeLogs, kept: PositionedLedger, caplog: pytest.LogCaptureFixture) -> Recovered:
    """The recovery from a kept ledger and from a checkpoint that are both thrown away."""
    recovered = await go_on(logs, kept, kept)
    assert len(caplog.messages) == 2
    assert all("is thrown away, and the whole changelog read" in message for message in caplog.messages)
    assert recovered.ledger is not kept.ledger
    assert recovered.origin == ""
    return recovered


async def test_a_place_beyond_a_changelog_that_was_made_anew_is_not_trusted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logs = FakeLogs()
    write_row(logs, CLOCK_KEY, 3)
    assert (
        await unfit(logs, PositionedLedger(CountingLedger(), 900, Witness(899, 1)), caplog)
    ).ledger.clock.offset == 3


async def test_a_changelog_made_anew_and_longer_than_before_is_told_by_the_row_at_the_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    old, new = FakeLogs(), FakeLogs()
    for offset in range(3):
        write_row(old, CLOCK_KEY, offset)
    for offset in range(9):
        write_row(new, b"z", offset)
        write_row(new, CLOCK_KEY, offset)
    recovered = await unfit(new, kept_at(old, 3), caplog)
    assert recovered.ledger.describe(b"z") is not None
    assert "made anew" in caplog.text


async def test_a_place_whose_row_compaction_took_is_not_trusted(caplog: pytest.LogCaptureFixture) -> None:
    logs = FakeLogs()
    for offset in range(9):
        write_row(logs, CLOCK_KEY, offset)
    kept = kept_at(logs, 3)
    del logs.records[CHANGELOG][:8]
    assert (await unfit(logs, kept, caplog)).ledger.clock.offset == 8
    assert "compacted away" in caplog.text


async def test_a_place_before_the_start_of_the_changelog_is_not_trusted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logs = FakeLogs()
    for offset in range(9):
        write_row(logs, CLOCK_KEY, offset)
    kept = kept_at(logs, 3)
    logs.cut(CHANGELOG, 5)
    assert (await unfit(logs, kept, caplog)).ledger.clock.offset == 8


async def test_a_ledger_ahead_of_the_changelog_is_not_trusted(caplog: pytest.LogCaptureFixture) -> None:
    logs = FakeLogs()
    write_row(logs, CLOCK_KEY, 3)
    place = kept_at(logs, 1)
    write_row(logs, b"a", 4)
    write_row(logs, CLOCK_KEY, 4)
    kept = PositionedLedger(kept_at(logs, 3).ledger, 1, place.witness)
    del logs.records[CHANGELOG][1:]  # a broker that lost what it had acknowledged
    assert (await unfit(logs, kept, caplog)).ledger.clock.offset == 3
    assert "ahead of the changelog" in caplog.text


async def test_a_checkpoint_is_asked_for_only_where_nothing_was_kept_that_fits() -> None:
    logs = FakeLogs()
    write_row(logs, CLOCK_KEY, 3)
    kept, stored = kept_at(logs, 1), kept_at(logs, 1, live=False)
    assert (await go_on(logs, kept, stored)).ledger is kept.ledger
    assert (await go_on(logs, None, stored)).ledger is stored.ledger
    assert (await go_on(logs, PositionedLedger(CountingLedger(), 0), stored)).ledger is stored.ledger


async def test_reading_ends_at_the_high_watermark_of_the_first_fetch() -> None:
    logs = FakeLogs()
    for offset in range(3):
        write_row(logs, b"a", offset)
    read = 0
    async for records in read_to_end(FakeConsumer(logs), CHANGELOG, 0):
        read += len(records)
        write_row(logs, b"a", 9)  # somebody goes on writing
    assert read == 3


def purchases(count: int, *, start: int = 0) -> FakeLogs:
    logs = FakeLogs()
    logs.starts[SOURCE] = start
    for number in range(start, count):
        logs.append(SOURCE, b"a", b"purchase %d" % number)
    return logs


def clock(offset: int) -> CountingClock:
    return CountingClock(offset, digest(b"purchase %d" % offset))


async def check(
    logs: FakeLogs, at: CountingClock, committed: int | None = None, *, accept_gap: bool = False
) -> int:
    return await check_source(FakeConsumer(logs), SOURCE, at, committed=committed, accept_gap=accept_gap)


async def test_the_source_goes_on_behind_the_clock_row_whatever_the_group_committed() -> None:
    assert await check(purchases(10), clock(5), committed=2) == 6
    assert await check(purchases(10), clock(9), committed=None) == 10


async def test_a_new_service_begins_at_the_start_of_the_log() -> None:
    assert await check(purchases(10, start=4), CountingClock()) == 4


async def test_a_new_service_may_stop_before_its_first_purchase_where_the_log_begins_later() -> None:
    assert await check(purchases(4, start=4), CountingClock(), committed=4) == 4
    with pytest.raises(SourceJumpedError, match="only knows of 0"):
        await check(purchases(10, start=4), CountingClock(), committed=5)


async def test_purchases_that_are_gone_are_counted_and_stop_the_worker() -> None:
    with pytest.raises(SourceJumpedError, match="begins at offset 8, and 2 purchases from 6 on are gone"):
        await check(purchases(10, start=8), clock(5))


async def test_a_gap_is_left_out_when_that_is_accepted() -> None:
    assert await check(purchases(10, start=8), clock(5), accept_gap=True) == 8


async def test_a_log_that_ends_before_the_state_stops_the_worker() -> None:
    with pytest.raises(SourceJumpedError, match="ends before that"):
        await check(purchases(5), clock(7))
    with pytest.raises(SourceJumpedError, match="ends before that"):
        await check(purchases(7), clock(7))


async def test_another_log_under_the_same_name_stops_the_worker() -> None:
    with pytest.raises(SourceJumpedError, match="not the one that was applied"):
        await check(purchases(10), CountingClock(5, digest(b"something else")))


async def test_a_group_that_is_ahead_of_the_changelog_stops_the_worker() -> None:
    with pytest.raises(SourceJumpedError, match="committed offset 9, but the changelog only knows of 6"):
        await check(purchases(10), clock(5), committed=9)
    with pytest.raises(SourceJumpedError, match="only knows of 0"):
        await check(purchases(10), CountingClock(), committed=1)


async def test_a_last_applied_record_that_retention_took_needs_no_hash() -> None:
    assert await check(purchases(10, start=6), clock(5)) == 6


async def test_a_log_without_holes_is_read_from_0_whatever_start_the_broker_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def second_batch(*_: Any) -> dict[TopicPartition, int]:
        return {SOURCE: 737}

    logs = FakeLogs()
    for number in range(800):
        logs.append(SOURCE, b"c", b"%d" % number)
    reader = FakeConsumer(logs)
    monkeypatch.setattr(reader, "beginning_offsets", second_batch)
    clock = CountingLedger().clock
    for holes, start in ((False, 0), (True, 737)):
        found = await check_source(reader, SOURCE, clock, committed=None, accept_gap=False, holes=holes)
        assert found == start


async def test_a_new_leader_that_does_not_know_its_end_yet_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def behind(*_: Any) -> dict[TopicPartition, int]:
        raise LeaderNotAvailableError

    reader = FakeConsumer(FakeLogs())  # its first fetch would say that the log ends at 0
    monkeypatch.setattr(reader, "end_offsets", behind)
    applied = CountingClock(offset=5)
    with pytest.raises(LeaderNotAvailableError):
        await check_source(reader, SOURCE, applied, committed=None, accept_gap=False, holes=True)
    with pytest.raises(LeaderNotAvailableError):
        await recover(reader, CHANGELOG, CountingLedger, None, holes=True)
