"""What the logs say of a service, and what to do about it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from models.memory.rows import CLOCK_KEY, ROW_VERSION, seal, unseal
from models.records.partitioner import partition_of
from models.state.clock_row import ClockRow
from streams.kafka.log.ends import LogEnd
from streams.operations.diagnosis.findings import Finding, Level
from streams.operations.diagnosis.logs import Logs, log_findings, read_logs
from streams.settings.settings import Settings
from tests.support.data.purchases import purchase
from tests.support.kafka.fake_kafka import Record

if TYPE_CHECKING:
    from typing import Literal

    import pytest

SETTINGS = Settings(partitions=4)
NOW = 1_500_000_000_000
CLOCK = ClockRow(
    offset=99,
    watermark=NOW - 3_600_000,
    begun=10,
    finished=10,
    fingerprint=SETTINGS.ledger.fingerprint,
    partitions=4,
)


def logs(
    clock: ClockRow | None = CLOCK,
    *,
    start: int = 0,
    end: int = 100,
    placed_by: Literal["murmur2", "crc32", "chance"] = "murmur2",
    stamped: int = NOW,
) -> Logs:
    """Four partitions of a hundred purchases each."""
    records: dict[int, list[Record]] = {number: [] for number in range(4)}
    for number in range(400):
        customer = str(number)
        home = number % 4 if placed_by == "chance" else partition_of(customer.encode(), 4, placed_by)
        value = purchase(number, customer)
        records[home].append(Record("purchases", home, number, customer.encode(), value, timestamp=stamped))
    ends = {number: LogEnd(start, end, held) for number, held in records.items()}
    return Logs(ends, {} if clock is None else dict.fromkeys(ends, clock))


def findings(read: Logs, settings: Settings = SETTINGS) -> dict[str, Finding]:
    """The last of each subject."""
    return {finding.subject: finding for finding in log_findings(settings, read, now=NOW)}


def test_a_log_that_is_applied_leaves_nothing_to_do() -> None:
    found = findings(logs())
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert found["lag"].said == "Every purchase in the log is applied."
    assert found["clock"].said == "The log clock; the watermark is at 2017-07-14T01:40:00Z."


def test_what_is_not_applied_is_counted_by_partition() -> None:
    lag = findings(logs(replace(CLOCK, offset=89)))["lag"]
    assert lag.level is Level.NOTE
    assert "40 records of purchases are not applied (partition 0: 10, 1: 10, 2: 10, 3: 10)" in lag.said
    assert findings(logs(None))["lag"].said.startswith("400 records")


def test_partitions_of_few_customers_are_advised_against() -> None:
    few = findings(logs(replace(CLOCK, rows=700)))["customers"]
    assert few.level is Level.NOTE
    assert "Each of the 4 partitions knows about 700 customers" in few.said
    assert "customers" not in findings(logs(replace(CLOCK, rows=10_000)))
    assert "customers" not in findings(logs(replace(CLOCK, rows=700)), Settings(partitions=1))


def test_a_log_that_was_made_anew_is_a_fault_with_its_way_on() -> None:
    source = findings(logs(end=50))["source"]
    assert source.level is Level.FAULT
    assert "reset" in source.remedy


def test_purchases_that_retention_removed_are_a_fault_with_its_way_on() -> None:
    source = findings(logs(start=110, end=200))["source"]
    assert source.level is Level.FAULT
    assert "--accept-gap" in source.remedy


def test_a_state_made_anew_in_quiet_has_no_gap_before_its_first_record() -> None:
    quiet = ClockRow(partitions=4, quiet_offset=90, quiet_boundary=9)
    assert "source" not in findings(logs(quiet, start=5))


def test_rows_of_an_earlier_release_are_a_fault_with_its_way_on(monkeypatch: pytest.MonkeyPatch) -> None:
    version = (ROW_VERSION - 1).to_bytes(2, "little")
    row = Record("changelog", 0, 7, CLOCK_KEY, seal(version + unseal(CLOCK.encode())[2:]))
    ends = {"purchases": logs().purchases, SETTINGS.changelog_topic: {0: LogEnd(0, 8, [row])}}

    async def read(_: Settings, topic: str, __: int) -> dict[int, LogEnd]:
        return dict(ends[topic])

    monkeypatch.setattr("streams.operations.diagnosis.logs.log_ends", read)
    found = findings(asyncio.run(read_logs(SETTINGS)))
    assert found.keys() == {"changelog", "partitioner"}
    assert found["changelog"].level is Level.FAULT
    assert "`cartpulse reset --quiet`" in found["changelog"].remedy


def test_a_service_keeps_its_clock_and_a_setting_to_the_contrary_is_told() -> None:
    log = Settings(partitions=4, clock="log")
    found = findings(logs(replace(CLOCK, wall=True, live_at=1)), log)["clock"]
    assert found.level is Level.OK
    assert "The wall clock, which this service keeps (CARTPULSE_CLOCK=log is for" in found.said


def test_a_state_made_for_other_partitions_is_a_fault() -> None:
    made = [
        finding
        for finding in log_findings(SETTINGS, logs(replace(CLOCK, partitions=8)), now=NOW)
        if finding.level is Level.FAULT
    ]
    assert [finding.said for finding in made] == ["The state was made for 8 partitions."]


def test_purchases_without_a_live_record_are_a_warning_on_the_wall_clock_alone() -> None:
    silent = findings(logs(replace(CLOCK, wall=True)))["live"]
    assert (silent.level, "go-live" in silent.remedy) == (Level.WARNING, True)
    assert "live" not in findings(logs(replace(CLOCK, wall=True, live_at=1)))
    assert "live" not in findings(logs())
    unread = findings(logs(None))  # no worker has run yet, and the short logs are seen whole
    assert "holds purchases and no `live` record" in unread["live"].said
    assert "live" not in findings(logs(None), Settings(partitions=4, clock="log"))


def test_timestamps_that_are_none_are_named_once() -> None:
    every = log_findings(SETTINGS, logs(stamped=-1), now=NOW)
    (found,) = [finding for finding in every if finding.subject == "timestamps"]
    assert found.level is Level.WARNING
    assert "400 of the last 400 records" in found.said


def test_history_that_is_being_loaded_is_told() -> None:
    loading = replace(CLOCK, wall=True, live_at=NOW + 1)
    assert "History is being loaded" in findings(logs(loading))["clock"].said
    live = replace(loading, live_at=NOW)
    assert findings(logs(live))["clock"].level is Level.OK
    until_live = replace(CLOCK, live_at=NOW + 1)
    assert "History is being loaded" in findings(logs(until_live))["clock"].said
    gone_live = replace(until_live, live_at=NOW - 1)
    assert findings(logs(gone_live))["clock"].level is Level.OK


def test_a_watermark_ahead_of_the_clock_is_a_warning() -> None:
    wall = Settings(partitions=4, clock="wall")
    clock = replace(CLOCK, wall=True, live_at=1, watermark=NOW + 7_200_000)
    found = findings(logs(clock), wall)["clock"]
    assert (found.level, found.said) == (
        Level.WARNING,
        "The watermark is 2.0 h ahead of this machine's clock.",
    )


def test_a_partition_whose_time_is_days_ahead_is_named_with_what_follows() -> None:
    for clock in (CLOCK, replace(CLOCK, wall=True, live_at=1)):
        read = logs(clock)
        far = replace(clock, watermark=NOW + 36 * 3_600_000)
        found = findings(replace(read, clocks={**read.clocks, 2: far}))["clock"]
        assert found.level is Level.WARNING
        assert "partition 2 is up to 1.5 days ahead" in found.said
        assert "at 2017-07-15T14:40:00Z: until then every purchase there counts as late" in found.said
        assert "`cartpulse reset`" in found.remedy
    within = replace(CLOCK, watermark=NOW + 23 * 3_600_000)
    assert findings(logs(within))["clock"].level is Level.OK


def test_other_settings_and_an_unfinished_boundary_are_told() -> None:
    found = findings(logs(replace(CLOCK, fingerprint=1, begun=11)))
    assert found["settings"].level is Level.NOTE
    assert found["boundary"].said == "A day boundary is unfinished in partition 0, 1, 2, 3."


def test_the_partitioner_that_the_producers_use_is_named() -> None:
    found = findings(logs(placed_by="crc32"))["partitioner"]
    assert found.level is Level.WARNING
    assert found.remedy.startswith("Set CARTPULSE_PARTITIONER=crc32")


def test_producers_that_partition_by_neither_are_told_what_to_do() -> None:
    found = findings(logs(placed_by="chance"))["partitioner"]
    assert found.level is Level.WARNING
    assert "write the customer id as the key" in found.remedy


def test_one_partition_needs_no_partitioner() -> None:
    one = Settings(partitions=1)
    read = Logs({0: LogEnd(0, 0, ())}, {})
    assert findings(read, one)["partitioner"].level is Level.OK
