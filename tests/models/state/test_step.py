"""A step keeps what was, so that it can be undone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models.contracts.event_block import EventBlock
from models.ledger import boundaries
from models.ledger.baskets import apply
from models.ledger.ledger import Ledger
from models.ledger.storage import changes_of
from models.memory.rows import CLOCK_KEY, THRESHOLDS_KEY
from models.settings import LedgerSettings
from models.state.customer_rows import days_of, habits_of
from models.state.step import Step
from tests.models.ledger.test_ledger import a_log
from tests.support.ledgers.logs import Replay, basket, drive, records_of

if TYPE_CHECKING:
    from models.state.state import State

SETTINGS = LedgerSettings(
    segment_minimum_population=3, alert_minimum_probability=0.25, alert_minimum_lift=0.0
)
DAYS = 20


def settled() -> State:
    ledger = Ledger(SETTINGS)
    drive(ledger, records_of(a_log(4, days=DAYS), SETTINGS), Replay(), finish=True)
    return ledger._state


def everything(state: State) -> tuple[object, ...]:
    """All that a step may change."""
    return (
        days_of(state, np.arange(len(state.ids))),
        habits_of(state, np.arange(len(state.ids))),
        dict(state.later_sections),
        list(state.ids),
        dict(state.rows),
        [names.shards_since(0) for names in state.dictionaries.values()],
        state.priors.encode(),
        state.popularity.encode(),
        state.pairs.encode(),
        [table.tobytes() for table in state.assortment],
        state.category_names.classes[: len(state.category_names) + 1].tolist(),
        state.histograms.thresholds(),
        state.histograms.population,
        state.limits and state.limits.encode(),
        state.learnt_until,
        state.settings,
        state.clock,
        None if state.sweep is None else (state.sweep.rows.tolist(), state.sweep.at),
    )


def visits() -> list[bytes]:
    """Baskets of known and new customers, with known and new names."""
    return [
        basket("x0", "1", DAYS + 0.5, ("MILK", "p1", 1.0, 2.0), ("NEW", "new", 1.0, 2.0)),
        basket("x1", "newcomer", DAYS + 0.6, ("BREAD", "p2", 1.0, 2.0), store_id="9", channel="kiosk"),
        basket("x2", "1", DAYS + 0.7, ("EGGS", "p3", 3.0, 2.0)),
    ]


def test_baskets_undone_leave_no_trace() -> None:
    state = settled()
    before, step = everything(state), Step(state)
    apply(step, records_of(visits(), SETTINGS), [0, 1, 2])
    assert everything(state) != before
    step.undo()
    assert everything(state) == before
    assert b"newcomer" not in state.rows


def test_a_boundary_undone_leaves_no_trace() -> None:
    state = settled()
    before, step = everything(state), Step(state)
    wanted = SETTINGS.model_copy(update={"alert_lead_days": 0, "alert_grace_days": 9})
    due = state.customers["due"].copy()
    boundaries.begin(step, state.clock.begun + 5, wanted)
    assert state.settings == wanted
    assert state.customers["due"].tolist() != due.tolist()
    step.undo()
    assert everything(state) == before


def test_what_is_applied_again_after_an_undo_comes_out_the_same() -> None:
    once, twice = settled(), settled()
    records = records_of(visits(), SETTINGS)
    results = []
    for state, tries in ((once, 1), (twice, 2)):
        for attempt in range(tries):
            step = Step(state)
            apply(step, records, [0, 1, 2])
            if attempt < tries - 1:
                step.undo()
        results.append((changes_of(step, 3), everything(state)))
    assert results[0] == results[1]


def test_only_touched_and_new_customers_are_changed_ones() -> None:
    state = settled()
    step = Step(state)
    apply(step, records_of(visits(), SETTINGS), [0, 1, 2])
    assert [state.ids[row] for row in step.changed.tolist()] == [b"1", b"newcomer"]
    keys = [row.key for row in changes_of(step, 3).rows]
    assert keys[:2] == [b"1", b"newcomer"]
    assert keys[-1] == CLOCK_KEY
    assert THRESHOLDS_KEY not in keys


def test_names_that_it_adds_are_written_with_it() -> None:
    state = settled()
    step = Step(state)
    assert step.new_names() == []
    apply(step, records_of(visits(), SETTINGS), [0, 1])
    added = {kind: names for kind, _, names in step.new_names()}
    for kind, name in (
        (b"categories", b"NEW"),
        (b"products", b"new"),
        (b"stores", b"9"),
        (b"channels", b"kiosk"),
    ):
        assert name in added[kind]


def test_on_the_wall_clock_only_what_is_later_than_live_is_sent() -> None:
    state = settled()
    for live_at, sent in ((None, []), (100, [101])):
        state.clock = replace(state.clock, wall=True, live_at=live_at)
        step = Step(state)
        for at in (99, 100, 101):
            step.emit(EventBlock("t", (), [b"1"], [b"{}"], ["id"], [at]))
        assert [at for block in step.blocks for at in block.times] == sent
        assert step.counts["suppressed"] == 3 - len(sent)
