"""Reported clusters: who gets one, who moves, who does not, and that nothing but the log decides."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING, Any

import pytest

from models.clusters.changes import PATIENCE_DAYS
from models.contracts.events import CLUSTER_CHANGES, ClusterChange
from models.learning import clusters
from models.ledger.ledger import Ledger
from models.settings import LedgerSettings
from models.state.columns import NO_CLUSTER
from tests.support.ledgers.logs import (
    Replay,
    basket,
    drive,
    erase,
    moment,
    records_of,
    replay_of,
    tick,
    until_live,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SETTINGS = LedgerSettings(segment_minimum_population=1_000)
STYLES = [(1, 2), (1, 12), (3, 2), (3, 12), (7, 4), (7, 24), (14, 4), (14, 24)]
"""Days from one trip to the next, and lines of a trip."""
MEMBERS = 3


@pytest.fixture(autouse=True)
def _few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "LEAST_MEMBERS", MEMBERS)


def style_of(customer: int) -> tuple[int, int]:
    return STYLES[customer % len(STYLES)]


def shop(
    days: int, style: Callable[[int, int], tuple[int, int]] = lambda one, _: style_of(one)
) -> list[bytes]:
    """A log of customers of eight styles, some of whom may change."""
    chance, values = random.Random(5), [tick(-1)]
    for day in range(days):
        for customer in range(len(STYLES) * MEMBERS):
            gap, count = style(customer, day)
            if not (day + customer) % gap:
                lines = [
                    (f"c{place}", f"p{place}", 1.0, round(2 + chance.random(), 2)) for place in range(count)
                ]
                values.append(basket(f"{day}-{customer}", str(customer), day + 0.5, *lines))
        values.append(tick(day))
    return values


def changes(replay: Replay) -> list[dict[str, Any]]:
    return replay.values(CLUSTER_CHANGES)


def moves(values: Sequence[bytes], chosen: LedgerSettings = SETTINGS) -> list[dict[str, Any]]:
    """Changes from one cluster to another."""
    return [each for each in changes(replay_of(values, chosen)) if each["from"]]


def test_every_customer_of_three_purchase_days_gets_a_cluster_and_those_who_shop_alike_the_same() -> None:
    ledger = Ledger(SETTINGS)
    replay = Replay()
    drive(ledger, records_of(shop(70), SETTINGS), replay, finish=True)
    told = [ledger.describe(str(customer).encode()) for customer in range(len(STYLES) * MEMBERS)]
    numbers = [each["cluster"]["number"] for each in told]  # type: ignore[index]
    assert len(set(numbers[: len(STYLES)])) >= 6
    assert numbers[: len(STYLES)] == numbers[len(STYLES) : 2 * len(STYLES)]
    assert {each["customer_id"] for each in changes(replay)} == {
        str(customer) for customer in range(len(STYLES) * MEMBERS)
    }
    for each in replay.outputs:
        if each.topic == CLUSTER_CHANGES:
            ClusterChange.model_validate_json(each.value)


def becoming(customer: int, day: int) -> tuple[int, int]:
    """Customer 0 shops like customer 7 from day 60 on."""
    return style_of(7 if customer == 0 and day >= 60 else customer)


def test_who_shops_otherwise_is_told_of_after_a_fortnight_of_it() -> None:
    told = [each for each in moves(shop(150, becoming)) if each["customer_id"] == "0"]
    assert told
    for each in told:
        began, said = each["since"], each["occurred_at"][:10]
        assert (_day(said) - _day(began)) == PATIENCE_DAYS + 1, "the boundary of a day is on the day after"
        assert each["distance_from"] > each["distance"]
        assert each["distance_to_second"] >= each["distance"]
        assert len(each["traits"]) == 3
    assert told[-1]["to"]["number"] != told[0]["from"]["number"]


def _day(date: str) -> int:
    return next(day for day in range(400) if moment(day)[:10] == date)


def test_who_shops_otherwise_for_a_few_days_alone_is_not_told_of() -> None:
    def trying(customer: int, day: int) -> tuple[int, int]:
        return style_of(2 if customer == 0 and 80 <= day < 84 else customer)

    usual = {each["customer_id"] for each in moves(shop(120)) if each["occurred_at"] > moment(70)}
    tried = {each["customer_id"] for each in moves(shop(120, trying)) if each["occurred_at"] > moment(70)}
    assert "0" not in usual | tried


def test_everything_is_the_same_whatever_the_cuts_crashes_and_checkpoints() -> None:
    values = shop(90, becoming)
    records, whole, chance = records_of(values, SETTINGS), replay_of(values, SETTINGS), random.Random(3)
    replay, ledger, at = Replay(), Ledger(SETTINGS), 0
    while at < len(records):
        stop = min(at + chance.randrange(1, 200), len(records))
        drive(ledger, records.slice(at, stop), replay, sweep_limit=chance.randrange(1, 9))
        at = stop
        again = Ledger(SETTINGS)
        if chance.random() < 0.5:
            again.load(replay.rows.items())
        else:
            held = io.BytesIO()
            ledger.save(held)
            held.seek(0)
            again.restore(held)
            again.settle()
        ledger = again
    drive(ledger, records.slice(at, at), replay, finish=True)
    assert replay.events == whole.events
    assert replay.rows == whole.rows
    assert changes(whole)


def test_the_order_of_baskets_inside_a_day_plays_no_part() -> None:
    values, chance = shop(70), random.Random(4)
    shuffled, of_day = [], list[bytes]()
    for value in values:
        if b'"tick"' in value:
            chance.shuffle(of_day)
            shuffled += [*of_day, value]
            of_day = []
        else:
            of_day.append(value)
    said = [sorted(map(repr, changes(replay_of(each, SETTINGS)))) for each in (values, shuffled)]
    assert said[0] == said[1]


def test_history_is_counted_and_not_sent_and_those_held_out_go_elsewhere() -> None:
    quiet = replay_of([until_live(), *shop(60)], SETTINGS)
    assert not changes(quiet)
    assert quiet.counts["cluster_changes"] == len(STYLES) * MEMBERS
    half = LedgerSettings(segment_minimum_population=1_000, holdout_share=0.5, holdout_salt="s")
    held = replay_of(shop(60), half)
    exposed = [each for each in held.outputs if each.topic == "exposures" and b"traits" in each.value]
    assert exposed
    assert len(exposed) + len(changes(held)) == len(STYLES) * MEMBERS
    assert not {each.key.decode() for each in exposed} & {each["customer_id"] for each in changes(held)}


def test_nothing_is_left_of_an_erased_customer() -> None:
    values = shop(60)
    ledger, replay = Ledger(SETTINGS), Replay()
    values += [erase("0", 60), basket("new", "0", 60.9, ("c0", "p0", 1.0, 2.0))]
    drive(ledger, records_of(values, SETTINGS), replay, finish=True)
    state = ledger._state
    record = state.customers[state.rows[b"0"]]
    assert record["cluster"] == NO_CLUSTER
    assert not record["decayed_sums"].any()
    assert not record["landmark_day"]
    assert ledger.describe(b"0")["cluster"] is None  # type: ignore[index]


def test_a_partition_of_few_customers_has_no_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "LEAST_MEMBERS", MEMBERS + 1)
    ledger, replay = Ledger(SETTINGS), Replay()
    drive(ledger, records_of(shop(40), SETTINGS), replay, finish=True)
    assert not changes(replay)
    assert ledger.describe(b"0")["cluster"] is None  # type: ignore[index]


def test_groups_of_categories_tell_customers_apart_and_may_come_later() -> None:
    def led(customer: int, _: int) -> tuple[int, int]:
        return (3, 2) if customer % 2 else (3, 4)

    chosen = SETTINGS.model_copy(update={"category_groups": (("fish", ("c2", "c3")),)})
    ledger, replay = Ledger(SETTINGS), Replay()
    values = shop(60, led)
    records = records_of(values, SETTINGS)
    half = len(records) // 2
    drive(ledger, records.slice(0, half), replay, finish=True)
    again = Ledger(chosen)
    again.load(replay.rows.items())
    drive(again, records.slice(half, len(records)), replay, finish=True)
    state = again._state
    assert state.clusters is not None
    assert state.clusters.centres.shape == (8, 6)
    told: Any = again.describe(b"0")
    other: Any = again.describe(b"1")
    assert told["cluster"]["number"] != other["cluster"]["number"]
    measures = {trait["measure"]: trait["value"] for trait in told["cluster"]["traits"]}
    assert measures["share_of:fish"] == pytest.approx(0.5, abs=0.01)
    whole = Ledger(chosen)
    drive(whole, records, Replay(), finish=True)
    assert "fish-led" in whole.describe(b"0")["cluster"]["name"]  # type: ignore[index]
    third = Ledger(chosen)
    third.load(replay.rows.items())
    assert third.describe(b"0") == told
