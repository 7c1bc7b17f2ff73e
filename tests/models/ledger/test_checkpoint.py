"""Checkpoints: a state written down and taken up again, with the rest of the changelog on top of it."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.contracts.changes import Row
from models.ledger import checkpoint
from models.ledger.checkpoint import CheckpointError
from models.ledger.intake import LedgerConflictError
from models.ledger.ledger import Ledger
from models.ledger.storage import own_rows
from models.memory.rows import CLOCK_KEY, RowError, customer_of, habits_key, header, is_erased
from models.replay.steps import advance_through
from models.settings import LedgerSettings
from tests.models.ledger.test_ledger import a_log
from tests.support.ledgers.counting import CountingLedger
from tests.support.ledgers.logs import Replay, basket, drive, records_of, tick

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.flow import LedgerLike

SETTINGS = LedgerSettings(
    segment_minimum_population=3, alert_minimum_probability=0.25, alert_minimum_lift=0.0
)
OTHERS = SETTINGS.model_copy(update={"alert_grace_days": 3, "boundary_hour": 4})


def saved(ledger: LedgerLike) -> bytes:
    """A ledger's checkpoint."""
    file = io.BytesIO()
    ledger.save(file)
    return file.getvalue()


def restored(
    content: bytes, tail: list[Row], *, at_once: int = 1_000, wanted: LedgerSettings = SETTINGS
) -> tuple[Ledger, set[bytes]]:
    """A ledger from a checkpoint and what was written after it; and the keys whose last row is not theirs."""
    ledger, wrong = Ledger(wanted), set[bytes]()
    ledger.restore(io.BytesIO(content))
    for at in range(0, len(tail), at_once):
        for row in tail[at : at + at_once]:
            wrong = (wrong - {row.key}) | set(ledger.take([row]))
    ledger.settle()
    return ledger, wrong


def recovered(log: list[Row], *, wanted: LedgerSettings = SETTINGS) -> Ledger:
    """A ledger from the whole changelog."""
    greatest, ledger = Replay(), Ledger(wanted)
    greatest.store(log)
    ledger.load(greatest.rows.items())
    return ledger


def steps_of(
    values: list[bytes], rng: random.Random, on_step: Callable[[Ledger, list[Row]], None], *, adopt: int = -1
) -> list[Row]:
    """Drive a ledger in steps of any size, and say after each what the changelog holds by then."""
    ledger, changelog = Ledger(SETTINGS), list[Row]()
    records = records_of(values, SETTINGS)
    at = 0
    while at < len(records):
        if 0 <= adopt <= at:  # the worker is started again with other settings
            ledger, adopt = recovered(changelog, wanted=OTHERS), -1
        if ledger.sweeping and rng.random() < 0.6:
            changes = ledger.sweep(rng.randrange(1, 4))
        else:
            changes = ledger.advance(records.slice(at, min(at + rng.randrange(1, 9), len(records))))
            if not changes.applied:
                changes = ledger.sweep(1)
        at += changes.applied
        changelog += changes.rows
        on_step(ledger, changelog)
    return changelog


def risen(tail: list[Row], changelog: list[Row]) -> set[bytes]:
    """Erased customers of whom a stale row lies behind what a checkpoint knows, and no tombstone after it."""
    greatest = Replay()
    greatest.store(changelog)
    last = {row.key: row.value for row in tail}
    return {key for key, row in last.items() if is_erased(greatest.rows[key]) and not is_erased(row)}


def assert_same(one: Ledger, other: Ledger) -> None:
    """Equal rows, equal clocks, and equal outputs and rows of everything that comes."""
    ids = sorted(other._state.ids)
    assert sorted(one._state.ids) == ids
    keys = [*ids, *map(habits_key, ids), CLOCK_KEY]
    assert one.rows_of(keys) == other.rows_of(keys)
    assert own_rows(one._state) == own_rows(other._state)
    assert one._state.histograms == other._state.histograms
    future = [
        *(
            basket(f"n{day}-{n}", str(n), 15.0 + day, ("MILK", "p1", 1.0, 2.0))
            for day in (0, 3)
            for n in range(8)
        ),
        tick(15),
        basket("new", "newcomer", 19.5, ("HONEY", "p9", 1.0, 5.0)),
        tick(25),
        tick(40),
    ]
    came = []
    for ledger in (one, other):
        replay = Replay()
        first = ledger.clock.offset + 1
        drive(ledger, records_of(future, SETTINGS, first_offset=first), replay, sweep_limit=2, finish=True)
        came.append((replay.events, replay.rows, replay.counts))
    assert came[0] == came[1]


@given(seed=st.integers(0, 40), pick=st.integers(0, 10_000), stale=st.integers(0, 5), adopt=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_checkpoint_and_the_tail_are_the_whole_changelog(
    seed: int,
    pick: int,
    stale: int,
    adopt: bool,  # noqa: FBT001 - Hypothesis passes it
) -> None:
    rng = random.Random(seed * 10_007 + pick)
    log = a_log(seed)
    taken: list[tuple[bytes, int]] = []
    changelog = steps_of(
        log,
        rng,
        lambda ledger, rows: taken.append((saved(ledger), len(rows))),
        adopt=len(log) // 3 if adopt else -1,
    )
    content, position = taken[pick % len(taken)]
    tail = changelog[position:]
    for _ in range(stale):  # rows of a worker that does not know that it lost the partition
        tail.insert(rng.randrange(len(tail) + 1), rng.choice(changelog))
    wanted = OTHERS if adopt else SETTINGS
    if risen(tail, changelog):
        with pytest.raises(RowError, match=r"the clock row counts|a row is missing"):
            restored(content, tail, wanted=wanted)
        return
    ledger, wrong = restored(content, tail, at_once=rng.choice((1, 7, 1_000)), wanted=wanted)
    whole = recovered(changelog[:position] + tail, wanted=wanted)
    last = {row.key: row.value for row in changelog[:position] + tail}
    greatest = Replay()
    greatest.store(changelog)
    # Of two tombstones either may stand last: neither leaves anything.
    assert wrong == {
        key
        for key, row in last.items()
        if header(row)[1:3] < header(greatest.rows[key])[1:3]
        and not (is_erased(row) and is_erased(greatest.rows[key]))
    }
    assert ledger.rows_of(sorted(wrong)) == whole.rows_of(sorted(wrong))
    assert_same(ledger, whole)


def test_a_checkpoint_in_the_middle_of_a_sweep_goes_on_with_those_who_have_not_seen_the_boundary() -> None:
    seen: list[tuple[bytes, int]] = []

    def look(ledger: Ledger, rows: list[Row]) -> None:
        if ledger.sweeping and ledger._state.sweep is not None and ledger._state.sweep.at:
            seen.append((saved(ledger), len(rows)))

    changelog = steps_of(a_log(6), random.Random(1), look)
    assert seen
    for content, position in seen:
        assert_same(restored(content, [])[0], recovered(changelog[:position]))


def test_a_live_ledger_takes_what_another_wrote() -> None:
    ledgers: list[tuple[Ledger, int]] = []

    def look(ledger: Ledger, rows: list[Row]) -> None:
        copy = restored(saved(ledger), [])[0]
        ledgers.append((copy, len(rows)))

    changelog = steps_of(a_log(3), random.Random(5), look)
    for ledger, position in ledgers[:: len(ledgers) // 8]:
        assert ledger.take(changelog[position:]) == []
        ledger.settle()
        assert_same(ledger, recovered(changelog))


def last_of(days: int) -> bytes:
    """The last checkpoint of a log of so many days."""
    content: list[bytes] = []
    steps_of(a_log(9, days=days), random.Random(2), lambda ledger, _: content.append(saved(ledger)))
    return content[-1]


@pytest.fixture(scope="module")
def of_a_fortnight() -> bytes:
    return last_of(14)


@pytest.fixture(scope="module")
def of_six_days() -> bytes:
    return last_of(6)


def test_a_checkpoint_is_the_same_bytes_when_it_is_taken_up_and_saved_again(of_a_fortnight: bytes) -> None:
    assert saved(restored(of_a_fortnight, [])[0]) == of_a_fortnight


def test_freed_rooms_are_used_again_after_a_checkpoint() -> None:
    ledger = Ledger(SETTINGS)
    log = [tick(0)]
    for day in range(1, 7):
        lines = [(f"C{day}{n}", f"p{day}{n}", 1.0, 1.0) for n in range(3)]
        log += [basket(f"{day}", "1", day + 0.5, *lines), tick(day)]
    drive(ledger, records_of(log, SETTINGS), Replay(), finish=True)
    arena = restored(saved(ledger), [])[0]._state.cells
    end, rooms = arena.extent
    assert rooms
    size, start = arena.freed()[0].tolist()
    arena.put(0, np.zeros(0, arena.records.dtype))
    arena.reserve(2)
    arena.put(1, np.zeros(size, arena.records.dtype))
    assert arena.extent == (end, rooms - 1)
    assert arena.columns(2)[2][1] == start


@pytest.mark.parametrize("cut", [0, 5, 60, 300, 5_000, -1])
def test_a_checkpoint_that_ends_early_is_refused(of_a_fortnight: bytes, cut: int) -> None:
    with pytest.raises(CheckpointError):
        Ledger(SETTINGS).restore(io.BytesIO(of_a_fortnight[:cut]))


@pytest.mark.parametrize("seed", range(40))
def test_a_flipped_bit_is_refused_or_stays_within_the_state(of_six_days: bytes, seed: int) -> None:
    rng = random.Random(seed)
    damaged = bytearray(of_six_days)
    damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    ledger = Ledger(SETTINGS)
    try:
        ledger.restore(io.BytesIO(bytes(damaged)))
        ledger.settle()
    except (CheckpointError, RowError, LedgerConflictError, ValueError, IndexError):
        return
    assert ledger.customers


def test_a_checkpoint_of_another_layout_of_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(SETTINGS)
    drive(ledger, records_of(a_log(1), SETTINGS), Replay())
    monkeypatch.setattr(checkpoint, "LAYOUT", "another")
    content = saved(ledger)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="another way"):
        Ledger(SETTINGS).restore(io.BytesIO(content))


def test_a_checkpoint_of_another_partition_count_is_refused() -> None:
    ledger = Ledger(SETTINGS)
    drive(ledger, records_of(a_log(1), SETTINGS), Replay())
    other = Ledger(SETTINGS, partitions=3)
    other.restore(io.BytesIO(saved(ledger)))
    with pytest.raises(LedgerConflictError):
        other.settle()


def test_a_row_ahead_of_the_clock_row_is_refused_on_top_of_a_checkpoint_too() -> None:
    early: list[bytes] = []
    changelog = steps_of(a_log(6), random.Random(1), lambda ledger, _: early.append(saved(ledger)))
    ledger = Ledger(SETTINGS)
    ledger.restore(io.BytesIO(early[3]))
    ledger.take([row for row in changelog if customer_of(row.key) is not None])
    with pytest.raises(RowError, match="ahead of the clock row"):
        ledger.settle()


def test_the_counting_ledger_keeps_the_contract() -> None:
    def counted(rows: list[Row]) -> CountingLedger:
        ledger, greatest = CountingLedger(day=20, most=7), Replay()
        greatest.store(rows)
        ledger.load(greatest.rows.items())
        return ledger

    ledger, taken = CountingLedger(day=20, most=7), list[tuple[bytes, int]]()
    records = records_of(
        [basket(f"{n}", f"c{n % 5}", 1.0, ("A", "p", 1.0, 1.0)) for n in range(90)], SETTINGS
    )
    rows: list[Row] = []
    for changes in advance_through(ledger, records, sweep_limit=2):
        rows += changes.rows
        taken.append((saved(ledger), len(rows)))
    for content, position in taken:
        other = CountingLedger(day=20, most=7)
        other.restore(io.BytesIO(content))
        assert other.take(rows[position:]) == []
        other.settle()
        assert vars(other) == vars(counted(rows))
        assert other.take(rows[:1]) == [rows[0].key]
        with pytest.raises(CheckpointError):
            CountingLedger().restore(io.BytesIO(content[:-40]))
