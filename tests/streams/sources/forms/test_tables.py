"""Files of rows are read to their end, whatever is broken in between."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.sources.forms.tables import Delimited, TableRow
from streams.sources.forms.texts import LONGEST_LINE, examine

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, content: str | bytes) -> tuple[Delimited, list[TableRow]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    table = Delimited(path, examine(path))
    return table, list(table)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_what_parts_the_columns_is_found_out(path: Path, delimiter: str) -> None:
    cells = [["a", "b", "c"], ["1,5", "x;y", "p|q"], ["", "2", "3"]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(cells)
    table, rows = read(path, text.getvalue())
    assert table.delimiter == delimiter
    assert [table.columns, *(list(row.cells) for row in rows)] == cells


@pytest.mark.parametrize(
    "broken",
    [
        '"5,b,c',
        '5,"b,c',
        '5,b,"c',
        '5,"b"x,c',
        '"',
        '5,"b',
        '5,"b,c\n5,"b,c',
        '5,"b,c\n6,b" c',
    ],
)
def test_an_open_quotation_costs_its_own_line_and_no_other(path: Path, broken: str) -> None:
    _, rows = read(path, f'a,b,c\n1,"x ""y""",3\n{broken}\n2,"two\nlines",3\n"first\ncell",2,3\n9,6",3\n')
    good = [list(row.cells) for row in rows if not row.fault]
    assert good == [
        ["1", 'x "y"', "3"],
        ["2", "two\nlines", "3"],
        ["first\ncell", "2", "3"],
        ["9", '6"', "3"],
    ]
    assert [row.text for row in rows if row.fault] == broken.split("\n")


def test_a_quotation_that_a_later_row_would_close_does_not_swallow_that_row(path: Path) -> None:
    _, rows = read(path, 'a,b,c\n1,"x,3\n2,PIPE 6",3\n3,y,3\n')
    assert [list(row.cells) for row in rows if not row.fault] == [["2", 'PIPE 6"', "3"], ["3", "y", "3"]]


def test_rows_of_the_wrong_length_are_refused_and_blank_ones_passed_over(path: Path) -> None:
    _, rows = read(path, "a,b,c\n1,2\n\n,,\n1,2,3,4\n1,2,3,\n1,2,3")
    assert [(row.number, row.fault) for row in rows] == [
        (2, "has 2 columns, not 3"),
        (5, "has 4 columns, not 3"),
        (6, ""),
        (7, ""),
    ]


def test_a_line_without_end_is_refused_and_held_by_no_memory(path: Path) -> None:
    _, rows = read(path, b"a,b\n1,2\n3," + b"x" * (3 * LONGEST_LINE) + b"\n5,6\n")
    assert [row.cells for row in rows if not row.fault] == [["1", "2"], ["5", "6"]]
    assert [(row.number, len(row.text)) for row in rows if row.fault] == [(3, 200)]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_end_as_any_system_ends_them(path: Path, ending: str) -> None:
    _, rows = read(path, ending.join(["a,b", "1,2", "3,4", ""]))
    assert [(row.number, row.cells) for row in rows] == [(2, ["1", "2"]), (3, ["3", "4"])]


CELL = st.text("ab \",;|\t\n'é牛", max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    rows=st.lists(st.tuples(st.integers(), CELL, CELL, st.integers()), max_size=12),
    quoting=st.sampled_from((csv.QUOTE_ALL, csv.QUOTE_MINIMAL)),
)
def test_whatever_a_proper_writer_writes_is_read_back(
    path: Path, rows: list[tuple[int, str, str, int]], quoting: Literal[0, 1]
) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=quoting, lineterminator="\n").writerows([("a", "b", "c", "d"), *rows])
    table, _ = read(path, text.getvalue())
    table.plausible = lambda cells: cells[0].lstrip("-").isdigit() and cells[3].lstrip("-").isdigit()
    found = list(table)
    assert [tuple(row.cells) for row in found] == [tuple(map(str, row)) for row in rows]
    assert not any(row.fault for row in found)
