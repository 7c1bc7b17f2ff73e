"""The ledger: one log gives the same events and rows, however it is cut, repeated, shuffled or crashed."""

from __future__ import annotations

import random
from copy import deepcopy
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.alerts import lifecycle as alerts
from models.contracts.changes import Changes
from models.learning.priors import Priors
from models.ledger.intake import LedgerConflictError
from models.ledger.ledger import MOST_BASKETS, Ledger
from models.memory.rows import CLOCK_KEY, THRESHOLDS_KEY, RowError, habits_key, is_habits
from models.records.partitioner import partition_of
from models.replay.steps import finish_sweep
from models.settings import LedgerSettings
from models.state.clock_row import ClockRow
from models.state.customer_rows import BOTH_ROWS_BYTES
from tests.support.ledgers.logs import (
    FIRST_DAY,
    Replay,
    basket,
    catalogue,
    drive,
    edited,
    erase,
    live,
    records_of,
    replay_of,
    tick,
    until_live,
)

if TYPE_CHECKING:
    from models.records.columns import Records

SETTINGS = LedgerSettings(
    segment_minimum_population=3, alert_minimum_probability=0.25, alert_minimum_lift=0.0
)
CATEGORIES = ("MILK", "BREAD", "EGGS", "COUPON", "Käse")
SCHEDULES = 2_000
"""Crash schedules, a twentieth of them on each of twenty logs."""
AT_ONCE = 20
"""Schedules of one test: every day the first of twelve logs, else `make prove`."""


def a_log(seed: int, *, days: int = 14, customers: int = 6) -> list[bytes]:
    """A made-up log: buyers, returns, late, repeated and edited events, rubbish, erasures, catalogues."""
    rng, erasing = random.Random(seed), random.Random(f"erase/{seed}")
    rhythm = {str(number): rng.uniform(0.4, 4.0) for number in range(customers)}
    log = [tick(-1)]
    sent: list[bytes] = []
    forgotten: set[bytes] = set()
    for day in range(days):
        for customer, gap in rhythm.items():
            for part in range(3):
                if rng.random() < 1 / (3 * gap):
                    lines = [
                        (rng.choice(CATEGORIES), f"p{rng.randrange(4)}", float(rng.choice((1, 2, -1))), 1.25)
                        for _ in range(rng.randrange(1, 5))
                    ]
                    event = f"{day}-{customer}-{part}"
                    at = day + part / 4 + rng.random() / 5
                    sent.append(basket(event, customer, at, *lines, **a_place(event)))
                    log.append(sent[-1])
        if rng.random() < 0.4 and sent:
            log.append(rng.choice(sent))  # a duplicate
        if rng.random() < 0.2:
            log.append(basket(f"late-{day}", "1", day - 3.5, ("MILK", "p1", 1.0, 2.0)))
        if rng.random() < 0.2:
            log.append(b"{rubbish")
        if erasing.random() < 0.15:
            gone = str(erasing.randrange(customers))
            log.append(erase(gone, day + 0.9))
            forgotten |= {basket for basket in sent if f'"customer_id":"{gone}"'.encode() in basket}
        # An edit of what was forgotten counts anew, under the old id: the one way in which ids have two
        # contents.
        known = [basket for basket in sent if basket not in forgotten]
        log += an_edit(f"edit-{seed}-{day}", known) + a_catalogue(f"catalogue-{seed}-{day}")
        if rng.random() < 0.9:
            log.append(tick(day))
    return log


def a_place(event: str) -> dict[str, str]:
    """One of six stores, or none, and one of three channels, or none."""
    rng = random.Random(f"place/{event}")
    place = {"store_id": f"s{rng.randrange(6)}", "channel": rng.choice(("till", "web", "phone"))}
    return {name: value for name, value in place.items() if rng.random() < 0.8}


def an_edit(name: str, sent: list[bytes]) -> list[bytes]:
    """On two days of five, a basket of before with the same id and time and another content."""
    rng = random.Random(name)
    return [edited(rng.choice(sent))] if sent and rng.random() < 0.4 else []


def a_catalogue(event_id: str) -> list[bytes]:
    """On one day of five, a record that lists some of the logs' products, and one that nobody bought."""
    rng = random.Random(event_id)
    products = [f"p{rng.randrange(4)}" for _ in range(rng.randrange(4))]
    statuses = ("available", "available", "out-of-stock", "withdrawn")
    listings = [
        (
            product,
            rng.choice(CATEGORIES),
            rng.choice((None, f"{product} of {event_id}")),
            rng.choice(statuses),
        )
        for product in [*products, event_id]
    ]
    return [catalogue(event_id, *listings)] if rng.random() < 0.2 else []


def assert_equal(one: Replay, other: Replay) -> None:
    """Same ids, one content each, equal rows."""
    events, others = one.events, other.events
    assert events.keys() == others.keys()
    assert all(len(events[identity] | others[identity]) == 1 for identity in events)
    assert one.rows == other.rows


def test_a_log_gives_alerts_and_segment_changes() -> None:
    replay = replay_of(a_log(7, days=40), SETTINGS)
    states = {event["state"] for event in replay.values("replenishment-alerts")}
    assert states >= {"raised", "fulfilled", "missed"}
    assert replay.values("segment-changes")
    assert replay.counts["erased"]
    assert replay.counts["listed"]
    assert replay.counts["late"]
    assert replay.counts["duplicates"]
    assert replay.counts["changed"]


@given(seed=st.integers(0, 50), cuts=st.lists(st.integers(1, 40), min_size=1), limit=st.integers(1, 5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_cutting_gives_the_same_events_and_rows(seed: int, cuts: list[int], limit: int) -> None:
    log = a_log(seed)
    whole, cut = replay_of(log, SETTINGS), Replay()
    ledger, records, at = Ledger(SETTINGS), records_of(log, SETTINGS), 0
    while at < len(records):
        step = cuts[at % len(cuts)]
        drive(ledger, records.slice(at, min(at + step, len(records))), cut, sweep_limit=limit)
        at += step
        if at % 3 == 0 and ledger.sweeping:
            cut.take(ledger.sweep(limit))
    drive_to_the_end(ledger, cut, limit)
    assert_equal(whole, cut)


def drive_to_the_end(ledger: Ledger, replay: Replay, limit: int) -> None:
    for changes in finish_sweep(ledger, sweep_limit=limit):
        replay.take(changes)


class Crash(Exception):  # noqa: N818 - it is one
    """The worker died here."""


class Simulation:
    """Workers that send outputs, then rows as one batch, then commit, and die anywhere in between."""

    def __init__(self, log: list[bytes], rng: random.Random, crashes: int) -> None:
        self.records, self.rng, self.crashes = records_of(log, SETTINGS), rng, crashes
        self.broker = Replay()

    def run(self) -> Replay:
        """Start workers until one gets to the end of the log."""
        while True:
            try:
                self.work()
            except Crash:
                continue
            return self.broker

    def work(self) -> None:
        """Recover from the changelog and go on to the end of the log, or die."""
        ledger = Ledger(SETTINGS)
        ledger.load(list(self.broker.rows.items()))
        at, records = ledger.clock.offset + 1, self.records
        while at < len(records) or ledger.sweeping:
            sweep = ledger.sweeping and (at >= len(records) or self.rng.random() < 0.3)
            stop = min(at + self.rng.randrange(1, 30), len(records))
            changes = ledger.sweep(2) if sweep else ledger.advance(records.slice(at, stop))
            if not sweep and not changes.applied:
                changes = ledger.sweep(2)
            at += changes.applied
            self.deliver(changes)

    def deliver(self, changes: Changes) -> None:
        """Send outputs, then rows as one batch."""
        self.may_crash()
        some = self.rng.randrange(len(changes.outputs) + 1)
        self.broker.outputs.extend(changes.outputs[:some])
        self.may_crash()
        self.broker.outputs.extend(changes.outputs[some:])
        self.may_crash()
        self.broker.store(changes.rows)
        self.may_crash()

    def may_crash(self) -> None:
        """Die now, perhaps."""
        if self.crashes and self.rng.random() < 0.1:
            self.crashes -= 1
            raise Crash


@pytest.mark.parametrize(
    ("seed", "first"),
    [
        pytest.param(seed, first, marks=[pytest.mark.prove] if seed >= 12 or first else [])
        for seed in range(20)
        for first in range(0, SCHEDULES // 20, AT_ONCE)
    ],
)
def test_any_crash_between_sending_acknowledging_and_storing_changes_nothing(seed: int, first: int) -> None:
    log = a_log(seed, days=6, customers=3)
    whole = replay_of(log, SETTINGS)
    for schedule in range(first, first + AT_ONCE):
        crashed = Simulation(log, random.Random(f"{seed}/{schedule}"), crashes=4).run()
        assert_equal(whole, crashed)


@given(seed=st.integers(0, 50), shuffle=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_baskets_of_a_day_in_any_order_give_equal_customers_once_it_is_folded(
    seed: int, shuffle: random.Random
) -> None:
    rng = random.Random(seed)
    straight, shuffled = [tick(-1)], [tick(-1)]
    for day in range(8):
        baskets = [
            basket(
                f"{day}-{at}",
                str(rng.randrange(4)),
                day + 0.35 + at / 40,
                *(
                    (rng.choice(CATEGORIES), f"p{rng.randrange(5)}", float(rng.randrange(1, 4)), 0.1)
                    for _ in range(3)
                ),
            )
            for at in range(rng.randrange(8))
        ]
        straight += [*baskets, tick(day)]
        shuffle.shuffle(baskets)
        shuffled += [*baskets, tick(day)]
    assert folded(straight) == folded(shuffled)


def folded(log: list[bytes]) -> list[dict[str, object]]:
    """Every customer of a log after its last day, without what names an order."""
    ledger = Ledger(SETTINGS)
    drive(ledger, records_of(log, SETTINGS), Replay(), finish=True)
    known = [ledger.describe(str(number).encode()) for number in range(4)]
    return [
        {name: value for name, value in customer.items() if name not in ("source_offset", "segment")}
        for customer in known
        if customer is not None
    ]


def test_a_sweep_uses_the_thresholds_of_its_boundary_however_much_arrives_meanwhile() -> None:
    log = a_log(3, days=20)
    early, late = Replay(), Replay()
    for replay, sweep_at_once in ((early, True), (late, False)):
        ledger, records = Ledger(SETTINGS), records_of(log, SETTINGS)
        for at in range(len(records)):
            drive(ledger, records.slice(at, at + 1), replay, sweep_limit=1)
            if sweep_at_once:
                drive_to_the_end(ledger, replay, 100)
        drive_to_the_end(ledger, replay, 1)
    assert_equal(early, late)


def test_what_a_day_teaches_is_adopted_at_the_next_boundary() -> None:
    ledger, replay, at = Ledger(SETTINGS), Replay(), 0
    believed = []
    for day in (0, 1, 2):
        log = [
            *(basket(f"{day}-{n}", str(n), day + 0.5, ("MILK", "p", 1.0, 1.0)) for n in range(5)),
            tick(day),
        ]
        log = log if at else [tick(-1), *log]
        drive(ledger, records_of(log, SETTINGS, first_offset=at), replay, finish=True)
        at += len(log)
        believed.append(float(ledger._state.priors.of([1]).location[0]))
    untaught = float(Priors().of([1]).location[0])
    assert believed[0] == believed[1] == untaught  # the first intervals end on day 1, and are folded now
    assert believed[2] < untaught


@pytest.mark.parametrize("fails", ["plan", "fulfil", "raise_due"])
def test_a_step_that_raises_leaves_the_ledger_as_it_was(monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    log = a_log(11, days=20)
    whole, replay = replay_of(log, SETTINGS), Replay()
    ledger, records = Ledger(SETTINGS), records_of(log, SETTINGS)
    original = getattr(alerts, fails)
    raised = 0
    for start in range(0, len(records), 5):
        run = records.slice(start, min(start + 5, len(records)))
        applied = 0
        while applied < len(run):
            rest = run.slice(applied, len(run))
            with monkeypatch.context() as broken:
                broken.setattr(alerts, fails, lambda *given: (original(*given), 1 / 0))
                try:
                    changes = ledger.advance(rest)
                except ZeroDivisionError:
                    raised += 1
                    changes = Changes(applied=0)
            if not changes.applied:  # `test_passing_over.py` tells of a sweep in which a model raises
                changes = advance_or_sweep(ledger, rest)
            applied += changes.applied
            replay.take(changes)
    drive_to_the_end(ledger, replay, 100)
    assert raised
    assert_equal(whole, replay)


def advance_or_sweep(ledger: Ledger, run: Records) -> Changes:
    """One step, as the engine takes it."""
    changes = ledger.advance(run)
    return changes if changes.applied else ledger.sweep(2)


def test_a_ledger_loaded_from_its_rows_goes_on_as_if_nothing_had_happened() -> None:
    log = a_log(5, days=30)
    whole, replay = replay_of(log, SETTINGS), Replay()
    half = len(log) // 2
    drive(Ledger(SETTINGS), records_of(log[:half], SETTINGS), replay)
    again = Ledger(SETTINGS)
    again.load(replay.rows.items())
    drive(again, records_of(log[half:], SETTINGS, first_offset=half), replay, finish=True)
    assert_equal(whole, replay)


def test_rows_without_a_clock_row_are_refused() -> None:
    replay = replay_of(a_log(1), SETTINGS)
    del replay.rows[CLOCK_KEY]
    with pytest.raises(RowError, match="no clock row"):
        Ledger(SETTINGS).load(replay.rows.items())


def test_rows_of_another_partition_count_are_refused() -> None:
    replay = replay_of(a_log(1), SETTINGS)
    with pytest.raises(LedgerConflictError, match="1 partitions"):
        Ledger(SETTINGS, partitions=4).load(replay.rows.items())


@pytest.mark.parametrize("clock", ["log", "wall"])
def test_a_state_keeps_its_clock_whatever_the_settings_say(clock: str) -> None:
    settings = SETTINGS.model_copy(update={"clock": clock})
    log = [until_live(), *a_log(1)]
    replay = replay_of(log, settings)
    other = Ledger(SETTINGS.model_copy(update={"clock": "log" if clock == "wall" else "wall"}))
    other.load(replay.rows.items())
    drive(other, records_of([tick(60)], settings, first_offset=len(log)), replay, finish=True)
    assert ClockRow.decode(replay.rows[CLOCK_KEY]).wall == other.clock.wall == (clock == "wall")
    assert other.clock.fingerprint == settings.fingerprint


def test_a_log_that_begins_with_a_tick_is_on_the_log_clock_whatever_the_settings_say() -> None:
    wall = SETTINGS.model_copy(update={"clock": "wall"})
    log = a_log(3, days=30)
    replay, asked = replay_of(log, wall), replay_of(log, SETTINGS.model_copy(update={"clock": "log"}))
    assert not ClockRow.decode(replay.rows[CLOCK_KEY]).wall
    assert replay.outputs == asked.outputs != []


@pytest.mark.parametrize("first", [live(1.0), until_live(), basket("a", "1", 0.5, ("MILK", "p", 1.0, 1.0))])
def test_a_tick_behind_what_tells_the_time_leaves_the_wall_clock(first: bytes) -> None:
    replay = replay_of([first, tick(1)], SETTINGS.model_copy(update={"clock": "wall"}))
    assert ClockRow.decode(replay.rows[CLOCK_KEY]).wall


def test_other_settings_are_adopted_at_the_next_boundary_and_not_before() -> None:
    log = a_log(1, days=4)
    replay = Replay()
    drive(Ledger(SETTINGS), records_of(log, SETTINGS), replay, finish=True)
    wanted = SETTINGS.model_copy(update={"alert_daily_cap": 1})
    ledger = Ledger(wanted)
    ledger.load(replay.rows.items())
    assert ledger.settings == SETTINGS
    at = len(log)
    drive(
        ledger,
        records_of([basket("x", "1", 4.1, ("MILK", "p", 1.0, 1.0))], SETTINGS, first_offset=at),
        replay,
    )
    assert ledger.settings == SETTINGS
    drive(ledger, records_of([tick(5)], SETTINGS, first_offset=at + 1), replay, finish=True)
    assert ledger.settings == wanted
    again = Ledger(wanted)
    again.load(replay.rows.items())
    assert again.settings == wanted


def test_misrouted_records_are_named_and_change_nothing() -> None:
    log = [tick(-1), *(basket(f"e{n}", str(n), 0.5, ("MILK", "p", 1.0, 1.0)) for n in range(40))]
    replays = [Replay() for _ in range(4)]
    for partition, replay in enumerate(replays):
        ledger = Ledger(SETTINGS, partition=partition, partitions=4)
        drive(ledger, records_of(log, SETTINGS), replay)
    assert sum(40 - len(replay.misrouted) for replay in replays) == 40
    customers = [key for replay in replays for key in replay.rows if key[:1] != b"\0"]
    assert len(customers) == len(set(customers)) == 40


def test_misrouted_records_go_by_the_partitioner_that_sends_them_on_even_before_it_is_adopted() -> None:
    other = SETTINGS.model_copy(update={"partitioner": "crc32"})
    replay = Replay()
    drive(Ledger(SETTINGS, partitions=4), records_of([tick(-1)], SETTINGS), replay)
    ledger = Ledger(other, partitions=4)
    ledger.load(replay.rows.items())
    assert ledger.settings.partitioner == "murmur2"
    baskets = [basket(f"e{n}", str(n), 0.5, ("MILK", "p", 1.0, 1.0)) for n in range(40)]
    drive(ledger, records_of(baskets, SETTINGS, first_offset=1), replay)
    elsewhere = [1 + n for n in range(40) if partition_of(b"%d" % n, 4, "crc32")]
    assert replay.misrouted == elsewhere


def test_rows_of_a_step_fit_one_record_batch_however_many_new_names_they_bring(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = [tick(-1)]
    for customer in range(40):
        lines = [("MILK", f"{customer}-{n}".ljust(250, "x"), 1.0, 1.0) for n in range(20)]
        log.append(basket(f"e{customer}", str(customer), 0.5, *lines))
    whole, records = replay_of(log, SETTINGS), records_of(log, SETTINGS)
    limit = 100 * 1024
    monkeypatch.setattr("models.ledger.ledger.MOST_ROW_BYTES", limit)
    ledger, replay, applied = Ledger(SETTINGS), Replay(), 0
    while applied < len(records):
        changes = ledger.advance(records.slice(applied, len(records)))
        assert sum(len(row.key) + len(row.value) for row in changes.rows) <= limit
        applied += changes.applied
        replay.take(changes)
    assert_equal(whole, replay)


def full_rows(customers: int) -> tuple[list[bytes], list[bytes]]:
    """A log after which rows are nearly as long as they can be, and the tick that sweeps them all."""
    log = [tick(-1)]
    for day in range(8):
        for number in range(customers):
            lines = [(f"c{day * 16 + n}", f"p{day}-{n}", 1.0, 1.0) for n in range(16)]
            times = (day + 0.4 + part / 40 for part in range(5))
            name = str(number).ljust(256, "x")
            log += [basket(f"{day}-{number}-{at}", name, at, *lines) for at in times]
        log.append(tick(day))
    return log[:-1], log[-1:]


@pytest.fixture(scope="module")
def before_the_sweep() -> tuple[Ledger, Replay, Replay]:
    """A ledger of full rows as their sweep begins, what came out until then, and what does in one go."""
    (log, closing), replay, ledger = full_rows(30), Replay(), Ledger(SETTINGS)
    drive(ledger, records_of(log, SETTINGS), replay, finish=True)
    replay.take(ledger.advance(records_of(closing, SETTINGS, first_offset=len(log))))
    return ledger, replay, replay_of([*log, *closing], SETTINGS)


@pytest.mark.parametrize("most", [1, 30_000, 100_000])
def test_a_sweep_of_full_rows_is_cut_so_that_they_fit_one_record_batch(
    monkeypatch: pytest.MonkeyPatch, before_the_sweep: tuple[Ledger, Replay, Replay], most: int
) -> None:
    ledger, replay, whole = deepcopy(before_the_sweep)
    assert np.mean([len(row) for key, row in whole.rows.items() if is_habits(key)]) > 4_000
    monkeypatch.setattr("models.ledger.ledger.MOST_ROW_BYTES", most)
    while ledger.sweeping:
        changes = ledger.sweep()
        swept = [row for row in changes.rows if row.key[:1] != b"\0"]
        assert sum(len(row.key) + len(row.value) for row in changes.rows) <= most or len(swept) == 1
        replay.take(changes)
    assert_equal(whole, replay)


def test_an_event_older_than_a_full_ring_is_refused_and_not_guessed() -> None:
    log = [tick(-1), *(basket(f"e{n}", "1", 0.5 + n / 1000, ("MILK", "p", 1.0, 1.0)) for n in range(40))]
    replay = replay_of([*log, log[1], log[-1]], SETTINGS)
    assert [refusal.error for refusal in replay.refusals] == ["too-old"]
    assert replay.counts["duplicates"] == 1


def test_an_id_used_again_for_another_time_is_refused() -> None:
    once = basket("a", "1", 0.5, ("MILK", "p", 1.0, 1.0))
    again = basket("a", "1", 0.6, ("BREAD", "p", 1.0, 1.0))
    replay = replay_of([tick(-1), once, again, once], SETTINGS)
    assert [(refusal.offset, refusal.error) for refusal in replay.refusals] == [(2, "reused-id")]
    assert (replay.counts["applied"], replay.counts["duplicates"]) == (1, 1)


def test_an_edited_event_is_refused_with_what_to_send_and_what_was_counted_stands() -> None:
    once = basket("a", "1", 0.5, ("MILK", "p", 1.0, 1.0))
    other = basket("b", "1", 0.5, ("TEA", "q", 1.0, 1.0))
    replay = replay_of([tick(-1), once, other, edited(once), once], SETTINGS)
    ((offset, stage, error, _, reason),) = replay.refusals
    assert (offset, stage, error) == (3, "duplicate", "changed")
    assert "send a return" in reason
    assert "new event ids" in reason
    assert (replay.counts["applied"], replay.counts["changed"], replay.counts["duplicates"]) == (2, 1, 1)
    assert replay_of([tick(-1), once, other, b"?", once], SETTINGS).rows[b"1"] == replay.rows[b"1"]


def test_an_edited_event_of_another_customer_counts() -> None:
    once = basket("a", "1", 0.5, ("MILK", "p", 1.0, 1.0))
    replay = replay_of([tick(-1), once, edited(once).replace(b'"1"', b'"2"')], SETTINGS)
    assert (replay.counts["applied"], replay.refusals) == (2, [])


def test_an_edit_of_an_event_that_was_forgotten_is_too_old_to_know() -> None:
    log = [tick(-1), *(basket(f"e{n}", "1", 0.5 + n / 1000, ("MILK", "p", 1.0, 1.0)) for n in range(40))]
    replay = replay_of([*log, edited(log[1]), edited(log[9])], SETTINGS)
    assert [refusal.error for refusal in replay.refusals] == ["too-old", "changed"]


@pytest.mark.parametrize("partitions", [1, 4])
def test_edited_events_change_nothing_but_the_dead_letters(partitions: int) -> None:
    log = [
        basket(f"{n}", f"{n % 7}", n / 24, ("MILK", "p", 1.0, 1.0), ("TEA", "q", 2.0, 1.0))
        for n in range(200)
    ]
    edits = [
        value for n, value in enumerate(log) for value in (value, *([edited(value)] if n % 3 == 0 else ()))
    ]
    plain: list[tuple[Ledger, Replay]] = []
    refused: list[tuple[Ledger, Replay]] = []
    for values, replays in ((log, plain), (edits, refused)):
        for partition in range(partitions):
            ledger, replay = Ledger(SETTINGS, partition=partition, partitions=partitions), Replay()
            drive(ledger, records_of([tick(-1), *values, tick(9)], SETTINGS), replay, finish=True)
            replays.append((ledger, replay))
    for (ledger, replay), (other, with_edits) in zip(plain, refused, strict=True):
        assert replay.events == with_edits.events
        assert counted(ledger) == counted(other)
    assert sum(replay.counts["changed"] for _, replay in refused) == len(edits) - len(log)
    assert not any(replay.counts["changed"] for _, replay in plain)


def counted(ledger: Ledger) -> list[dict[str, object]]:
    """What is known of every customer but that events came again."""
    known = [ledger.describe(str(number).encode()) or {} for number in range(6)]
    return [
        {name: value for name, value in customer.items() if name not in ("source_offset", "duplicates")}
        for customer in known
    ]


def test_the_same_log_twice_counts_once() -> None:
    log = [value for value in a_log(2, days=10) if b'"erase"' not in value]
    ledger, once = Ledger(SETTINGS), Replay()
    drive(ledger, records_of(log, SETTINGS), once, finish=True)
    before = counted(ledger)
    drive(ledger, records_of(log, SETTINGS, first_offset=len(log)), once, finish=True)
    assert counted(ledger) == before


def test_on_the_wall_clock_history_is_counted_and_not_sent() -> None:
    wall = SETTINGS.model_copy(update={"clock": "wall"})
    history, future = a_log(7, days=20), a_log(8, days=30)[1:]
    log = [*history, live(20.5), *future]
    replay = Replay()
    drive(Ledger(wall), records_of([until_live(), *log], wall), replay, finish=True)
    assert replay.counts["suppressed"]
    assert replay.outputs
    assert all(str(event["occurred_at"]) > "2017-01-21T12" for event in replay.values("replenishment-alerts"))


@pytest.mark.parametrize("clock", ["log", "wall"])
def test_an_event_more_than_ten_minutes_later_than_its_timestamp_is_refused(clock: str) -> None:
    settings = SETTINGS.model_copy(update={"clock": clock})
    milk = ("MILK", "p", 1.0, 1.0)
    log = [live(0.5), basket("a", "1", 1 + 10 / 1440, milk), basket("b", "2", 1 + 10.1 / 1440, milk)]
    stamped = int(records_of([live(1.0)], settings).occurred_at[0])
    ledger, replay = Ledger(settings), Replay()
    drive(ledger, records_of(log, settings, appended_at=stamped), replay)
    assert [(refusal.offset, refusal.stage, refusal.error) for refusal in replay.refusals] == [
        (2, "time", "future")
    ]
    assert replay.counts["applied"] == 1
    assert replay.counts["timeless"] == 0


@pytest.mark.parametrize("clock", ["log", "wall"])
def test_a_record_without_a_timestamp_is_taken_as_it_is_and_counted(clock: str) -> None:
    settings = SETTINGS.model_copy(update={"clock": clock})
    replay = replay_of([live(0.5), basket("a", "1", 10_000, ("MILK", "p", 1.0, 1.0))], settings)
    assert (replay.refusals, replay.counts["applied"], replay.counts["timeless"]) == ([], 1, 1)


@pytest.mark.parametrize("clock", ["log", "wall"])
def test_a_gap_of_weeks_is_a_gap(clock: str) -> None:
    settings = SETTINGS.model_copy(update={"clock": clock})
    days = [0.5, 7.5, 8.5, 9.5, 14.5, 21.5, 400.5]
    log = [basket(f"e{day}", "A", day, ("OAT", "S1", 1.0, 2.5)) for day in days]
    replay = replay_of(log, settings, appended_at=int(records_of([live(401.0)], settings).occurred_at[0]))
    assert (replay.refusals, replay.counts["applied"]) == ([], len(days))


def test_on_the_wall_clock_a_tick_later_than_its_timestamp_does_not_move_time() -> None:
    wall = SETTINGS.model_copy(update={"clock": "wall"})
    arrival = int(records_of([live(1.4)], wall).occurred_at[0])
    ledger, replay = Ledger(wall), Replay()
    drive(ledger, records_of([live(1.4), tick(10_000)], wall, appended_at=arrival), replay)
    assert [(refusal.offset, refusal.error) for refusal in replay.refusals] == [(1, "future")]
    assert ledger.clock.begun == ledger._state.calendar.closed(arrival - 3_600_000)


@pytest.mark.parametrize("announced", [until_live(), live(10_000)])
def test_on_the_wall_clock_a_live_record_that_speaks_of_later_says_what_is_history_and_moves_no_time(
    announced: bytes,
) -> None:
    wall = SETTINGS.model_copy(update={"clock": "wall"})
    arrival = int(records_of([live(1.4)], wall).occurred_at[0])
    ledger, replay = Ledger(wall), Replay()
    drive(ledger, records_of([announced], wall, appended_at=arrival), replay)
    at = int(records_of([announced], wall).occurred_at[0])
    assert (ledger.clock.live_at, ledger.clock.watermark) == (at, None)
    assert ledger.tick_due(arrival) is None
    assert ledger.tick_due(at - 1) is None
    due = ledger.tick_due(at)  # once that moment has come, the day before it is the first to close
    assert due is not None
    assert at - 86_400_000 < due <= at


def test_on_the_log_clock_a_live_record_moves_no_time() -> None:
    ledger = Ledger(SETTINGS)
    drive(ledger, records_of([tick(0), live(10_000)], SETTINGS), Replay())
    before = ledger.clock
    drive(ledger, records_of([live(5_000), live(6_000)], SETTINGS, first_offset=2), Replay())
    assert (ledger.clock.watermark, ledger.clock.begun) == (before.watermark, before.begun)
    assert ledger.clock.live_at == int(records_of([live(5_000)], SETTINGS).occurred_at[0])


@pytest.mark.parametrize("clock", ["log", "wall"])
def test_history_then_live_sends_exactly_what_a_whole_run_has_after_that_moment(clock: str) -> None:
    settings = SETTINGS.model_copy(update={"clock": clock})
    log = a_log(7, days=60)
    half = next(at for at, value in enumerate(log) if value == tick(39)) + 1
    opened = [until_live(), *log[:half]]
    moment = live(40.0 + 7 / 24)
    parted = replay_of([*opened, moment, *log[half:]], settings)
    whole = replay_of([live(0.0), *log], settings)
    since = int(records_of([moment], settings).occurred_at[0])
    assert parted.outputs == [output for output in whole.outputs if output.timestamp > since]
    states = {str(event["state"]) for event in parted.values("replenishment-alerts")}
    assert {"raised", "fulfilled", "missed"} <= states


def test_a_tick_is_due_once_the_day_and_the_lateness_are_over() -> None:
    wall = SETTINGS.model_copy(update={"clock": "wall"})
    ledger, replay = Ledger(wall), Replay()
    records = records_of([until_live(), live(1.4), tick(1)], wall)
    drive(ledger, records.slice(0, 1), replay, finish=True)
    over = int(records.occurred_at[2])
    assert ledger.tick_due(over) is None
    drive(ledger, records.slice(1, 2), replay, finish=True)
    assert ledger.tick_due(over - 1) is None
    assert ledger.tick_due(over) == over


def test_a_customer_of_very_many_products_and_categories_stays_within_bounds() -> None:
    log = [tick(-1)]
    for day in range(6):
        log += [
            basket(
                f"{day}-{part}",
                "1",
                day + 0.3 + part / 10,
                *((f"c{day * 90 + n % 90}", f"p{day}-{part}-{n}", 1.0, 1.0) for n in range(900)),
            )
            for part in range(3)
        ]
        log.append(tick(day))
    replay = replay_of(log, SETTINGS)
    assert len(replay.rows[b"1"]) + len(replay.rows[habits_key(b"1")]) <= BOTH_ROWS_BYTES
    assert replay.counts["evicted_categories"] > 0


def test_a_full_open_day_keeps_the_same_lines_in_any_order() -> None:
    baskets = [
        basket(
            f"b{part}", "1", 0.3 + part / 100, *((f"c{n % 7}", f"p{part}-{n}", 1.0, 1.0) for n in range(60))
        )
        for part in range(5)
    ]
    rows = []
    for order in ((0, 1, 2, 3, 4), (4, 2, 0, 3, 1)):
        replay, ledger = Replay(), Ledger(SETTINGS)
        drive(
            ledger,
            records_of([tick(-1), *(baskets[at] for at in order), tick(0)], SETTINGS),
            replay,
            finish=True,
        )
        run = ledger._state.products.run(0)
        rows.append(sorted(ledger._state.product_names.name(int(number)) for number in run["product"]))
    assert rows[0] == rows[1]


def test_thresholds_are_kept_for_three_boundaries() -> None:
    replay = replay_of(a_log(4, days=10, customers=5), SETTINGS)
    assert THRESHOLDS_KEY in replay.rows


def test_histograms_rebuilt_from_rows_equal_those_kept_up_to_date() -> None:
    ledger, replay = Ledger(SETTINGS), Replay()
    drive(ledger, records_of(a_log(9, days=25), SETTINGS), replay, finish=True)
    kept = ledger._state.histograms
    ledger._state.rebuild_histograms()
    assert ledger._state.histograms == kept
    known = [ledger.describe(key) for key in replay.rows if key[:1] != b"\0"]
    assert kept.population == len([one for one in known if one is not None and one["purchase_days"]])


def test_a_new_release_format_is_refused_by_name() -> None:
    replay = replay_of(a_log(1), SETTINGS)
    later = np.frombuffer(replay.rows[b"1"], np.uint8).copy()
    later[0] = 9
    replay.rows[b"1"] = later.tobytes()
    with pytest.raises(RowError, match="later release"):
        Ledger(SETTINGS).load(replay.rows.items())


def test_customers_who_came_before_the_first_boundary_are_counted_at_it() -> None:
    ledger = Ledger(SETTINGS)
    day = (datetime(2000, 1, 1, tzinfo=UTC) - FIRST_DAY).days
    log = [basket("1", "a", day, ("MILK", "m", 1, 1)), basket("2", "b", day + 0.5, ("MILK", "m", 1, 1))]
    log.append(tick(day))
    drive(ledger, records_of(log, SETTINGS), Replay())
    assert ledger.clock.begun == 1
    assert ledger._state.histograms.population == 2


def test_one_customer_with_very_many_baskets_is_applied_in_steps() -> None:
    log = [basket(f"{number}", "1", 0.5 + number / 1e5, ("MILK", "m", 1.0, 1.0)) for number in range(250)]
    log[50:50] = [basket("other", "2", 0.5, ("TEA", "t", 1.0, 1.0))]
    ledger, records = Ledger(SETTINGS), records_of([tick(-1), *log], SETTINGS)
    steps, applied = [], 0
    while applied < len(records):
        steps.append(ledger.advance(records.slice(applied, len(records))).applied)
        applied += steps[-1]
    assert steps == [MOST_BASKETS + 2, MOST_BASKETS, 50]
