"""More records than memory holds come out sorted, and nothing is left behind."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
import pytest

from streams.sources.bounded import sorting
from streams.sources.bounded.sorting import Sorter, SortError

if TYPE_CHECKING:
    from pathlib import Path


class Record(msgspec.Struct, array_like=True):
    """A time, and its place in the order in which records came."""

    at: int
    number: int


def sorter(folder: Path, run: int) -> Sorter[Record]:
    return Sorter(Record, key=lambda record: record.at, folder=folder, run=run)


@pytest.mark.parametrize("run", [1, 7, 100, 10_000])
def test_records_come_out_sorted_and_equal_ones_in_the_order_in_which_they_came(
    tmp_path: Path, run: int
) -> None:
    chance = random.Random(1)
    records = [Record(chance.randrange(50), number) for number in range(1_000)]
    with sorter(tmp_path, run) as sorted_records:
        for record in records:
            sorted_records.add(record)
        expected = sorted(records, key=lambda record: (record.at, record.number))
        assert list(sorted_records) == expected
        assert list(sorted_records) == expected
        assert len(list(tmp_path.glob("*/*"))) < sorting.MOST_RUNS
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    with sorter(tmp_path / "missing", 2) as sorted_records:
        sorted_records.add(Record(1, 1))
        with pytest.raises(SortError, match="TMPDIR"):
            sorted_records.add(Record(0, 2))
