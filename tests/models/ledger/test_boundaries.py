"""What a boundary freezes, adopts and lays out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.ledger import boundaries
from models.ledger.ledger import Ledger
from models.settings import LedgerSettings
from models.state.calendar import day_number
from models.state.columns import NEVER
from models.state.step import Step
from tests.support.ledgers.logs import FIRST_DAY, Replay, basket, drive, records_of, tick

if TYPE_CHECKING:
    from models.state.state import State

SETTINGS = LedgerSettings(
    segment_minimum_population=4, alert_minimum_probability=0.25, alert_minimum_lift=0.0
)
DAY = day_number(FIRST_DAY.date())
CUSTOMERS = ("d", "b", "a", "c", "e")


def visit(customer: str, day: int, price: float = 1.0) -> bytes:
    return basket(f"{customer}{day}", customer, day + 0.5, ("MILK", "p", 1.0, price))


def ledger_after(log: list[bytes], settings: LedgerSettings = SETTINGS) -> Ledger:
    ledger = Ledger(settings)
    drive(ledger, records_of(log, settings), Replay(), finish=True)
    return ledger


def swept(state: State) -> list[str]:
    assert state.sweep is not None
    return [state.ids[row].decode() for row in state.sweep.rows.tolist()]


def everybody(day: int) -> list[bytes]:
    return [visit(customer, day) for customer in CUSTOMERS]


def test_the_first_boundary_only_says_where_time_begins() -> None:
    ledger = ledger_after([tick(-1)])
    assert ledger.clock.begun == ledger.clock.finished == DAY - 1
    assert ledger._state.learnt_until == 0
    assert ledger._state.limits is None


def test_a_sweep_takes_those_with_something_open_in_order_of_their_ids() -> None:
    state = ledger_after([tick(-1), *everybody(0), tick(0), visit("c", 1), visit("a", 1)])._state
    boundaries.begin(Step(state), DAY + 1, SETTINGS)
    assert swept(state) == ["a", "c"]


def test_a_quiet_customer_is_not_swept_and_not_written() -> None:
    log = [tick(-1), *everybody(0), tick(0), tick(1), tick(2)]
    quiet, replay = ledger_after(log), Replay()
    drive(quiet, records_of([tick(3)], SETTINGS, first_offset=len(log)), replay, finish=True)
    assert not [key for key in replay.rows if key[:1] != b"\0"]
    assert not quiet.sweeping


def test_a_customer_with_an_alert_due_is_swept() -> None:
    log = [tick(-1)]
    for day in range(21):
        log += [visit("a", day)] if day % 10 == 0 else []
        log.append(tick(day))
    state = ledger_after(log)._state
    due = int(state.customers["due"][0])
    assert due != NEVER
    boundaries.begin(Step(state), due - 1, SETTINGS)
    assert state.sweep is None
    boundaries.begin(Step(state), due, SETTINGS)
    assert swept(state) == ["a"]


def limits_of(ledger: Ledger) -> bytes:
    """Limits of segments that the ledger works with."""
    limits = ledger._state.limits
    assert limits is not None
    return limits.encode()


def test_limits_stay_frozen_while_purchases_arrive() -> None:
    ledger = ledger_after([tick(-1), *everybody(0), tick(0)])
    frozen = limits_of(ledger)
    drive(ledger, records_of([visit(c, 1, 99.0) for c in CUSTOMERS], SETTINGS, first_offset=20), Replay())
    assert limits_of(ledger) == frozen
    drive(ledger, records_of([tick(1)], SETTINGS, first_offset=40), Replay())
    assert limits_of(ledger) != frozen


def test_a_day_s_intervals_are_learnt_at_the_boundary_after_its_own() -> None:
    log = [tick(-1), *everybody(0), tick(0), *(tick(day) for day in range(1, 7)), *everybody(7), tick(7)]
    ledger = ledger_after(log)
    state = ledger._state
    numbers = state.category_names.find(["MILK"])
    before = float(state.priors.of(numbers).location[0])
    drive(ledger, records_of([tick(8)], SETTINGS, first_offset=len(log)), Replay(), finish=True)
    after = float(state.priors.of(numbers).location[0])
    assert after < before  # a week is less than the belief before any evidence
    drive(ledger, records_of([tick(9)], SETTINGS, first_offset=len(log) + 1), Replay(), finish=True)
    again = float(state.priors.of(numbers).location[0])
    assert abs(again - after) < 0.01 * (before - after)


def test_each_interval_is_learnt_once_however_long_a_silence_is() -> None:
    days = [tick(-1), *everybody(0), tick(0), *everybody(1), tick(1)]
    daily = ledger_after([*days, *(tick(day) for day in range(2, 21))])
    jump = ledger_after([*days, tick(20)])
    numbers = np.array(daily._state.category_names.find(["MILK"]))
    one, other = (ledger._state.priors.of(numbers) for ledger in (daily, jump))
    np.testing.assert_allclose(one.location, other.location, rtol=0.01)
    np.testing.assert_allclose(one.variance, other.variance, rtol=0.01)


def test_changed_settings_come_into_force_with_what_is_due_reckoned_anew() -> None:
    log = [tick(-1)]
    for day in range(21):
        log += [visit("a", day)] if day % 10 == 0 else []
        log.append(tick(day))
    state = ledger_after(log)._state
    due, wanted = int(state.customers["due"][0]), SETTINGS.model_copy(update={"alert_lead_days": 3})
    boundaries.begin(Step(state), state.clock.begun + 1, wanted)
    assert state.settings == wanted
    assert state.customers["due"][0] == due - 1
    assert state.clock.fingerprint == wanted.fingerprint
    assert state.adopted_at == state.clock.begun


def test_customers_from_before_the_first_boundary_are_ranked_as_after_a_restart() -> None:
    settings = SETTINGS.model_copy(update={"clock": "wall"})
    broken_till = visit("a", 0).replace(b"2017-01-01T12", b"2000-01-01T12")
    ledger, replay = Ledger(settings), Replay()
    drive(ledger, records_of([broken_till, *everybody(1), tick(1)], settings), replay, finish=True)
    again = Ledger(settings)
    again.load(replay.rows.items())
    assert again._state.histograms == ledger._state.histograms
    assert again._state.histograms.population == len(CUSTOMERS)
