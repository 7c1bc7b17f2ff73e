"""The clock row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.memory.rows import RowError, header, partition_row
from models.state.clock_row import ClockRow

HASHES = st.integers(0, 2**64 - 1)
INSTANTS = st.none() | st.integers(-(2**50), 2**50)
DAYS = st.integers(0, 40_000)
CLOCKS = st.builds(
    ClockRow,
    offset=st.integers(-1, 2**62),
    digest=HASHES,
    watermark=INSTANTS,
    begun=DAYS,
    finished=DAYS,
    live_at=INSTANTS,
    fingerprint=HASHES,
    wall=st.booleans(),
    partitions=st.integers(1, 2**32 - 1),
)


@given(clock=CLOCKS)
def test_what_is_written_is_read(clock: ClockRow) -> None:
    assert ClockRow.decode(clock.encode()) == clock


@given(clock=CLOCKS)
def test_its_header_says_how_far_log_and_sweep_have_got(clock: ClockRow) -> None:
    head = header(clock.encode())
    assert (head.offset, head.boundary) == (clock.offset, clock.finished)


@given(clock=CLOCKS, data=st.data())
def test_any_flipped_byte_is_refused(clock: ClockRow, data: st.DataObject) -> None:
    row = bytearray(clock.encode())
    row[data.draw(st.integers(0, len(row) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RowError):
        ClockRow.decode(bytes(row))


@given(clock=CLOCKS, data=st.data())
def test_any_cut_is_refused(clock: ClockRow, data: st.DataObject) -> None:
    row = clock.encode()
    with pytest.raises(RowError):
        ClockRow.decode(row[: data.draw(st.integers(0, len(row) - 1))])


def test_another_kind_of_row_is_refused() -> None:
    with pytest.raises(RowError, match="payload"):
        ClockRow.decode(partition_row(b"something else", offset=1, boundary=2))


def test_it_is_sweeping_while_a_begun_boundary_is_not_finished() -> None:
    assert not ClockRow().sweeping
    assert ClockRow(begun=7, finished=6).sweeping
    assert not ClockRow(begun=7, finished=7).sweeping
