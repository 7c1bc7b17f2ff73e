"""The stored form of customers' rows holds all that is in memory; forms of other releases are refused."""

from __future__ import annotations

import io
import json
import random
import struct
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from models.alerts import lifecycle
from models.contracts.changes import Row
from models.ledger.export import Export
from models.ledger.ledger import Ledger
from models.memory.rows import (
    CLOCK_KEY,
    HEADER,
    ROW_VERSION,
    SETTINGS_KEY,
    EarlierFormatError,
    RowError,
    customer_of,
    habits_key,
    header,
    is_erased,
    is_habits,
    partition_row,
    seal,
    unseal,
)
from models.memory.sections import SECTION
from models.segments.snapshot import SegmentSnapshot
from models.settings import LedgerSettings
from models.state.columns import HEAD, RING
from models.state.customer_rows import HEAD_AT, Section
from tests.models.ledger.test_ledger import a_log
from tests.support.ledgers.earlier_rows import EARLIER_VERSION, earlier_rows, sections_of
from tests.support.ledgers.logs import Replay, basket, drive, erase, records_of, tick
from tests.support.paths import SAMPLES

FILES = SAMPLES / "rows"
SETTINGS = LedgerSettings(segment_minimum_population=1)
OTHER = {CLOCK_KEY, SETTINGS_KEY}
"""Rows of the partition that the release before wrote otherwise: it counted two rows less."""


def log(days: int = 12, **where: str) -> list[bytes]:
    """Three customers, one with a full ring, one of a single basket, one who is swept and quiet."""
    events = [tick(-1)]
    for day in range(days):
        lines = ("MILK", "p1", 1.0, 2.0), ("BREAD", "p2", 2.0, 1.0)
        events += [basket(f"a{day}-{hour}", "900", day + hour / 24, *lines, **where) for hour in range(8, 12)]
        if not day % 4:
            events.append(basket(f"b{day}", "901", day + 0.5, ("TEA", "p3", 1.0, 3.0)))
        events.append(tick(day))
    return [*events, basket("c", "902", days + 0.5, ("SALT", "p4", 1.0, 1.0))]


def made(values: list[bytes] | None = None) -> Replay:
    """The rows and events of the log."""
    replay, ledger = Replay(), Ledger(SETTINGS)
    drive(ledger, records_of(values or log(), SETTINGS), replay, finish=True)
    return replay


ROWS = made().rows


def lengths_of(row: bytes) -> dict[int, int]:
    """The bytes of each section of a row."""
    return {kind: len(items) for kind, _, items in sections_of(row)}


def test_a_day_takes_twenty_bytes_for_every_event_that_it_remembers_and_none_for_an_empty_place() -> None:
    for customer, events in ((b"900", RING), (b"901", 3), (b"902", 1)):
        assert lengths_of(ROWS[customer])[Section.RING] == 20 * events


def test_events_that_came_in_any_order_are_known_again_by_all_that_they_said() -> None:
    values = [
        basket(f"e{hour}", "900", hour / 24, ("MILK", "p1", float(hour), 1.0)) for hour in (11, 8, 12, 9, 10)
    ]
    rows, again, replay = made([tick(-1), *values]).rows, Ledger(SETTINGS), Replay()
    again.load(rows.items())
    drive(again, records_of(values, SETTINGS, first_offset=6), replay)
    assert replay.counts["duplicates"] == 5


def test_a_day_holds_what_changes_with_a_basket_and_the_habits_the_rest() -> None:
    assert list(lengths_of(ROWS[b"901"])) == [Section.HEAD, Section.RING, Section.ALERTS, Section.RAISED]
    assert list(lengths_of(ROWS[b"902"])) == [Section.HEAD, Section.RING, Section.ODD_LINES]
    assert list(lengths_of(ROWS[habits_key(b"900")])) == [Section.CELLS, Section.PRODUCTS]
    assert habits_key(b"902") not in ROWS, "the first day is not folded yet"


def test_habits_are_written_when_a_day_is_folded_and_not_with_baskets() -> None:
    written = Counter[bytes]()
    ledger, records = Ledger(SETTINGS), records_of(log(), SETTINGS)
    at = 0
    while at < len(records):
        changes = ledger.sweep(1) if ledger.sweeping else ledger.advance(records.slice(at, at + 1))
        at += changes.applied
        written.update(row.key for row in changes.rows)
    assert written[b"900"] >= 48 + 12, "four baskets and a boundary a day"
    assert written[habits_key(b"900")] == 12


@pytest.mark.parametrize("day", range(1, 12))
def test_a_ledger_goes_on_from_its_rows(day: int) -> None:
    whole, cut = log(12), len(log(day)) - 1
    replay = made(whole[:cut])
    ledger = Ledger(SETTINGS)
    ledger.load(replay.rows.items())
    drive(ledger, records_of(whole[cut:], SETTINGS, first_offset=cut), replay, finish=True)
    expected = made(whole)
    assert replay.events == expected.events
    assert replay.rows == expected.rows


ALERTING = LedgerSettings(
    segment_minimum_population=1, alert_minimum_probability=0.25, alert_minimum_lift=0.0
)


def a_shop(days: int) -> tuple[dict[bytes, bytes], Ledger]:
    """Rows with alerts raised, planned and fulfilled, an open day, and somebody erased and come back."""
    replay, ledger = Replay(), Ledger(ALERTING)
    drive(ledger, records_of([*a_log(7, days=days)[:-2], erase("1", days)], ALERTING), replay, finish=True)
    return {key: row for key, row in replay.rows.items() if not is_erased(row)}, ledger


@pytest.mark.parametrize("seed", range(8))
def test_rows_come_back_in_any_order_and_in_any_portions(seed: int) -> None:
    rows, ledger = a_shop(20)
    rng, coming, again = random.Random(seed), list(rows.items()), Ledger(ALERTING)
    assert any(lengths_of(row).get(Section.RAISED) for key, row in coming if customer_of(key) == key)
    rng.shuffle(coming)
    while coming:
        some = rng.randrange(1, 1 + len(coming))
        again.take(coming[:some])
        del coming[:some]
    again.settle()
    assert dict(again.rows_of(rows)) == rows
    assert replace(again.standing, memory=0) == replace(ledger.standing, memory=0)


def test_the_same_habits_taken_again_leave_the_alerts_of_the_day_in_their_cells() -> None:
    rows, ledger = a_shop(20)
    ledger.take([(key, row) for key, row in rows.items() if is_habits(key)])
    ledger.settle()
    assert dict(ledger.rows_of(rows)) == rows


def first_habits(rows: dict[bytes, bytes]) -> bytes:
    return next(key for key in sorted(rows) if is_habits(key))


def test_a_day_whose_habits_are_others_is_refused() -> None:
    rows, (earlier, _) = a_shop(20)[0], a_shop(12)
    key = first_habits(rows)
    assert earlier[key] != rows[key]
    with pytest.raises(RowError, match="a row is missing"):
        Ledger(ALERTING).load((rows | {key: earlier[key]}).items())


def test_habits_without_a_day_are_refused() -> None:
    rows, _ = a_shop(20)
    del rows[customer_of(first_habits(rows)) or b""]
    with pytest.raises(RowError, match="not the row that belongs to them"):
        Ledger(ALERTING).load(rows.items())


def forged(row: bytes, at: int, value: bytes) -> bytes:
    """A row with other bytes and the checksum that goes with them."""
    body = unseal(row)
    return seal(body[:at] + value + body[at + len(value) :])


def in_head(name: str) -> int:
    """Where a field of the head stands in a day."""
    fields: Any = HEAD.fields
    return HEAD_AT + int(fields[name][1])


FORGERIES = {
    "a purchase in the year 20000": (b"2", in_head("last_purchase"), struct.pack("<q", 1 << 49)),
    "a purchase before 1970": (b"2", in_head("first_purchase"), struct.pack("<q", -1)),
    "a segment that there is not": (b"2", in_head("segment"), b"\x64"),
    "a cluster that there is not": (b"2", in_head("cluster"), b"\x08"),
    "a cluster below none": (b"2", in_head("cluster"), b"\xf0"),
    "a sum that is no number": (b"2", in_head("decayed_sums"), struct.pack("<f", float("nan"))),
    "a sum without end": (b"2", in_head("decayed_sums") + 24, struct.pack("<f", float("inf"))),
    "a store without a name": (b"2", in_head("stores"), b"\xff\xff"),
    "a channel without a name": (b"2", in_head("channel"), b"\xff\xff"),
    "a category without a name": (habits_key(b"2"), HEADER.itemsize + SECTION.itemsize, b"\xff\xff"),
    "a boundary beyond the calendar": (habits_key(b"2"), 10, struct.pack("<i", 1 << 16 | 6228)),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_number_that_cannot_be_is_refused_whatever_the_checksum_says(
    forgery: tuple[bytes, int, bytes],
) -> None:
    (rows, _), (key, at, value) = a_shop(20), forgery
    with pytest.raises(RowError):
        Ledger(ALERTING).load((rows | {key: forged(rows[key], at, value)}).items())


@pytest.mark.parametrize("row", [partition_row(b"xy", offset=5, boundary=1), b"", ROWS[b"900"][:-1] + b"!"])
def test_standings_are_read_from_sound_rows_alone(row: bytes) -> None:
    with pytest.raises(RowError):
        SegmentSnapshot().take(b"900", row)


LATER = struct.pack("<BHH", max(Section) + 1, 2, 3) + b"abcdef" + struct.pack("<BHH", 200, 1, 1) + b"!"


def with_later(rows: dict[bytes, bytes], *keys: bytes) -> dict[bytes, bytes]:
    """Rows as a later release writes them, which knows more sections."""
    return rows | {key: seal(unseal(rows[key]) + LATER) for key in keys}


@pytest.mark.parametrize("way", ["rows", "checkpoint", "export"])
def test_sections_of_a_later_release_are_kept_and_written_back_untouched(way: str) -> None:
    rows, _ = a_shop(20)
    keys = [b"2", habits_key(b"2"), habits_key(b"3")]
    rows = with_later(rows, *keys)
    ledger = Ledger(ALERTING)
    ledger.load(rows.items())
    if way == "checkpoint":
        file = io.BytesIO()
        ledger.save(file)
        ledger = Ledger(ALERTING)
        ledger.restore(io.BytesIO(file.getvalue()))
        ledger.settle()
    if way == "export":
        export = Export(rows.items())
        told = json.loads(json.dumps(export.of(b"2")))
        assert dict(export.rows(b"2", told)) == {key: rows[key] for key in keys[:2]}
    assert dict(ledger.rows_of(rows)) == rows
    # A basket and a fold write both rows anew, with what they held.
    replay = Replay()
    replay.store([Row(key, row) for key, row in rows.items()])
    more = [basket("x", "2", 21.5, ("MILK", "p1", 1.0, 1.0)), tick(22)]
    first = ledger.clock.offset + 1
    drive(ledger, records_of(more, ALERTING, first_offset=first), replay, finish=True)
    for key in keys[:2]:
        assert replay.rows[key] != rows[key]
        assert unseal(replay.rows[key]).endswith(LATER)
    assert replay.rows[keys[2]] == rows[keys[2]]


def test_an_erasure_takes_the_sections_of_a_later_release_away() -> None:
    rows = with_later(a_shop(20)[0], b"2", habits_key(b"2"))
    ledger, replay = Ledger(ALERTING), Replay()
    ledger.load(rows.items())
    drive(ledger, records_of([erase("2", 21)], ALERTING, first_offset=ledger.clock.offset + 1), replay)
    assert is_erased(replay.rows[b"2"])
    assert is_erased(replay.rows[habits_key(b"2")])
    file = io.BytesIO()
    ledger.save(file)
    assert b"abcdef" not in file.getvalue()


def test_a_row_that_lost_its_later_sections_on_the_way_is_another_row() -> None:
    rows = a_shop(20)[0]
    ledger = Ledger(ALERTING)
    ledger.load(with_later(rows, b"2").items())
    ledger.take([(b"2", rows[b"2"])])
    ledger.settle()
    assert dict(ledger.rows_of([b"2"])) == {b"2": rows[b"2"]}


def assert_tells(known: Any, told: Any) -> None:
    """What an earlier release told of a customer is told still; a later one may tell more."""
    if isinstance(told, dict):
        for name, value in told.items():
            assert_tells(known[name], value)
    elif isinstance(told, list):
        for one, other in zip(known, told, strict=True):
            assert_tells(one, other)
    else:
        assert known == told


def test_rows_of_today_s_purchases_hold_what_those_of_the_release_before_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The interval that an alert tells was wider by its definition.
    monkeypatch.setattr(lifecycle, "COVERAGE", 0.8)
    before = sample(EARLIER_VERSION)
    now = earlier_rows(made(log(store_id="330", channel="till")).rows)
    assert now.keys() == before.keys()
    assert {key for key, row in now.items() if row != before[key]} <= OTHER


def sample(version: int) -> dict[bytes, bytes]:
    """Rows that a release wrote in a format."""
    rows = json.loads((FILES / f"format-{version}.json").read_text())["rows"]
    return {bytes.fromhex(key): bytes.fromhex(value) for key, value in rows.items()}


def test_samples_of_the_format_are_read_and_written_as_they_were() -> None:
    rows = sample(ROW_VERSION)
    ledger = Ledger(SETTINGS)
    ledger.load(rows.items())
    told = json.loads((FILES / f"format-{ROW_VERSION}.json").read_text())["customers"]
    for customer, said in told.items():
        assert_tells(ledger.describe(customer.encode()), said)
    assert dict(ledger.rows_of(rows)) == rows


@pytest.mark.parametrize("version", range(1, ROW_VERSION))
def test_samples_of_earlier_formats_are_refused_with_the_way_on(version: int) -> None:
    rows = sample(version)
    for key in (b"\0clock", b"900"):
        with pytest.raises(EarlierFormatError, match="`cartpulse reset --quiet`"):
            header(rows[key])
        with pytest.raises(EarlierFormatError):
            Ledger(SETTINGS).load([(key, rows[key])])
