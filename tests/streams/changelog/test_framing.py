"""Rows to record batches and back."""

from __future__ import annotations

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder

from models.contracts.changes import Row
from models.ledger.ledger import MOST_CUSTOMERS, MOST_ROW_BYTES
from models.memory.rows import CLOCK_KEY, ROW_VERSION, erased_row, partition_row, seal
from models.state.columns import LONGEST_ROW
from models.state.customer_rows import BOTH_ROWS_BYTES
from streams.changelog.framing import LatestRows, fill, records_of
from streams.errors import ChangelogUnreadableError, NewerRowsError
from streams.kafka.options import ROWS_BATCH_BYTES
from tests.support.kafka.fake_kafka import FakeBuilder, Record


def row(key: bytes, offset: int, boundary: int = 0, content: bytes = b"") -> tuple[bytes, bytes]:
    return key, partition_row(content, offset=offset, boundary=boundary)


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


@pytest.mark.parametrize("length", [1_000, BOTH_ROWS_BYTES, LONGEST_ROW])
def test_the_most_rows_of_a_step_fit_one_record_batch(length: int) -> None:
    number = min(MOST_CUSTOMERS, MOST_ROW_BYTES // (length + 256))
    rows = [Row(b"%256d" % customer, bytes(length)) for customer in range(number)]
    builder = BatchBuilder(ROWS_BATCH_BYTES, 0, is_transactional=True)
    assert fill(builder, [*rows, Row(CLOCK_KEY, bytes(100))], 0).size() < ROWS_BATCH_BYTES


def test_a_row_of_a_later_release_is_refused_by_name() -> None:
    later = seal((ROW_VERSION + 1).to_bytes(2, "little") + bytes(40))
    with pytest.raises(
        NewerRowsError,
        match=rf"changelog\[0\] holds at offset 1 a row of format {ROW_VERSION + 1} .* Start that",
    ):
        LatestRows().take(log(row(b"a", 5), (b"b", later)))


def test_a_record_without_a_key_is_no_row() -> None:
    keyless = Record("changelog", 0, 7, None, partition_row(b"", offset=1, boundary=1))
    with pytest.raises(ChangelogUnreadableError, match=r"at offset 7 what is no row .* without a key"):
        LatestRows().take([keyless])


def test_a_row_of_an_earlier_release_is_refused_with_the_way_on() -> None:
    earlier = seal((ROW_VERSION - 1).to_bytes(2, "little") + bytes(40))
    with pytest.raises(
        ChangelogUnreadableError,
        match=rf"holds at offset 1 a row of format {ROW_VERSION - 1} .* `cartpulse reset",
    ):
        LatestRows().take(log(row(b"a", 5), (b"b", earlier)))


def test_the_greatest_row_wins_and_not_the_last() -> None:
    greatest = LatestRows()
    greatest.take(log(row(b"a", 5), row(b"a", 9, content=b"new"), row(b"a", 7, content=b"a zombie's")))
    assert greatest.rows == dict([row(b"a", 9, content=b"new")])


def test_of_rows_with_one_offset_the_greater_boundary_wins() -> None:
    greatest = LatestRows()
    greatest.take(log(row(b"a", 5, 2, b"swept"), row(b"a", 5, 1)))
    assert greatest.rows == dict([row(b"a", 5, 2, b"swept")])


def test_only_keys_whose_last_row_is_not_their_greatest_are_written_again() -> None:
    greatest = LatestRows()
    greatest.take(log(row(b"a", 5), row(b"b", 9), row(b"b", 7), row(b"c", 9), row(b"c", 7), row(b"c", 10)))
    assert list(greatest.corrections()) == [[Row(*row(b"b", 9))]]


def test_the_clock_row_is_written_again_after_all_others() -> None:
    greatest = LatestRows()
    greatest.take(log(row(CLOCK_KEY, 9), row(b"b", 9), row(b"b", 7), row(CLOCK_KEY, 7)))
    (rows,) = greatest.corrections()
    assert [key for key, _ in rows] == [b"b", CLOCK_KEY]


def test_what_is_written_again_is_cut_into_batches_that_fit() -> None:
    greatest = LatestRows()
    content = b"x" * 2_500_000
    for key in (b"a", b"b", b"c"):
        greatest.take(log(row(key, 9, content=content), row(key, 7)))
    assert [len(rows) for rows in greatest.corrections()] == [2, 1]


def written(*rows: Row) -> list[Record]:
    """Rows as the changelog holds them."""
    builder = FakeBuilder()
    fill(builder, rows, 0)
    return [
        Record("changelog", 0, offset, key, value, headers)
        for offset, (key, value, headers) in enumerate(builder.records)
    ]


def test_an_erased_customer_is_a_header_and_then_a_tombstone_of_the_same_rank() -> None:
    rows = [Row(b"a", erased_row(9, 2)), Row(*row(CLOCK_KEY, 9))]
    records = written(*rows)
    assert [(record.key, record.value) for record in records] == [
        (b"a", erased_row(9, 2)),
        (b"a", None),
        (CLOCK_KEY, rows[1].value),
    ]
    assert records_of(rows) == len(records)
    for from_here in (records, records[1:]):  # compaction takes the header away first
        greatest = LatestRows()
        greatest.take(from_here)
        assert greatest.rows == dict(rows)


def test_an_own_row_of_nothing_is_no_erased_customer() -> None:
    rows = [Row(b"\0thresholds", partition_row(b"", offset=0, boundary=4))]
    assert [record.value for record in written(*rows)] == [rows[0].value]
    assert records_of(rows) == 1


def test_a_stale_row_behind_a_tombstone_does_not_bring_the_customer_back() -> None:
    greatest = LatestRows()
    erased = Row(b"a", erased_row(9, 2))
    greatest.take([*log(row(b"a", 5)), *written(erased), *log(row(b"a", 7, content=b"a zombie's"))])
    assert greatest.rows == dict([erased])
    assert list(greatest.corrections()) == [[erased]]


def test_a_customer_who_comes_again_is_no_longer_erased() -> None:
    greatest = LatestRows()
    greatest.take([*written(Row(b"a", erased_row(9, 2))), *log(row(b"a", 12, 2, b"new"))])
    assert greatest.rows == dict([row(b"a", 12, 2, b"new")])
    assert not list(greatest.corrections())


def test_a_tombstone_whose_rank_is_none_is_not_ours() -> None:
    with pytest.raises(ChangelogUnreadableError, match="a tombstone's rank of 3 bytes"):
        LatestRows().take([Record("changelog", 0, 4, b"a", None, (("rank", b"abc"),))])


@pytest.mark.parametrize("value", [b"", b"\x01", None])
def test_what_is_no_row_is_an_error_that_names_the_place(value: bytes | None) -> None:
    with pytest.raises(ChangelogUnreadableError, match=r"changelog\[0\] holds at offset 4"):
        LatestRows().take([Record("changelog", 0, 4, b"a", value)])
