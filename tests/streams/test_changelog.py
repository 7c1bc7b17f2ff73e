"""Rows to record batches and back."""

from __future__ import annotations

import pytest

from models.changes import Row
from models.columns import NEWEST_FORMAT
from models.rows import CLOCK_KEY, own_row, seal
from streams.changelog import Greatest, fill
from streams.errors import ChangelogUnreadable, NewerRows
from tests.support.fake_kafka import FakeBuilder, Record


def row(key: bytes, offset: int, boundary: int = 0, content: bytes = b"") -> tuple[bytes, bytes]:
    return key, own_row(content, offset=offset, boundary=boundary)


def log(*rows: tuple[bytes, bytes]) -> list[Record]:
    return [Record("changelog", 0, offset, key, value) for offset, (key, value) in enumerate(rows)]


def test_a_filled_batch_is_closed_and_holds_all_rows_in_order() -> None:
    builder = FakeBuilder()
    fill(builder, [Row(b"a", b"1"), Row(CLOCK_KEY, b"2")], 0)
    assert builder.closed
    assert [key for key, _, _ in builder.records] == [b"a", CLOCK_KEY]


def test_rows_that_do_not_fit_one_batch_are_refused_whole() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        fill(FakeBuilder(limit=10), [Row(b"a", b"12345"), Row(b"b", b"12345")], 0)


def test_a_row_of_a_later_release_is_refused_by_name() -> None:
    later = seal((NEWEST_FORMAT + 1).to_bytes(2, "little") + bytes(40))
    with pytest.raises(NewerRows, match=r"changelog\[0\] holds at offset 1 a row of format 3 .* Start that"):
        Greatest().take(log(row(b"a", 5), (b"b", later)))


def test_the_greatest_row_wins_and_not_the_last() -> None:
    greatest = Greatest()
    greatest.take(log(row(b"a", 5), row(b"a", 9, content=b"new"), row(b"a", 7, content=b"a zombie's")))
    assert greatest.rows == dict([row(b"a", 9, content=b"new")])


def test_of_rows_with_one_offset_the_greater_boundary_wins() -> None:
    greatest = Greatest()
    greatest.take(log(row(b"a", 5, 2, b"swept"), row(b"a", 5, 1)))
    assert greatest.rows == dict([row(b"a", 5, 2, b"swept")])


def test_only_keys_whose_last_row_is_not_their_greatest_are_written_again() -> None:
    greatest = Greatest()
    greatest.take(log(row(b"a", 5), row(b"b", 9), row(b"b", 7), row(b"c", 9), row(b"c", 7), row(b"c", 10)))
    assert list(greatest.corrections()) == [[Row(*row(b"b", 9))]]


def test_the_clock_row_is_written_again_after_all_others() -> None:
    greatest = Greatest()
    greatest.take(log(row(CLOCK_KEY, 9), row(b"b", 9), row(b"b", 7), row(CLOCK_KEY, 7)))
    (rows,) = greatest.corrections()
    assert [key for key, _ in rows] == [b"b", CLOCK_KEY]


def test_what_is_written_again_is_cut_into_batches_that_fit() -> None:
    greatest = Greatest()
    content = b"x" * 2_500_000
    for key in (b"a", b"b", b"c"):
        greatest.take(log(row(key, 9, content=content), row(key, 7)))
    assert [len(rows) for rows in greatest.corrections()] == [2, 1]


@pytest.mark.parametrize("value", [b"", b"\x01", None])
def test_what_is_no_row_is_an_error_that_names_the_place(value: bytes | None) -> None:
    with pytest.raises(ChangelogUnreadable, match=r"changelog\[0\] holds at offset 4"):
        Greatest().take([Record("changelog", 0, 4, b"a", value)])
