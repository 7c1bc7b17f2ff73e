"""What a ledger tells those who watch it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from models.ledger.ledger import Ledger
from models.settings import LedgerSettings
from tests.models.ledger.test_ledger import a_log
from tests.support.ledgers.logs import Replay, basket, drive, live, records_of, tick

if TYPE_CHECKING:
    from models.contracts.status import LedgerStatus

SETTINGS = LedgerSettings()
HOUR = 3_600_000


def after(days: int, settings: LedgerSettings = SETTINGS, *, finish: bool = True) -> LedgerStatus:
    ledger = Ledger(settings)
    drive(ledger, records_of(a_log(3, days=days), settings), Replay(), finish=finish)
    return ledger.standing


def test_a_new_ledger_knows_nothing() -> None:
    new = Ledger(SETTINGS).standing
    assert (new.customers, new.rows, new.memory, new.left, new.concerned) == (0, 0, 0, 0, 0)
    assert (new.watermark, new.begun, new.finished) == (None, None, None)


def test_it_grows_with_what_is_known_and_its_boundary_follows_the_watermark() -> None:
    early, late = after(5), after(20)
    assert early.customers <= late.customers
    assert 0 < early.memory < late.memory
    assert late.rows > late.customers
    assert late.watermark is not None
    assert late.begun is not None
    assert late.begun == late.finished
    assert late.begun <= late.watermark < late.begun + 25 * HOUR


def test_an_unfinished_sweep_says_how_many_are_left() -> None:
    ledger = Ledger(SETTINGS)
    records = records_of(a_log(3, days=20), SETTINGS)
    applied = 0
    while not (ledger.sweeping and ledger.standing.concerned > 1):
        changes = ledger.advance(records.slice(applied, len(records)))
        applied += changes.applied
        if not changes.applied:
            ledger.sweep()
    concerned = ledger.standing.concerned
    assert ledger.standing.left == concerned
    ledger.sweep(1)
    assert ledger.standing.left == concerned - 1


@pytest.mark.parametrize("clock", ["log", "wall"])
def test_while_history_is_loaded_nothing_is_sent_and_what_comes_after_it_is(
    clock: Literal["log", "wall"],
) -> None:
    settings = LedgerSettings(clock=clock)
    ledger = Ledger(settings)
    assert ledger.standing.sending == (clock == "log")
    milk = ("MILK", "m", 1.0, 2.0)
    log = [live(11), tick(9), basket("1", "900", 10.5, milk), basket("2", "900", 11.5, milk)]
    for offset, (record, sending) in enumerate(zip(log, (False, False, False, True), strict=True)):
        drive(ledger, records_of([record], settings, first_offset=offset), Replay())
        assert ledger.standing.sending == sending
