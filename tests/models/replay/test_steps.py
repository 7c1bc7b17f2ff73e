"""Steps over a log: nothing is left out, and a sweep comes where it has to."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import pytest

from models.ledger.ledger import Ledger
from models.replay.steps import advance_through, finish_sweep
from models.settings import LedgerSettings
from tests.models.ledger.test_ledger import a_log
from tests.support.ledgers.logs import Replay, records_of, replay_of

if TYPE_CHECKING:
    from models.contracts.changes import Changes

SETTINGS = LedgerSettings(segment_minimum_population=3)


@pytest.mark.parametrize("limit", [1, 600])
def test_a_run_is_accounted_for_and_its_last_sweep_is_finished_apart(limit: int) -> None:
    log = a_log(2, days=12)
    ledger, replay, records = Ledger(SETTINGS), Replay(), records_of(log, SETTINGS)
    steps = list(advance_through(ledger, records, sweep_limit=limit))
    assert sum(changes.applied for changes in steps) == len(records)
    assert any(not changes.applied and changes.rows for changes in steps)
    assert ledger.sweeping
    for changes in chain(steps, finish_sweep(ledger, sweep_limit=limit)):
        replay.take(changes)
    assert not ledger.sweeping
    whole = replay_of(log, SETTINGS)
    assert (replay.rows, replay.events) == (whole.rows, whole.events)


def test_the_ledger_moves_on_as_steps_are_taken() -> None:
    ledger, records = Ledger(SETTINGS), records_of(a_log(2, days=12), SETTINGS)
    steps = advance_through(ledger, records)
    assert ledger.clock.offset == -1
    first: Changes = next(steps)
    assert ledger.clock.offset == first.applied - 1 < len(records) - 1


def test_where_there_is_nothing_to_do_there_are_no_steps() -> None:
    ledger = Ledger(SETTINGS)
    assert [*advance_through(ledger, records_of([], SETTINGS)), *finish_sweep(ledger)] == []
