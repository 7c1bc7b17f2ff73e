"""A ledger back from its rows, whatever their order, and what it refuses to come back from."""

from __future__ import annotations

import random
from collections import deque

import pytest

from models.ledger.intake import Intake, LedgerConflictError
from models.ledger.ledger import Ledger
from models.memory.rows import (
    CLOCK_KEY,
    PRIORS_KEY,
    SETTINGS_KEY,
    THRESHOLDS_KEY,
    RowError,
    dictionary_key,
    header,
    is_erased,
    is_habits,
    own_payload,
    partition_row,
)
from models.replay.steps import finish_sweep
from models.settings import LedgerSettings
from models.state.clock_row import ClockRow
from models.state.state import State
from tests.models.ledger.test_ledger import a_log
from tests.support.ledgers.logs import Replay, basket, drive, records_of, replay_of, tick

SETTINGS = LedgerSettings(
    segment_minimum_population=3, alert_minimum_probability=0.25, alert_minimum_lift=0.0
)


def finished(days: int = 25) -> tuple[Ledger, Replay]:
    ledger, replay = Ledger(SETTINGS), Replay()
    drive(ledger, records_of(a_log(6, days=days), SETTINGS), replay, finish=True)
    return ledger, replay


def loaded(rows: dict[bytes, bytes]) -> Ledger:
    ledger = Ledger(SETTINGS)
    ledger.load(rows.items())
    return ledger


def test_every_step_s_rows_end_with_the_clock_row() -> None:
    ledger, records = Ledger(SETTINGS), records_of(a_log(6, days=5), SETTINGS)
    at = 0
    while at < len(records):
        changes = (
            ledger.sweep(1)
            if ledger.sweeping
            else ledger.advance(records.slice(at, min(at + 3, len(records))))
        )
        at += changes.applied
        if changes.applied or changes.rows:
            keys = [row.key for row in changes.rows]
            assert keys[-1] == CLOCK_KEY
            assert len(keys) == len(set(keys))


def test_a_loaded_ledger_knows_all_that_the_one_before_knew() -> None:
    ledger, replay = finished()
    again = loaded(replay.rows)
    assert again.clock == ledger.clock
    assert again.customers == ledger.customers
    one, other = ledger._state, again._state
    for customer in one.ids:
        assert again.describe(customer) == ledger.describe(customer)
    assert other.histograms == one.histograms
    assert other.limits is None or one.limits is None or other.limits.encode() == one.limits.encode()
    assert (other.limits is None) == (one.limits is None)
    assert other.learnt_until == one.learnt_until
    assert other.priors.encode() == one.priors.encode()
    rows = [other.rows[customer] for customer in one.ids]
    assert other.customers["due"][rows].tolist() == one.customers["due"][: len(one.ids)].tolist()


def test_the_order_in_which_rows_come_back_shapes_nothing() -> None:
    _, replay = finished()
    rows = list(replay.rows.items())
    random.Random(3).shuffle(rows)
    future = [basket(f"n{n}", str(n), 26.0 + n / 100, ("MILK", "p1", 1.0, 1.0)) for n in range(6)]
    later = []
    for order in (replay.rows.items(), rows):
        ledger, more = loaded(dict(order)), Replay()
        records = records_of([*future, tick(26), tick(30)], SETTINGS, first_offset=ledger.clock.offset + 1)
        drive(ledger, records, more, finish=True)
        later.append((more.events, more.rows))
    assert later[0] == later[1]


@pytest.mark.parametrize("seed", range(2))
def test_a_loaded_ledger_would_write_every_row_as_it_read_it(seed: int) -> None:
    ledger, replay, records = Ledger(SETTINGS), Replay(), records_of(a_log(seed, days=25), SETTINGS)
    at = 0
    while at < len(records):
        changes = ledger.sweep(2) if ledger.sweeping else ledger.advance(records.slice(at, at + 1))
        at += changes.applied
        replay.take(changes)
        if at % 3 == 0:
            known = {key: row for key, row in replay.rows.items() if not is_erased(row)}
            assert dict(loaded(replay.rows).rows_of(replay.rows)) == known


@pytest.mark.parametrize("stale", [1, 3, 4])
def test_a_stale_slice_of_a_sweep_that_lands_among_the_owner_s_changes_nothing(stale: int) -> None:
    baskets = [basket(f"e{n}", str(n), 0.5, ("MILK", "p", 1.0, 1.0)) for n in range(6)]
    records = records_of([tick(-1), *baskets, tick(0)], SETTINGS)
    zombie, owner = Ledger(SETTINGS), Ledger(SETTINGS)
    written = Replay()
    for at in range(len(records)):
        zombie.advance(records.slice(at, at + 1))
        written.take(owner.advance(records.slice(at, at + 1)))
    late = zombie.sweep(stale).rows
    for limit in (2, 2, 6):
        for rows in (late, owner.sweep(limit).rows, late):
            written.store(rows)
            again = loaded(written.rows)
            deque(finish_sweep(again), maxlen=0)
            assert len(again._state.ids) == 6


def test_an_unfinished_sweep_begins_anew_with_those_who_have_not_seen_the_boundary() -> None:
    log = a_log(6, days=10)
    whole, replay = replay_of(log, SETTINGS), Replay()
    ledger, records = Ledger(SETTINGS), records_of(log, SETTINGS)
    drive(ledger, records, replay, sweep_limit=1)
    assert ledger.sweeping
    replay.take(ledger.sweep(2))
    again = loaded(replay.rows)
    assert again.sweeping
    drive(again, records.slice(0, 0), replay, finish=True)
    assert replay.rows == whole.rows
    assert replay.events == whole.events


def test_rows_of_nothing_load_as_nothing() -> None:
    assert loaded({}).clock.offset == -1


def test_a_row_ahead_of_the_clock_row_is_refused() -> None:
    early, late = replay_of(a_log(6, days=5), SETTINGS), finished()[1]
    with pytest.raises(RowError, match="ahead of the clock row"):
        loaded(late.rows | {CLOCK_KEY: early.rows[CLOCK_KEY]})


def test_every_row_is_counted_so_that_a_changelog_made_anew_under_a_worker_is_refused() -> None:
    _, replay = finished(5)
    counted = [key for key in replay.rows if not is_habits(key)]
    assert len(counted) == ClockRow.decode(replay.rows[CLOCK_KEY]).rows + 1
    for key in replay.rows.keys() - {CLOCK_KEY}:
        with pytest.raises(RowError, match=r"it was deleted or cut while a worker wrote|a row is missing"):
            loaded({kept: value for kept, value in replay.rows.items() if kept != key})


@pytest.mark.parametrize("key", [PRIORS_KEY, THRESHOLDS_KEY, SETTINGS_KEY, dictionary_key(b"categories", 0)])
@pytest.mark.parametrize("payload", [b"nonsense \xff", b"\1" * 7])
def test_an_own_row_of_sound_checksum_and_senseless_content_is_refused(key: bytes, payload: bytes) -> None:
    _, replay = finished(5)
    assert key in replay.rows
    with pytest.raises(RowError):
        loaded(replay.rows | {key: partition_row(payload, offset=0, boundary=99_999)})


def test_settings_in_force_come_back_though_others_are_wanted() -> None:
    _, replay = finished(5)
    state = State(SETTINGS.model_copy(update={"alert_grace_days": 9}), 1)
    intake = Intake(state)
    intake.take(replay.rows.items())
    intake.settle()
    assert state.settings == SETTINGS


def test_settings_and_own_rows_grow_with_their_boundary_alone() -> None:
    _, replay = finished(5)
    for key in (PRIORS_KEY, THRESHOLDS_KEY):
        head = header(replay.rows[key])
        assert (head.offset, head.boundary) == (0, header(replay.rows[CLOCK_KEY]).boundary)
        assert own_payload(replay.rows[key])


def test_a_conflict_says_what_to_do() -> None:
    _, replay = finished(5)
    with pytest.raises(LedgerConflictError, match="reset and replay the log"):
        Ledger(SETTINGS, partitions=3).load(replay.rows.items())
