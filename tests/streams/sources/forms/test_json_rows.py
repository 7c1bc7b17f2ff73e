"""JSON gives its rows however it is arranged; a broken element costs itself and no other."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.sources.forms.json_rows import JsonRows, wrapper_in, wrapper_of
from streams.sources.forms.tables import FileError, TableRow
from streams.sources.forms.texts import LONGEST_LINE, examine

if TYPE_CHECKING:
    from pathlib import Path

OBJECTS: list[dict[str, Any]] = [
    {"a": 1, "b": 'x{"'},
    {"a": 2, "b": "]y\\"},
    {"a": 9007199254740993, "b": {"c": [1]}},
    {"a": 12345678901234567890123, "b": None},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.json"


def rows_of(path: Path, content: str | bytes, fallback: str | None = None) -> list[TableRow]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(JsonRows(path, examine(path, fallback=fallback)))


def read(path: Path, content: str | bytes) -> tuple[list[Any], dict[int, str]]:
    """The first cell of each row, and why others are refused, by line."""
    rows = rows_of(path, content)
    return [row.cells[0] for row in rows if not row.fault], {
        row.number: row.fault for row in rows if row.fault
    }


ARRANGEMENTS = {
    "lines": "\n".join(map(json.dumps, OBJECTS)),
    "lines with commas": ",\n".join(map(json.dumps, OBJECTS)) + ",\n",
    "lines with commas in front": "\n,".join(map(json.dumps, OBJECTS)),
    "text sequence": "".join(f"\x1e{json.dumps(each)}\n" for each in OBJECTS),
    "array": json.dumps(OBJECTS),
    "array over many lines": json.dumps(OBJECTS, indent=2),
    "array by tabs": json.dumps(OBJECTS, indent="\t").replace("\n", "\r\n"),
    "array of lines": "[\n" + ",\n".join(map(json.dumps, OBJECTS)) + "\n]\n",
    "array without end commas": "[\n" + ",\n".join(map(json.dumps, OBJECTS)) + ",\n]\n",
    "wrapped": json.dumps({"count": 4, "orders": OBJECTS, "next": None}),
    "wrapped over many lines": json.dumps(
        {"meta": {"q": [{"z": 1}]}, "data": OBJECTS, "links": [{"k": 1}]}, indent=1
    ),
    "wrapped twice": json.dumps(
        {"data": {"orders": {"edges": [{"node": each} for each in OBJECTS]}}}, indent=2
    ),
    "pages": "\n".join(json.dumps({"results": [each]}) for each in OBJECTS),
    "pages over many lines": "\n".join(json.dumps({"results": [each]}, indent=2) for each in OBJECTS),
    "array of pages": json.dumps([{"results": [each]} for each in OBJECTS]),
    "one after the other": "".join(map(json.dumps, OBJECTS)),
    "one below the other": "\n".join(json.dumps(each, indent=4) for each in OBJECTS),
    "arrays by line": "\n".join(json.dumps([each]) for each in OBJECTS),
    "array without indentation": json.dumps(OBJECTS, indent=0),
}


@pytest.mark.parametrize("name", ARRANGEMENTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_objects_are_found_in_any_arrangement(path: Path, name: str, encoding: str) -> None:
    cells, faults = read(path, ARRANGEMENTS[name].encode(encoding))
    assert cells == [each["a"] for each in OBJECTS]
    assert not faults


def test_ids_beyond_what_a_float_holds_stay_exact(path: Path) -> None:
    cells, _ = read(path, '{"id": 9007199254740993}\n{"id": 9007199254740992}\n')
    assert len(set(cells)) == 2


@pytest.mark.parametrize(
    ("content", "good", "refused"),
    [
        ('{"a":1}\n{"a":\n5\n{"a":2}\n', [1, 2], [2, 3]),
        ('{broken\n{"a":1}\n{"a":2}\n', [1, 2], [1]),
        ('[\n  {\n    "a": 1,\n    "b":\n  },\n  {\n    "a": 2\n  }\n]', [2], [2]),
        ('[\n  {\n    "a": 1,\n    "b": {"c": 2\n  },\n  {\n    "a": 2\n  },\n  {"a": 3}\n]', [2, 3], [2]),
        ('[\n {"a":1},\n {"a":"x},\n {"a":2}\n]', [1, 2], [3]),
        ('[\n {"a":1},\n {"a":[{"b":1,\n {"a":2}\n]', [1, 2], [3]),
        ('[{"a":1},5,"x{",null,{"a":2}]', [1, 2], [1]),
        ('[{"a":1}},{"a":2},{"a":3}]', [2, 3], [1]),
        ('[{"a":{"b":1}}, "c":2},{"a":2}]', [2], [1]),
        ('[{"a":1},{"a":2,"b":[', [1], [1]),
        ('[{"a":1},{"a":2},', [1, 2], [1]),
        ('[{"a":1},{"a":2]},{"a":3}]', [1, 3], [1]),
        ('{"orders": [\n{"a":1},\n{"a":,\n"b":2},\n{"a":3}\n]}', [1, 3], [3]),
    ],
)
def test_a_broken_element_is_refused_with_its_place_and_the_rest_is_read(
    path: Path, content: str, good: list[int], refused: list[int]
) -> None:
    cells, faults = read(path, content)
    assert cells == good
    assert list(faults) == refused
    assert all(fault.startswith("is no JSON object") for fault in faults.values())


def test_what_a_brace_too_many_cuts_short_is_not_sent(path: Path) -> None:
    _, faults = read(path, '[{"a":{"b":1}}, "discount":2},{"a":2}]')
    rows = rows_of(path, '[{"a":{"b":1}}, "discount":2},{"a":2}]')
    assert [row.text for row in rows if row.fault] == ['{"a":{"b":1}}', '"discount":2}']
    assert faults


def test_objects_without_indentation_are_not_cut_at_their_lists(path: Path) -> None:
    content = (
        '[\n{\n"a":1,\n"items":\n[\n{"s":1},\n{"s":2}\n]\n},\n{\n"a":2,\n"items":[\n{\n"s":3\n}\n]\n}\n]'
    )
    cells, faults = read(path, content)
    assert (cells, faults) == ([1, 2], {})


def test_an_element_that_is_too_long_is_refused_and_held_by_no_memory(path: Path) -> None:
    part = "x" * (LONGEST_LINE // 2) + r"\\\"{"
    long = '{"a": 7, "b": "' + part * 24 + '"}'
    cells, faults = read(path, f'[{{"a":1}},\n{long},\n{{"a":2}}]')
    table = JsonRows(path, examine(path))
    tracemalloc.start()
    (refused,) = [row for row in table if row.fault]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert cells == [1, 2]
    assert list(faults) == [2]
    assert "longer than" in faults[2]
    assert len(refused.text) == 200
    assert peak < 10 * LONGEST_LINE


def test_an_array_on_one_line_is_read_in_bounded_memory(path: Path) -> None:
    with path.open("w") as file:
        file.write('{"total": 20000, "orders": [')
        for number in range(20_000):
            file.write(("," if number else "") + json.dumps({"a": number, "b": "x" * 500}))
        file.write("]}")
    encoding = examine(path)
    tracemalloc.start()
    table = JsonRows(path, encoding)
    rows = sum(not row.fault for row in table)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (rows, table.wrapper) == (20_000, ("orders",))
    assert path.stat().st_size > 9 * LONGEST_LINE
    assert peak < 8 * LONGEST_LINE


def test_a_file_whose_rest_an_element_swallows_is_refused_whole(path: Path) -> None:
    rest = ",".join(json.dumps({"a": number, "b": "x" * 500}) for number in range(5_000))
    with pytest.raises(FileError, match="behind line 2: an element begins there that does not end"):
        rows_of(path, f'[{{"a":1}},\n{{"a":2, "b":[{rest}]')


def test_a_byte_of_another_encoding_costs_its_element(path: Path) -> None:
    content = '[{"a":"é"},\n'.encode() + b'{"a":"\xe9"},\n{"a":"z"}]'
    assert [row.number for row in rows_of(path, content) if row.fault] == [2]
    assert [row.cells[0] for row in rows_of(path, content, "windows-1252")] == ["é", "é", "z"]


def test_a_file_without_objects_is_refused(path: Path) -> None:
    for content in ("[]", "[1, 2]", '{"orders": []}x'):
        with pytest.raises(FileError, match="holds no JSON object"):
            rows_of(path, content.removesuffix("x")) if content != '{"orders": []}x' else rows_of(
                path, "[{}]"
            )


def test_an_order_is_not_taken_for_a_list_of_its_lines() -> None:
    assert wrapper_of({"id": 1, "items": [{"sku": "A"}]}) == ()
    assert wrapper_of({"customer_id": 1, "orders": [{"sku": "A"}]}) == ()
    assert wrapper_of({"items": [{"increment_id": 1}], "search_criteria": {}, "total_count": 1}) == ("items",)
    assert wrapper_in('{"items": [{"sku": "A"}], "number": 5, "x": [') == ("items",)
    assert wrapper_in('{"number": 5, "items": [{"sku": "A"}, {') == ()
    assert wrapper_in('{"meta": {"orders": [{"a": 1}]}, "data": {"orders": [{"a": 1},') == ("data", "orders")
    assert wrapper_in('{"id": 5, "orders": [{"sku": "A"}, {') == ()


VALUE = st.recursive(
    st.none() | st.integers() | st.text('ab"\\{}[]:,\n é', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz{", max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(
    objects=st.lists(st.dictionaries(st.text("pq}", min_size=1, max_size=2), VALUE, min_size=1), min_size=1),
    indent=st.sampled_from((None, 0, 1, 4, "\t")),
    whole=st.booleans(),
)
def test_whatever_a_proper_writer_writes_is_read_back(
    path: Path, objects: list[dict[str, Any]], indent: int | str | None, *, whole: bool
) -> None:
    content = (
        json.dumps(objects, indent=indent)
        if whole
        else "\n".join(json.dumps(each, indent=indent) for each in objects)
    )
    path.write_text(content)
    table = JsonRows(path, examine(path))
    found = [record.content for record in table.records()]
    assert len(found) == len(objects)
    assert all(record.fault == "" for record in table.records())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(st.lists(st.sampled_from(['"', "{", "}", "[", "]", ",", "\n", "1", '"a":', "\\", " "]), max_size=40))
def test_whatever_a_file_holds_it_is_read_to_its_end(path: Path, pieces: list[str]) -> None:
    path.write_text('[\n  {"a": 1},\n  {"a": 2}' + "".join(pieces) + '\n,\n  {"a": 3},\n  {"a": 4}\n]')
    rows = list(JsonRows(path, examine(path)))
    assert [row.cells[0] for row in rows if row.cells][:1] == [1]
