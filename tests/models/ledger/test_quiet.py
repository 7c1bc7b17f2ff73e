"""A state made anew in quiet: equal rows, nothing sent again, and all that comes later is sent."""

from __future__ import annotations

import io
import json
import random
from dataclasses import replace

import pytest

from models.ledger.ledger import Ledger
from models.memory.rows import CLOCK_KEY, LaterFormatError, RowError, partition_row, seal, unseal
from models.settings import LedgerSettings
from models.state.clock_row import ClockRow
from tests.models.ledger.test_ledger import a_log
from tests.support.ledgers.logs import Replay, basket, drive, live, records_of, replay_of, tick, until_live
from tests.support.paths import SAMPLES

SETTINGS = LedgerSettings(
    segment_minimum_population=3, alert_minimum_probability=0.25, alert_minimum_lift=0.0
)
FILES = SAMPLES / "rows"


def without_erasures(seed: int, days: int = 30) -> list[bytes]:
    """A made-up log in which every output has an id of its own."""
    return [value for value in a_log(seed, days=days) if b'"erase"' not in value]


def before(log: list[bytes], *, finish: bool, limit: int = 600) -> Replay:
    """A service that had got through a log, the last sweep finished or under way."""
    replay, ledger = Replay(), Ledger(SETTINGS)
    drive(ledger, records_of(log, SETTINGS), replay, sweep_limit=limit, finish=finish)
    return replay


def anew(log: list[bytes], clock_row: bytes, *, seed: int = 0, settings: LedgerSettings = SETTINGS) -> Replay:
    """The state of a log made anew in quiet after another's clock row, cut at random, crashes among it."""
    chance, replay, at = random.Random(seed), Replay(), 0
    replay.store([(CLOCK_KEY, ClockRow.after(clock_row).encode())])  # type: ignore[list-item]
    records = records_of(log, settings)
    while at < len(records):
        ledger = Ledger(settings)
        ledger.load(replay.rows.items())
        at = ledger.clock.offset + 1
        for _ in range(chance.randrange(1, 4)):
            stop = min(at + chance.randrange(1, 60), len(records))
            drive(ledger, records.slice(at, stop), replay, sweep_limit=chance.randrange(1, 5))
            at = stop
    drive(ledger, records.slice(at, at), replay, finish=True)
    return replay


def unlike_clock(rows: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Rows with a clock row that knows of no state before."""
    clock = replace(ClockRow.decode(rows[CLOCK_KEY]), quiet_offset=-1, quiet_boundary=0)
    return rows | {CLOCK_KEY: clock.encode()}


@pytest.mark.parametrize("seed", range(6))
def test_a_state_made_anew_in_quiet_is_equal_and_sends_what_was_not_sent_alone(seed: int) -> None:
    log = without_erasures(seed)
    cut = random.Random(seed).randrange(len(log) // 3, len(log))
    old, whole = before(log[:cut], finish=True), replay_of(log, SETTINGS)
    new = anew(log, old.rows[CLOCK_KEY], seed=seed)
    assert unlike_clock(new.rows) == whole.rows
    events, wanted = new.events, whole.events
    assert events.keys() == wanted.keys() - old.events.keys()
    assert all(events[identity] == wanted[identity] for identity in events)
    assert new.counts["suppressed"] >= len(old.events) > 0


@pytest.mark.parametrize("seed", range(4))
def test_what_an_unfinished_sweep_raised_is_sent_again_and_nothing_is_missing(seed: int) -> None:
    log = without_erasures(seed)
    cut = max(at for at in range(len(log) * 2 // 3) if b'"tick"' in log[at]) + 1
    ledger, old = Ledger(SETTINGS), Replay()
    drive(ledger, records_of(log[:cut], SETTINGS), old)
    earlier = old.events.keys()
    assert ledger.sweeping
    old.take(ledger.sweep(2))
    new, whole = anew(log, old.rows[CLOCK_KEY], seed=seed), replay_of(log, SETTINGS)
    assert new.events.keys() | old.events.keys() == whole.events.keys()
    assert not new.events.keys() & earlier


def test_an_event_that_comes_late_after_the_old_state_is_answered() -> None:
    log = [
        tick(-1),
        basket("a", "1", 0.5, ("MILK", "p", 1.0, 1.0)),
        basket("b", "2", 0.49, ("TEA", "q", 1.0, 1.0)),
    ]
    old = before(log[:2], finish=True)
    assert {change["cause"] for change in anew(log, old.rows[CLOCK_KEY]).values("recommendations")} == {"b"}


def test_a_state_made_anew_in_quiet_twice_over_stays_as_quiet() -> None:
    log = without_erasures(3)
    old = before(log, finish=True)
    half = Replay()
    ledger = Ledger(SETTINGS)
    ledger.load([(CLOCK_KEY, ClockRow.after(old.rows[CLOCK_KEY]).encode())])
    drive(ledger, records_of(log[: len(log) // 2], SETTINGS), half)
    assert not half.outputs
    assert not anew(log, half.rows[CLOCK_KEY]).outputs


def test_history_of_the_wall_clock_stays_history() -> None:
    wall = SETTINGS.model_copy(update={"clock": "wall"})
    log = [until_live(), *a_log(5, days=20), live(20.5), *a_log(6, days=30)[1:]]
    whole, old, ledger = Replay(), Replay(), Ledger(wall)
    drive(Ledger(wall), records_of(log, wall), whole, finish=True)
    drive(ledger, records_of(log[:60], wall), old, finish=True)
    assert not ledger.standing.sending
    new = anew(log, old.rows[CLOCK_KEY], settings=wall)
    assert ClockRow.decode(new.rows[CLOCK_KEY]).wall
    assert new.events == whole.events
    assert unlike_clock(new.rows) == whole.rows


def test_it_says_that_it_sends_nothing_until_it_has_caught_up() -> None:
    log = without_erasures(2)
    ledger = Ledger(SETTINGS)
    ledger.load([(CLOCK_KEY, ClockRow.after(before(log[:-1], finish=True).rows[CLOCK_KEY]).encode())])
    drive(ledger, records_of(log[:-2], SETTINGS), Replay(), finish=True)
    assert not ledger.standing.sending
    drive(ledger, records_of(log[-2:], SETTINGS, first_offset=len(log) - 2), Replay(), finish=True)
    assert ledger.standing.sending


def test_a_checkpoint_made_before_the_first_record_keeps_the_quiet() -> None:
    log, file = without_erasures(4), io.BytesIO()
    ledger, restored, replay = Ledger(SETTINGS), Ledger(SETTINGS), Replay()
    ledger.load([(CLOCK_KEY, ClockRow.after(before(log, finish=True).rows[CLOCK_KEY]).encode())])
    ledger.save(file)
    file.seek(0)
    restored.restore(file)
    restored.settle()
    drive(restored, records_of(log, SETTINGS), replay, finish=True)
    assert not replay.outputs


@pytest.mark.parametrize("version", [1, 2])
def test_the_clock_rows_of_earlier_formats_say_what_was_sent(version: int) -> None:
    rows = json.loads((FILES / f"format-{version}.json").read_text())["rows"]
    value = bytes.fromhex(rows[CLOCK_KEY.hex()])
    newer = replay_of([tick(-1)], SETTINGS).rows[CLOCK_KEY]
    clock = ClockRow.after(value)
    assert (clock.offset, clock.wall, clock.partitions) == (-1, False, 1)
    assert clock.quiet_offset == int.from_bytes(value[2:10], "little") > 50
    assert clock.quiet_boundary > 0
    assert ClockRow.after(newer).quiet_offset == 0


def test_a_clock_row_that_is_damaged_cut_off_or_of_a_later_release_is_refused() -> None:
    row = replay_of([tick(-1)], SETTINGS).rows[CLOCK_KEY]
    for broken in (row[:-1], row[:-5] + bytes(5), partition_row(b"short", offset=3, boundary=1)):
        with pytest.raises(RowError):
            ClockRow.after(broken)
    with pytest.raises(LaterFormatError, match="needs a later release"):
        ClockRow.after(seal(b"\x09\x00" + unseal(row)[2:]))
