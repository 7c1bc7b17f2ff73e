"""Erasure: a customer leaves in the order of the log, nothing is left in memory, others stay as they were."""

from __future__ import annotations

import io

import numpy as np
import pytest

from models.ledger.ledger import Ledger
from models.memory.rows import habits_key, header, is_erased
from models.settings import LedgerSettings
from tests.support.ledgers.logs import Replay, basket, drive, erase, records_of, replay_of, tick

SETTINGS = LedgerSettings(
    segment_minimum_population=3, alert_minimum_probability=0.25, alert_minimum_lift=0.0
)
ERASED = "né-900"
"""A customer's id that occurs nowhere else."""


def purchases(customer: str, days: range, *, every: int = 2) -> list[bytes]:
    """One customer's baskets, regular enough for alerts."""
    return [
        basket(f"{customer}/{day}", customer, day + 0.5, ("MILK", "p1", 1.0, 2.0))
        for day in days
        if not day % every
    ]


def a_shop(days: int, *, secret: bool = True) -> list[bytes]:
    """A few customers who buy milk every other day, and the secret one among them; all days are closed."""
    log = [tick(-1)]
    for day in range(days):
        for customer in ("1", "2", *([ERASED] if secret else []), "3"):
            log += purchases(customer, range(day, day + 1))
        log.append(tick(day))
    return log


def driven(log: list[bytes], *, finish: bool = True) -> tuple[Ledger, Replay]:
    """A ledger that has applied a log, and what came out."""
    ledger, replay = Ledger(SETTINGS), Replay()
    drive(ledger, records_of(log, SETTINGS), replay, sweep_limit=1, finish=finish)
    return ledger, replay


def saved(ledger: Ledger) -> bytes:
    """All that a ledger knows."""
    file = io.BytesIO()
    ledger.save(file)
    return file.getvalue()


def test_nothing_of_an_erased_customer_is_left_in_a_ledger() -> None:
    ledger, _ = driven(a_shop(20))
    assert ERASED.encode() in saved(ledger)
    records = records_of(purchases(ERASED, range(18, 20)), SETTINGS)
    hashes = [*records.event_hashes.astype("<u8"), *records.content_hashes.astype("<u4")]
    kept = [saved(ledger).count(each.tobytes()) for each in hashes]
    before = ledger.customers
    replay = Replay()
    drive(ledger, records_of([erase(ERASED, 20)], SETTINGS, first_offset=1_000), replay)
    assert replay.counts["erased"] == 1
    assert ledger.describe(ERASED.encode()) is None
    assert ledger.customers == before - 1
    assert ERASED.encode() not in saved(ledger)
    left = [saved(ledger).count(each.tobytes()) for each in hashes]
    assert left == [count - 1 for count in kept], "others bought the same at that time"
    assert not any(left[: len(records)])
    assert is_erased(replay.rows[ERASED.encode()])
    assert is_erased(replay.rows[habits_key(ERASED.encode())])


def test_others_are_as_if_the_erased_one_had_only_stopped_to_buy() -> None:
    whole, _ = driven([*a_shop(20), tick(21), tick(22)])
    erased, _ = driven([*a_shop(20), erase(ERASED, 20), tick(21), tick(22)])
    for customer in (b"1", b"2", b"3"):
        one, other = whole.describe(customer), erased.describe(customer)
        assert one is not None
        assert other is not None
        assert other["habits"] == one["habits"]
        assert other["spend"] == one["spend"]


def test_open_alerts_are_withdrawn_by_their_own_ids_and_none_comes_later() -> None:
    log = [*a_shop(20), *(tick(day) for day in (20, 21))]
    _, before = driven(log)
    _, replay = driven([*log, erase(ERASED, 21.5), *(tick(day) for day in range(22, 60))])
    mine = [alert for alert in replay.values("replenishment-alerts") if alert["customer_id"] == ERASED]
    earlier = [alert for alert in before.values("replenishment-alerts") if alert["customer_id"] == ERASED]
    closed = {alert["alert_id"] for alert in earlier if alert["state"] != "raised"}
    still_open = {alert["alert_id"] for alert in earlier} - closed
    assert still_open
    last = mine[len(earlier) :]
    assert {(alert["alert_id"], alert["state"]) for alert in last} == {
        (alert, "withdrawn") for alert in still_open
    }
    assert {alert["cause"] for alert in last} == {f"erase:{ERASED}:21.5"}
    said = {alert["alert_id"]: alert["hit_probability"] for alert in earlier if alert["state"] == "raised"}
    assert {alert["alert_id"]: alert["hit_probability"] for alert in last} == {
        alert: said[alert] for alert in still_open
    }


def test_later_purchases_start_anew() -> None:
    again = basket("again", ERASED, 20.5, ("BREAD", "p2", 1.0, 3.0))
    ledger, _ = driven([*a_shop(20), erase(ERASED, 20), again, tick(20)])
    known = ledger.describe(ERASED.encode())
    assert known is not None
    assert known["baskets"] == 1
    assert [habit["category"] for habit in known["habits"]] == ["BREAD"]  # type: ignore[attr-defined]


def records_of_nobody(ledger: Ledger) -> int:
    """Records in the arenas that belong to no run and are not empty."""
    count = 0
    for arena in ledger._state.arenas:
        everyone = np.arange(len(ledger._state.ids))
        _, positions = arena.positions(everyone)
        left = arena.records[: arena.extent[0]].copy()
        left[positions] = 0
        count += int((left != np.zeros(1, left.dtype)).sum())
    return count


def a_wide_shop(days: int) -> list[bytes]:
    """The secret customer buys other categories every day, and outgrows every room."""
    log = [tick(-1)]
    for day in range(days):
        lines = [(f"C{day}-{each}", f"p{day}-{each}", 7.0, 2.0) for each in range(3)]
        log += [basket(f"s{day}", ERASED, day + 0.5, *lines), *purchases("1", range(day, day + 1)), tick(day)]
    return log


def test_nothing_of_an_erased_customer_is_left_in_rooms_that_were_outgrown() -> None:
    ledger, _ = driven(a_wide_shop(12))
    assert not records_of_nobody(ledger)
    drive(ledger, records_of([erase(ERASED, 12)], SETTINGS, first_offset=1_000), Replay())
    assert not records_of_nobody(ledger)


@pytest.mark.parametrize("folds", [0, 1])
def test_nothing_is_left_of_a_customer_who_was_erased_and_came_back_within_one_portion(folds: int) -> None:
    log = a_wide_shop(12)
    back = basket("back", ERASED, 12.5, ("BREAD", "p2", 1.0, 3.0))
    before = driven(log)[1].rows
    after = driven([*log, erase(ERASED, 12), back, *[tick(12 + day) for day in range(folds)]])[1].rows
    standby = Ledger(SETTINGS)
    for portion in (before, after):
        standby.take(portion.items())
    standby.settle()
    assert not records_of_nobody(standby)


def test_the_rows_of_a_customer_who_came_back_are_greater_than_those_from_before_the_erasure() -> None:
    log = [*a_shop(12), erase(ERASED, 12), tick(13)]
    gone = driven(log)[1].rows
    for back in (14, 15):
        ledger, replay = driven([*log, *purchases(ERASED, range(14, back + 1), every=1), tick(back)])
        for key in (ERASED.encode(), habits_key(ERASED.encode())):
            assert header(replay.rows[key])[1:3] > header(gone[key])[1:3]
        assert not is_erased(replay.rows[habits_key(ERASED.encode())])
        again = Ledger(SETTINGS)
        again.load(replay.rows.items())
        assert again.describe(ERASED.encode()) == ledger.describe(ERASED.encode())


def test_a_customer_without_habits_leaves_the_tombstones_of_both_rows_too() -> None:
    log = [tick(-1), basket("once", ERASED, 0.5, ("MILK", "p1", 1.0, 2.0))]
    before, after = driven(log)[1].rows, driven([*log, erase(ERASED, 0.6)])[1].rows
    assert habits_key(ERASED.encode()) not in before
    assert all(is_erased(after[key]) for key in (ERASED.encode(), habits_key(ERASED.encode())))


@pytest.mark.parametrize("customer", ["never seen", "1"], ids=["unknown", "known"])
def test_a_second_erasure_finds_nobody_and_changes_nothing(customer: str) -> None:
    once = driven([*a_shop(12), erase(customer, 12), tick(13)])[1]
    twice = driven([*a_shop(12), erase(customer, 12), erase(customer, 12), tick(13)])[1]
    assert once.events == twice.events
    assert {key for key in once.rows if key[:1] != b"\0"} == {key for key in twice.rows if key[:1] != b"\0"}
    assert once.counts["erased"] == twice.counts["erased"] == (customer == "1")


def test_an_erasure_moves_no_time_however_late_it_is_asked_for() -> None:
    log = [*a_shop(12), erase("1", 3_000)]
    ledger, replay = driven(log)
    assert replay.counts["erased"] == 1
    assert not replay.refusals
    assert ledger.clock.watermark == driven(a_shop(12))[0].clock.watermark


def test_a_customer_whom_an_unfinished_sweep_had_yet_to_reach_is_erased_up_to_date() -> None:
    log = a_shop(19)
    for reached in range(4):
        ledger, replay = driven(log, finish=False)
        assert ledger.sweeping
        for _ in range(reached):
            replay.take(ledger.sweep(1))
        end = [erase("1", 20.2), erase(ERASED, 20.2), tick(24)]
        drive(ledger, records_of(end, SETTINGS, first_offset=len(log)), replay, sweep_limit=1, finish=True)
        whole = replay_of([*log, *end], SETTINGS)
        assert replay.events == whole.events
        assert replay.rows == whole.rows


def test_an_erasure_that_raises_leaves_the_ledger_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, _ = driven(a_shop(19), finish=False)
    records = records_of([erase("1", 20.2)], SETTINGS, first_offset=1_000)
    before = saved(ledger), [ledger.describe(customer) for customer in (b"1", b"2", b"3")]

    def raising(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr("models.state.clock_row.partition_row", raising)
        with pytest.raises(ZeroDivisionError):
            ledger.advance(records)
    assert [ledger.describe(customer) for customer in (b"1", b"2", b"3")] == before[1]
    assert len(saved(ledger)) == len(before[0])
    assert ledger.advance(records).counts["erased"] == 1


def test_an_erasure_stands_alone_in_its_step() -> None:
    ledger, _ = driven(a_shop(12))
    run = [*purchases("1", range(12, 13)), erase("2", 12.6), erase("3", 12.6), *purchases("1", range(14, 15))]
    records, applied = records_of(run, SETTINGS, first_offset=1_000), list[int]()
    while sum(applied) < len(records):
        applied.append(ledger.advance(records.slice(sum(applied), len(records))).applied)
    assert applied == [1, 1, 1, 1]
