"""The stored form of customers' rows holds all that is in memory; forms of other releases are refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ledger.ledger import Ledger
from models.memory.rows import ROW_VERSION, EarlierFormatError, RowError, header, seal, unseal
from models.settings import LedgerSettings
from models.state.columns import CUSTOMER, NO_EVENT, RING
from models.state.row_formats import RING_AT, in_memory, shortened
from tests.support.ledgers.earlier_rows import EARLIER_VERSION, earlier_row
from tests.support.ledgers.logs import Replay, basket, drive, records_of, tick
from tests.support.paths import SAMPLES

FILES = SAMPLES / "rows"
SETTINGS = LedgerSettings(segment_minimum_population=1)


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
CUSTOMERS = [key for key in ROWS if key[:1] != b"\0"]


def events_of(row: bytes) -> int:
    """Events in the ring of a row."""
    record = np.frombuffer(in_memory(unseal(row)), CUSTOMER, 1)
    return int((record["ring_at"] != NO_EVENT).sum())


def test_a_row_takes_twenty_bytes_for_every_event_that_it_remembers_and_none_for_an_empty_place() -> None:
    for key, events in ((b"900", RING), (b"901", 3), (b"902", 1)):
        body = unseal(ROWS[key])
        assert events_of(ROWS[key]) == body[RING_AT] == events
        assert len(in_memory(body)) - len(body) == 20 * (RING - events) - 1


@pytest.mark.parametrize("key", CUSTOMERS, ids=repr)
def test_a_stored_row_taken_apart_and_shortened_again_is_the_same(key: bytes) -> None:
    body = unseal(ROWS[key])
    assert shortened(in_memory(body), body[RING_AT]) == body


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


@given(data=st.data())
def test_any_row_cut_off_or_with_another_count_is_refused(data: st.DataObject) -> None:
    body = unseal(ROWS[data.draw(st.sampled_from(CUSTOMERS))])
    forged = data.draw(
        st.one_of(
            st.integers(0, len(body) - 1).map(lambda length: body[:length]),
            st.integers(0, 255).map(lambda count: _with_count(body, count)).filter(lambda made: made != body),
        )
    )
    ledger = Ledger(SETTINGS)
    with pytest.raises(RowError):
        ledger._state.decode(ledger._state.add(b"c"), seal(forged))


def _with_count(body: bytes, count: int) -> bytes:
    return body[:RING_AT] + bytes([count]) + body[RING_AT + 1 :]


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


def test_rows_of_today_s_purchases_are_those_of_the_release_before_but_for_stores_and_channel() -> None:
    before = sample(EARLIER_VERSION)
    for customer in CUSTOMERS:
        assert earlier_row(customer, ROWS[customer]) == before[customer]


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
    for customer, row in ledger._state.rows.items():
        assert ledger._state.encode(np.array([row])) == [rows[customer]]
    assert ledger.clock.encode() == rows[b"\0clock"]


@pytest.mark.parametrize("version", range(1, ROW_VERSION))
def test_samples_of_earlier_formats_are_refused_with_the_way_on(version: int) -> None:
    rows = sample(version)
    for key in (b"\0clock", b"900"):
        with pytest.raises(EarlierFormatError, match="`cartpulse reset --quiet`"):
            header(rows[key])
        with pytest.raises(EarlierFormatError):
            Ledger(SETTINGS).load([(key, rows[key])])
