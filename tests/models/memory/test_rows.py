"""Rows: what is written is read, what is damaged is refused, and the header is readable alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.memory import rows
from models.memory.rows import (
    HEADER,
    ROW_VERSION,
    EarlierFormatError,
    Header,
    RowError,
    customer_of,
    dictionary_key,
    habits_key,
    header,
    is_habits,
    own_payload,
    partition_row,
    seal,
    unseal,
)
from models.settings import LedgerSettings
from models.state.columns import LONGEST_ROW
from models.state.customer_rows import BOTH_ROWS_BYTES, Section, take_days, take_habits
from models.state.state import State
from tests.support.ledgers.earlier_rows import sections_of
from tests.support.ledgers.logs import basket, replay_of, tick

SETTINGS = LedgerSettings(segment_minimum_population=1)
OFFSETS, DAYS = st.integers(-1, 2**62), st.integers(0, 40_000)


def real_rows() -> dict[bytes, bytes]:
    """Every kind of row that a small log leaves behind, open day, cells and products among it."""
    log = [tick(-1)]
    for day in range(4):
        log += [
            basket(f"e{day}", "900", day + 0.5, ("MILK", "p1", 1.0, 2.0), ("BREAD", "p2", 2.0, 1.0)),
            tick(day),
        ]
    return replay_of([*log, basket("open", "900", 4.5, ("MILK", "p1", 1.0, 2.0))], SETTINGS).rows


ROWS = real_rows()


def read(key: bytes, value: bytes) -> None:
    """Read a row as recovery does."""
    customer = customer_of(key)
    if customer is None:
        own_payload(value)
        return
    state = State(SETTINGS, 1)
    take = take_habits if is_habits(key) else take_days
    take(state, np.array([state.add(customer)]), [value])


@given(payload=st.binary(max_size=200), offset=OFFSETS, boundary=DAYS)
def test_what_is_written_is_read(payload: bytes, offset: int, boundary: int) -> None:
    row = partition_row(payload, offset=offset, boundary=boundary)
    assert own_payload(row) == payload
    assert header(row) == Header(ROW_VERSION, offset, boundary, 0)


@given(body=st.binary(min_size=HEADER.itemsize, max_size=100))
def test_sealing_keeps_the_body(body: bytes) -> None:
    version = ROW_VERSION.to_bytes(2, "little")
    sealed = seal(version + body[2:])
    assert unseal(sealed) == version + body[2:]


@pytest.mark.parametrize("key", sorted(ROWS), ids=repr)
def test_any_flipped_byte_of_any_row_is_refused(key: bytes) -> None:
    value = ROWS[key]
    read(key, value)
    for at in range(len(value)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(value)
            damaged[at] ^= flip
            with pytest.raises(RowError):
                unseal(bytes(damaged))
        with pytest.raises(RowError):
            read(key, bytes(damaged))


@pytest.mark.parametrize("key", sorted(ROWS), ids=repr)
def test_any_row_cut_off_anywhere_is_refused(key: bytes) -> None:
    for length in range(len(ROWS[key])):
        with pytest.raises(RowError):
            read(key, ROWS[key][:length])


def test_the_header_is_readable_without_the_rest() -> None:
    row = ROWS[b"900"]
    damaged = row[: HEADER.itemsize] + b"\xff" * (len(row) - HEADER.itemsize)
    assert header(damaged) == header(row)
    assert header(row).version == ROW_VERSION


def test_a_later_version_is_refused_by_name_before_anything_is_decoded() -> None:
    body = np.array([(ROW_VERSION + 1, 7, 0, 0)], HEADER).tobytes() + b"what a later release writes"
    for read_it in (header, unseal, own_payload):
        with pytest.raises(RowError, match=f"format {ROW_VERSION + 1} needs a later release"):
            read_it(seal(body))


@pytest.mark.parametrize("version", range(ROW_VERSION))
def test_an_earlier_version_is_refused_with_the_way_on(version: int) -> None:
    body = np.array([(version, 7, 0, 0)], HEADER).tobytes() + b"what an earlier release wrote"
    for read_it in (header, unseal, own_payload):
        with pytest.raises(EarlierFormatError, match=f"of format {version} .*`cartpulse reset --quiet`"):
            read_it(seal(body))


@pytest.mark.parametrize("key", [b"900", habits_key(b"900")], ids=["day", "habits"])
def test_a_customer_s_row_whose_sections_do_not_fit_is_refused(key: bytes) -> None:
    body, at = unseal(ROWS[key]), HEADER.itemsize
    for forged in (
        body + b"\0",
        body[:-1],
        body[:at] + b"\x09" + body[at + 1 :],  # the first section's kind
        body[: at + 1] + b"\xff" + body[at + 2 :],  # its count
        body[: at + 3] + b"\x01" + body[at + 4 :],  # the size of its items
        body + body[at:],  # every section twice
    ):
        with pytest.raises(RowError):
            read(key, seal(forged))


def test_a_section_in_the_other_row_is_refused() -> None:
    day, habits = ROWS[b"900"], unseal(ROWS[habits_key(b"900")])
    before = [heading + items for kind, heading, items in sections_of(day) if kind < Section.CELLS]
    with pytest.raises(RowError, match="another row's"):
        read(b"900", seal(day[: HEADER.itemsize] + b"".join(before) + habits[HEADER.itemsize :]))
    with pytest.raises(RowError, match="another row's"):
        read(habits_key(b"900"), ROWS[b"900"])


def test_full_rows_of_a_customer_stay_within_12_kb_together() -> None:
    assert BOTH_ROWS_BYTES <= LONGEST_ROW == 12 * 1024


def test_keys_of_the_partition_s_own_rows_cannot_be_customers() -> None:
    own = (
        rows.CLOCK_KEY,
        rows.THRESHOLDS_KEY,
        rows.PRIORS_KEY,
        rows.POPULARITY_KEY,
        rows.SETTINGS_KEY,
        dictionary_key(b"products", 3),
        rows.pairs_key(1),
        rows.catalogue_key(1),
    )
    assert all(customer_of(key) is None for key in own)
    assert [customer_of(key) for key in (b"900", habits_key(b"900"))] == [b"900", b"900"]
    assert len(set(own)) == len(own)
    assert [dictionary_key(b"c", n) for n in (9, 10)] == sorted(dictionary_key(b"c", n) for n in (9, 10))
