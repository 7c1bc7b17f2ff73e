"""Formats of customers' rows: all hold the same, all are read, and samples of each are read for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.columns import NEWEST_FORMAT, RING
from models.ledger import Ledger
from models.row_formats import PLAIN, RING_AT, SHORT_RING, plain
from models.rows import RowError, header, seal, unseal
from models.settings import LedgerSettings
from tests.support.logs import Replay, basket, drive, records_of, tick

SAMPLES = Path(__file__).parents[1] / "samples" / "rows"
SETTINGS = LedgerSettings(segment_minimum_population=1)
FORMATS = (PLAIN, SHORT_RING)


def log(days: int = 12) -> list[bytes]:
    """Three customers: one with a full ring, one of a single basket, one who is swept and quiet."""
    events = [tick(-1)]
    for day in range(days):
        lines = ("MILK", "p1", 1.0, 2.0), ("BREAD", "p2", 2.0, 1.0)
        events += [basket(f"a{day}-{hour}", "900", day + hour / 24, *lines) for hour in range(8, 12)]
        if not day % 4:
            events.append(basket(f"b{day}", "901", day + 0.5, ("TEA", "p3", 1.0, 3.0)))
        events.append(tick(day))
    return [*events, basket("c", "902", days + 0.5, ("SALT", "p4", 1.0, 1.0))]


def made(row_format: int, values: list[bytes] | None = None) -> Replay:
    """The rows and events of the log in one format."""
    replay, ledger = Replay(), Ledger(SETTINGS, row_format=row_format)
    drive(ledger, records_of(values or log(), SETTINGS), replay, finish=True)
    return replay


ROWS = {row_format: made(row_format).rows for row_format in FORMATS}
CUSTOMERS = [key for key in ROWS[PLAIN] if key[:1] != b"\0"]


def test_outputs_and_the_partitions_own_rows_do_not_depend_on_the_format() -> None:
    one, other = (made(row_format) for row_format in FORMATS)
    assert one.events == other.events
    assert one.rows.keys() == other.rows.keys()
    own = [key for key in one.rows if key[:1] == b"\0"]
    assert [one.rows[key] for key in own] == [other.rows[key] for key in own]


@pytest.mark.parametrize("key", CUSTOMERS, ids=repr)
def test_two_formats_of_one_state_say_the_same_and_are_equally_great(key: bytes) -> None:
    one, other = (ROWS[row_format][key] for row_format in FORMATS)
    assert (header(one).version, header(other).version) == FORMATS
    assert header(one)[1:] == header(other)[1:]
    assert plain(unseal(other)) == unseal(one) == plain(unseal(one))


def test_the_second_format_saves_sixteen_bytes_for_every_empty_place_of_the_ring() -> None:
    sizes = {key: [len(ROWS[row_format][key]) for row_format in FORMATS] for key in CUSTOMERS}
    assert sizes[b"900"][1] == sizes[b"900"][0] + 1, "a full ring has no empty place"
    assert sizes[b"902"][1] == sizes[b"902"][0] - 16 * (RING - 1) + 1


@pytest.mark.parametrize("written", FORMATS)
@pytest.mark.parametrize("read", FORMATS)
def test_a_ledger_goes_on_from_rows_of_either_format(written: int, read: int) -> None:
    whole, cut = log(12), len(log(7)) - 1
    replay = made(written, whole[:cut])
    ledger = Ledger(SETTINGS, row_format=read)
    ledger.load(replay.rows.items())
    drive(ledger, records_of(whole[cut:], SETTINGS, first_offset=cut), replay, finish=True)
    expected = made(PLAIN, whole)
    assert replay.events == expected.events
    assert {key: in_memory(key, value) for key, value in replay.rows.items()} == {
        key: in_memory(key, value) for key, value in expected.rows.items()
    }


def in_memory(key: bytes, value: bytes) -> bytes:
    """A row without its format."""
    return value if key[:1] == b"\0" else plain(unseal(value))


@given(data=st.data())
def test_any_row_of_the_second_format_cut_off_or_with_another_count_is_refused(data: st.DataObject) -> None:
    body = unseal(ROWS[SHORT_RING][data.draw(st.sampled_from(CUSTOMERS))])
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


@pytest.mark.parametrize("version", [0, NEWEST_FORMAT + 1])
def test_a_format_that_there_is_not_is_refused(version: int) -> None:
    body = version.to_bytes(2, "little") + unseal(ROWS[PLAIN][b"900"])[2:]
    with pytest.raises(RowError):
        plain(body)


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


@pytest.mark.parametrize("row_format", FORMATS)
def test_samples_of_every_format_are_read_and_written_as_they_were(row_format: int) -> None:
    sample = json.loads((SAMPLES / f"format-{row_format}.json").read_text())
    rows = {bytes.fromhex(key): bytes.fromhex(value) for key, value in sample["rows"].items()}
    ledger = Ledger(SETTINGS, row_format=row_format)
    ledger.load(rows.items())
    for customer, told in sample["customers"].items():
        assert_tells(ledger.describe(customer.encode()), told)
    for customer, row in ledger._state.rows.items():
        assert ledger._state.encode(np.array([row])) == [rows[customer]]
    assert ledger.clock.encode() == rows[b"\0clock"]
