"""An arena against a dict of lists."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.memory.arena import RESERVED_CUSTOMERS, Arena, grown, reserved
from streams.process.memory import keep_buffers

RECORD = np.dtype([("number", "<u2"), ("amount", "<i8")])
LONGEST = 20
ROWS = st.integers(0, 6)
RUNS = st.lists(st.integers(0, 60_000), max_size=LONGEST)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), ROWS, RUNS),
        st.tuples(st.just("put_all"), st.dictionaries(ROWS, RUNS, min_size=1)),
        st.tuples(st.just("clear"), st.lists(ROWS, unique=True)),
        st.tuples(st.just("release"), ROWS),
    ),
    max_size=40,
)


def records(numbers: list[int]) -> np.ndarray[Any, np.dtype[Any]]:
    made = np.zeros(len(numbers), RECORD)
    made["number"] = numbers
    made["amount"] = -np.array(numbers, np.int64)
    return made


def put_all(arena: Arena, runs: dict[int, list[int]]) -> None:
    owners = np.repeat(np.arange(len(runs)), [len(run) for run in runs.values()])
    joined = records([number for run in runs.values() for number in run])
    arena.put_all(np.array(list(runs), np.int64), owners, joined)


@given(operations=OPERATIONS)
def test_it_holds_what_a_dict_of_lists_would_hold(operations: list[Any]) -> None:
    arena, model = Arena(RECORD, LONGEST), {row: list[int]() for row in range(7)}
    for name, *given_ in operations:
        if name == "put":
            row, run = given_
            arena.put(row, records(run))
            model[row] = run
        elif name == "put_all":
            put_all(arena, given_[0])
            model |= given_[0]
        elif name == "clear":
            arena.clear(np.array(given_[0], np.int64))
            model |= {row: [] for row in given_[0]}
        else:
            arena.wipe(given_[0])
            model[given_[0]] = []
        for row, run in model.items():
            assert arena.run(row).tolist() == records(run).tolist()
        left = arena.records[: arena.extent[0]].copy()
        left[arena.positions(np.array(list(model)))[1]] = 0
        assert not left["number"].any(), "what no run holds is overwritten"
    asked = np.array([5, 0, 3], np.int64)
    owners, positions = arena.positions(asked)
    assert owners.tolist() == [at for at, row in enumerate(asked.tolist()) for _ in model[row]]
    assert arena.records["number"][positions].tolist() == [n for row in asked.tolist() for n in model[row]]


def test_freed_rooms_are_used_again() -> None:
    arena = Arena(RECORD, LONGEST)
    arena.put(0, records([1, 2, 3]))
    arena.wipe(0)
    arena.put(1, records([4, 5, 6, 7]))
    assert arena._end == 4
    assert arena.run(1)["number"].tolist() == [4, 5, 6, 7]


def test_a_run_beyond_its_bound_is_refused_and_changes_nothing() -> None:
    arena = Arena(RECORD, LONGEST)
    arena.put(0, records([1, 2]))
    with pytest.raises(ValueError, match="at most 20"):
        arena.put(0, records(list(range(21))))
    assert arena.run(0)["number"].tolist() == [1, 2]


def test_it_takes_more_customers_than_were_reserved() -> None:
    arena = Arena(RECORD, LONGEST)
    arena.put(3, records([9]))
    arena.reserve(RESERVED_CUSTOMERS + 1)
    arena.put(RESERVED_CUSTOMERS, records([1, 2]))
    assert arena.run(RESERVED_CUSTOMERS)["number"].tolist() == [1, 2]
    assert arena.run(3)["number"].tolist() == [9]


def test_growing_keeps_what_there_is_and_doubles_at_least() -> None:
    array = np.arange(3)
    assert grown(array, 3) is array
    larger = grown(array, 4)
    assert larger.tolist() == [0, 1, 2, 0, 0, 0]
    assert len(grown(array, 50)) == 50


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which Linux has")
def test_what_is_reserved_is_not_resident_however_often_it_is_made_anew() -> None:
    keep_buffers()
    resident = []
    for _ in range(4):
        arrays = [reserved(1 << 20, RECORD) for _ in range(20)]  # 200 MB of address space
        assert not any(array["amount"][-1] for array in arrays)
        for array in arrays:
            array["amount"][:10] = 1
        del arrays, array
        resident.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    assert resident[-1] - resident[0] < 20_000_000
