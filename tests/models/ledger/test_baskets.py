"""Baskets change their customers' rows as one by one additions would, whatever is late, twice or returned."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.ledger import baskets
from models.ledger.ledger import Ledger
from models.settings import LedgerSettings
from models.state.calendar import day_number
from models.state.columns import NEVER, RING
from tests.support.ledgers.logs import (
    FIRST_DAY,
    Replay,
    basket,
    drive,
    edited,
    moment,
    records_of,
    replay_of,
    tick,
)

if TYPE_CHECKING:
    from models.contracts.changes import Counted

SETTINGS = LedgerSettings(segment_minimum_population=1_000)
DAY = day_number(FIRST_DAY.date())
CUSTOMERS = 3
REFUSED: tuple[Counted, ...] = ("changed", "reused_id", "too_old")


@dataclass(frozen=True, slots=True)
class Trip:
    """A basket, and how often it comes."""

    customer: int
    ago: int
    """Days before the day on which it comes."""
    returned: bool
    prices: tuple[int, ...]
    """Price of a piece of each line, in cents; a line of price 0 is of a category that nobody runs out of."""
    times: int
    edits: int
    """Times that it comes with other content."""


TRIPS = st.builds(
    Trip,
    customer=st.integers(0, CUSTOMERS - 1),
    ago=st.sampled_from([0, 0, 0, 1, 2]),
    returned=st.sampled_from([False, False, True]),
    prices=st.lists(st.integers(0, 999), min_size=1, max_size=3).map(tuple),
    times=st.sampled_from([1, 1, 1, 2, 3]),
    edits=st.sampled_from([0, 0, 0, 1]),
)
TWICE_AND_EDITED = Trip(0, ago=0, returned=False, prices=(100, 0), times=2, edits=1)
RETURNED_LATE = Trip(0, ago=1, returned=True, prices=(50,), times=1, edits=0)
DAYS = st.lists(st.lists(TRIPS, max_size=6), min_size=1, max_size=5)


@dataclass(slots=True)
class Plain:
    """A customer's sums, added up record by record."""

    offset: int = -1
    spend: int = 0
    baskets: int = 0
    late: int = 0
    duplicates: int = 0
    purchases: list[int] = field(default_factory=list)
    """Moments of purchases."""
    frequency: int = 0
    trips: int = 0
    open: dict[int, tuple[bool, int]] = field(default_factory=dict)
    """Of each open day, whether something was purchased, and the net pieces of what is consumed."""

    def close(self, begun: int) -> None:
        """Fold the days until a boundary."""
        for day in [day for day in self.open if day <= begun]:
            purchased, pieces = self.open.pop(day)
            self.frequency += purchased
            self.trips += pieces > 0

    def row(self) -> dict[str, Any]:
        """Return the columns of the row."""
        days, bits = [NEVER, NEVER], [0, 0]
        for day, (purchased, _) in self.open.items():
            days[(DAY + day) & 1], bits[(DAY + day) & 1] = DAY + day, int(purchased)
        return {
            "offset": self.offset,
            "spend": self.spend,
            "baskets": self.baskets,
            "late": self.late,
            "duplicates": self.duplicates,
            "first_purchase": min(self.purchases, default=0),
            "last_purchase": max(self.purchases, default=0),
            "frequency": self.frequency,
            "trips": self.trips,
            "open_day": days,
            "open_purchase": bits,
        }


def time_of(number: int, day: int, trip: Trip) -> float:
    """Noon and a bit, in days since the logs' first."""
    return day - trip.ago + 0.5 + number / 10_000


def instant(number: int, day: int, trip: Trip) -> int:
    """The same in ms since 1970 UTC."""
    return round(datetime.fromisoformat(moment(time_of(number, day, trip))).timestamp()) * 1_000


def event(number: int, day: int, trip: Trip) -> bytes:
    """The basket of a trip. All lines are of one category but for those of price 0."""
    lines = [
        ("MILK" if price else "FUEL", f"p{place}", -1.0 if trip.returned else 1.0, price / 100)
        for place, price in enumerate(trip.prices)
    ]
    kind = "return" if trip.returned else "purchase"
    return basket(f"e{number}", str(trip.customer), day - trip.ago + 0.5 + number / 10_000, *lines, kind=kind)


@given(days=DAYS, cut=st.integers(1, 40))
@settings(deadline=None, max_examples=40)
@example(days=[[TWICE_AND_EDITED] * 4, [RETURNED_LATE] * 3], cut=40)
@example(days=[[RETURNED_LATE], [TWICE_AND_EDITED, TWICE_AND_EDITED]], cut=1)
def test_rows_are_what_adding_record_by_record_gives(days: list[list[Trip]], cut: int) -> None:
    plain, begun = [Plain() for _ in range(CUSTOMERS)], -1
    log = [tick(-1)]
    counts: dict[Counted, int] = {"applied": 0, "duplicates": 0, "late": 0, "changed": 0}
    for day, trips in enumerate(days):
        for trip in trips:
            mine, bought = plain[trip.customer], day - trip.ago
            number = len(log)
            at = instant(number, day, trip)
            begun = max(begun, bought - 1)
            for each in plain:
                each.close(begun)
            sign = -1 if trip.returned else 1
            mine.spend += sign * sum(trip.prices) * 100
            mine.baskets += not trip.returned
            mine.purchases += [] if trip.returned else [at]
            late = bought <= begun
            mine.late += late
            if not late:
                purchased, pieces = mine.open.get(bought, (False, 0))
                pieces += sign * sum(price > 0 for price in trip.prices)
                mine.open[bought] = purchased or not trip.returned, pieces
            value = event(number, day, trip)
            log += [value] * trip.times
            mine.offset = len(log) - 1
            mine.duplicates += trip.times - 1
            log += [edited(value)] * trip.edits
            counts["applied"] += 1
            counts["duplicates"] += trip.times - 1
            counts["late"] += late
            counts["changed"] += trip.edits
        log.append(tick(day))
        begun = max(begun, day)
        for each in plain:
            each.close(begun)
    ledger, replay, records = Ledger(SETTINGS), Replay(), records_of(log, SETTINGS)
    for start in range(0, len(records), cut):
        drive(ledger, records.slice(start, min(start + cut, len(records))), replay, finish=True)
    for number, each in enumerate(plain):
        row = ledger._state.rows.get(str(number).encode())
        assert (row is None) == (each.offset < 0)
        if row is not None:
            known = ledger._state.customers[row]
            assert {name: known[name].tolist() for name in each.row()} == each.row()
    assert {name: replay.counts[name] for name in counts} == counts
    assert len(replay.refusals) == counts["changed"]
    assert replay.counts["timeless"] == len(log) - 1 - len(days)


def test_counts_of_late_events_and_duplicates_stop_at_the_most_that_their_bits_hold() -> None:
    ledger = Ledger(SETTINGS)
    value = basket("a", "1", 3.5, ("MILK", "p", 1.0, 1.0))
    drive(ledger, records_of([tick(-1), tick(2), value], SETTINGS), Replay(), finish=True)
    most = baskets.MOST_COUNTED
    assert most == 65_535
    ledger._state.customers["late"][0] = ledger._state.customers["duplicates"][0] = most - 1
    for turn in range(2):
        late = basket(f"late {turn}", "1", 3.4 - 1 - turn / 100, ("MILK", "p", 1.0, 1.0))
        drive(ledger, records_of([value, late], SETTINGS, first_offset=10 + 2 * turn), Replay(), finish=True)
        assert ledger._state.customers["late"][0] == ledger._state.customers["duplicates"][0] == most


def test_each_refusal_names_its_record_and_is_counted() -> None:
    milk = ("MILK", "p", 1.0, 1.0)
    filling = [basket(f"f{number}", "1", 0.5 + number / 1_000, milk) for number in range(RING)]
    doubtful = [
        edited(filling[3]),
        basket("f4", "1", 0.6, milk),
        basket("old", "1", 0.4, milk),
        edited(filling[5]),
        basket("f6", "1", 0.6, milk),
        basket("older", "1", 0.39, milk),
    ]
    log = [tick(-1), *filling, *doubtful, basket("new", "2", 0.6, milk)]
    replay = replay_of(log, SETTINGS)
    wanted = (baskets.CHANGED, baskets.REUSED_ID, baskets.TOO_OLD) * 2
    assert sorted(replay.refusals, key=lambda refusal: refusal.offset) == [
        refusal._replace(offset=1 + RING + at) for at, refusal in enumerate(wanted)
    ]
    assert {name: replay.counts[name] for name in REFUSED} == dict.fromkeys(REFUSED, 2)
    assert replay.counts["applied"] == RING + 1


def test_a_return_is_no_visit_of_a_store() -> None:
    milk = ("MILK", "p", 1.0, 1.0)
    log = [
        basket(f"e{number}", "1", 0.5 + number / 100, milk, store_id=store)
        for number, store in enumerate(("first", "usual", "usual"))
    ]
    log += [
        basket(
            f"r{number}", "1", 0.6 + number / 100, ("MILK", "p", -1.0, 1.0), kind="return", store_id="first"
        )
        for number in range(3)
    ]
    ledger = Ledger(SETTINGS)
    drive(ledger, records_of(log, SETTINGS), Replay())
    assert ledger._state.customers["store_visits"][0].tolist() == [1, 2, 0]


def test_only_records_without_a_timestamp_are_timeless() -> None:
    log = [basket(f"e{number}", "1", number / 100, ("MILK", "p", 1.0, 1.0)) for number in range(3)]
    later = round(datetime.fromisoformat(moment(1)).timestamp()) * 1_000
    assert replay_of(log, SETTINGS).counts["timeless"] == 3
    assert replay_of(log, SETTINGS, appended_at=later).counts["timeless"] == 0
