"""Recommendations: what is likely on the next trip, said once a trip or when the five best change."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ledger.ledger import Ledger
from models.settings import LedgerSettings
from models.state.habits import TRIP_DECAY
from tests.support.ledgers.logs import Replay, basket, drive, records_of, replay_of, tick

SETTINGS = LedgerSettings(segment_minimum_population=1_000)
"""Nobody gets a segment."""
Event = dict[str, Any]


def line(category: str, product: str = "p", quantity: float = 1.0) -> tuple[str, str, float, float]:
    return category, product, quantity, 1.0


def said(log: list[bytes], settings: LedgerSettings = SETTINGS) -> list[Event]:
    return cast("list[Event]", replay_of(log, settings).values("recommendations"))


def categories(event: Event) -> list[str]:
    return [item["category"] for item in event["items"]]


def weeks(count: int, *lines: tuple[str, str, float, float], customer: str = "1") -> list[bytes]:
    """A basket a week, each day closed, the last one's too."""
    log = [tick(-1)]
    for week in range(count):
        log.append(basket(f"{customer}-{week}", customer, 7 * week + 0.5, *lines))
        log += [tick(7 * week + day) for day in range(7)]
    return log


def test_a_trip_is_answered_with_what_is_bought_most_often() -> None:
    log = [tick(-1)]
    for day in range(12):
        lines = [line("MILK")] + [line("BREAD")] * (day % 2) + [line("SALT")] * (day == 3)
        log += [basket(f"e{day}", "1", day + 0.5, *lines), tick(day)]
    events = said(log)
    assert [event["cause"] for event in events] == [f"e{day}" for day in range(12)]
    newest = events[-1]
    assert categories(newest) == ["MILK", "BREAD", "SALT"]
    assert newest["basis"] == "history"
    milk, bread, salt = newest["items"]
    assert {item["kind"] for item in newest["items"]} == {"repeat"}
    assert milk["evidence"]["trips_with"] == milk["evidence"]["trips"] == 12
    assert bread["evidence"]["trips_with"] == 6
    assert salt["reason"] == "Bought on 1 of your last 12 trips, last 8 days ago"
    assert salt["evidence"]["last_purchase"] == "2017-01-04"
    assert milk["score"] > bread["score"] > salt["score"]


def test_a_score_is_the_decayed_share_of_trips_drawn_to_the_share_of_all() -> None:
    log = weeks(6, line("MILK"))
    log += [basket("x", "1", 42.5, line("BREAD")), tick(42)]
    (*_, newest) = said(log)
    seen = sum(TRIP_DECAY**age for age in range(7))
    assert newest["items"][0]["category"] == "MILK"
    # All trips so far were this customer's, and all held milk.
    assert newest["items"][0]["score"] == pytest.approx((seen - 1 + 5 * 1.0) / (seen + 5), abs=1e-3)


def test_a_second_basket_of_a_day_is_answered_only_if_the_five_best_change() -> None:
    baskets = [[line("A")], [line("A")], [line("SALT")], [line("SALT"), line("A")]]
    log = [basket(f"e{at}", "1", 0.5 + at / 10, *lines) for at, lines in enumerate(baskets)]
    assert [event["cause"] for event in said([tick(-1), *log])] == ["e0", "e2"]


def test_a_return_is_answered_only_if_the_five_best_change() -> None:
    bought = basket("a", "1", 0.5, line("A"), line("B"))
    back = basket("b", "1", 0.6, line("B", quantity=-1.0), kind="return")
    nothing = basket("c", "1", 0.7, line("C", quantity=-1.0), kind="return")
    events = said([tick(-1), bought, back, nothing])
    assert [(event["cause"], sorted(categories(event))) for event in events] == [
        ("a", ["A", "B"]),
        ("b", ["A"]),
    ]


def test_a_late_basket_is_not_answered() -> None:
    log = [*weeks(2, line("MILK")), basket("late", "1", 3.5, line("SALT"))]
    assert "late" not in {event["cause"] for event in said(log)}


def test_never_what_is_excluded_by_a_setting_or_not_consumed() -> None:
    chosen = SETTINGS.model_copy(update={"not_recommended": ("GIFT CARDS",), "not_consumed": ("FUEL",)})
    lines = [
        line("MILK"),
        line("GIFT CARDS"),
        line("GIFT CARDS | MUSIC"),
        line("FUEL"),
        line("FUEL | DIESEL"),
    ]
    events = said([*weeks(4, *lines), basket("tea", "2", 28.5, line("TEA"))], chosen)
    assert {name for event in events for name in categories(event)} == {"MILK", "TEA"}


def test_who_has_no_history_gets_what_is_popular_and_is_told_so() -> None:
    log = weeks(4, line("MILK"), line("BREAD"))
    log.append(basket("fuel", "new", 28.5, line("FUEL")))
    newest = said(log)[-1]
    assert (newest["cause"], newest["basis"], newest["segment"]) == ("fuel", "popular", None)
    assert sorted(categories(newest)) == ["BREAD", "MILK"]
    assert newest["items"][0]["evidence"] == {"bought_with": None, "segment": None, "share": 1.0}
    assert newest["items"][0]["reason"] == "Bought on 100% of all trips"


def test_who_has_a_segment_and_no_history_gets_what_is_popular_there() -> None:
    ranked = SETTINGS.model_copy(update={"segment_minimum_population": 2})
    log = [tick(-1)]
    for day in range(8):
        log += [basket(f"{day}-{who}", str(who), day + 0.5, line("MILK")) for who in range(4)]
        log += [basket(f"{day}-fuel", "driver", day + 0.6, line("FUEL")), tick(day)]
    newest = [event for event in said(log, ranked) if event["customer_id"] == "driver"][-1]
    assert newest["basis"] == "popular in your segment"
    assert newest["items"][0]["evidence"]["segment"] == newest["segment"]


def test_before_anything_is_known_nothing_is_said() -> None:
    assert said([tick(-1), basket("fuel", "1", 0.5, line("FUEL"))]) == []


def pasta_shop() -> list[bytes]:
    """Ten who buy pasta with sauce, and twenty who buy tea; then one who buys pasta alone."""
    log = [tick(-1)]
    for day in range(10):
        for who in range(30):
            lines = [line("PASTA"), line("SAUCE")] if who < 10 else [line("TEA")]
            log.append(basket(f"{day}-{who}", str(who), day + 0.5 + who / 1000, *lines))
        log.append(tick(day))
    return [*log, basket("pasta", "new", 10.5, line("PASTA"))]


def test_what_goes_with_a_purchase_is_discovered_and_the_share_of_buyers_told() -> None:
    newest = said(pasta_shop())[-1]
    sauce = newest["items"][categories(newest).index("SAUCE")]
    assert sauce["kind"] == "discover"
    assert sauce["evidence"]["bought_with"] == "PASTA"
    assert sauce["evidence"]["share"] > 0.8
    assert sauce["reason"].startswith("Bought with PASTA by ")
    assert sauce["score"] < sauce["evidence"]["share"], "pasta may not be bought next time"


def test_the_usual_product_is_named_and_an_unknown_one_is_null() -> None:
    log = weeks(3, line("MILK", "whole"))
    log += [basket("x", "1", 21.5, line("MILK", "skim"), line("BREAD", "rye")), tick(21)]
    newest = said(log)[-1]
    products = {item["category"]: item["product_id"] for item in newest["items"]}
    assert products == {"MILK": "whole", "BREAD": "rye"}
    assert all(
        item["product_id"] is None for item in said(pasta_shop())[-1]["items"] if item["kind"] == "discover"
    )


def test_at_most_ten_and_the_likeliest_first() -> None:
    log = weeks(3, *[line(f"c{number}", f"p{number}") for number in range(30)])
    for event in said(log):
        scores = [item["score"] for item in event["items"]]
        assert len(scores) == 10
        assert scores == sorted(scores, reverse=True)


def test_places_may_be_kept_for_what_is_new() -> None:
    many = [line(f"c{number}") for number in range(20)]
    log = [tick(-1)]
    for day in range(5):
        log += [basket(f"a{day}", "1", day + 0.5, *many)]
        log += [basket(f"b{day}", "2", day + 0.6, line("TEA"), line("SALT")), tick(day)]

    def new(settings: LedgerSettings) -> int:
        newest = [event for event in said(log, settings) if event["customer_id"] == "1"][-1]
        assert len(newest["items"]) == 10
        return sum(item["kind"] == "discover" for item in newest["items"])

    assert new(SETTINGS) == 0
    assert new(SETTINGS.model_copy(update={"recommendation_discoveries": 1})) == 1
    assert new(SETTINGS.model_copy(update={"recommendation_discoveries": 5})) == 2  # there are no more


def test_what_was_said_last_outlives_a_restart() -> None:
    log = weeks(6, line("A"), line("B"), line("C"), line("D"), line("E"))
    log += [basket("x", "1", 42.5, line("A"))]
    replay, ledger = Replay(), Ledger(SETTINGS)
    drive(ledger, records_of(log, SETTINGS), replay, finish=True)
    again = Ledger(SETTINGS)
    again.load(replay.rows.items())
    more = [basket("y", "1", 42.6, line("A"))]
    drive(again, records_of(more, SETTINGS, first_offset=len(log)), replay, finish=True)
    causes = [event["cause"] for event in replay.values("recommendations")]
    assert causes[-1] == "x"


@given(order=st.permutations(range(6)))
@settings(max_examples=20, deadline=None)
def test_the_row_of_a_folded_day_does_not_depend_on_the_order_of_its_baskets(order: list[int]) -> None:
    parts = [
        basket(f"e{part}", "1", 14.5 + part / 100, line(f"c{part % 4}", f"p{part}"), line("MILK"))
        for part in range(6)
    ]
    log = [*weeks(2, line("MILK"), line("TEA")), *(parts[part] for part in order), tick(14)]
    ledger = Ledger(SETTINGS)
    drive(ledger, records_of(log, SETTINGS), Replay(), finish=True)
    state = ledger._state
    record = state.customers[state.rows[b"1"]]
    cells = {
        state.category_names.name(int(cell["category"])): (int(cell["count"]), int(cell["recent"]))
        for cell in state.cells.run(state.rows[b"1"])
    }
    outcome = (int(record["recommended"]), int(record["recommended_day"]), cells)
    assert outcome == FIRST.setdefault("outcome", outcome)


FIRST: dict[str, object] = {}
"""What the first order gave."""


def test_counts_of_categories_decay_with_every_trip_and_the_last_sixteen_are_remembered() -> None:
    log = [tick(-1)]
    for day in range(20):
        lines = [line("MILK")] + ([line("SALT")] if day in {1, 18} else [])
        log += [basket(f"e{day}", "1", day + 0.5, *lines), tick(day)]
    ledger = Ledger(SETTINGS)
    drive(ledger, records_of(log, SETTINGS), Replay(), finish=True)
    state = ledger._state
    cells = {state.category_names.name(int(cell["category"])): cell for cell in state.cells.run(0)}
    assert cells["SALT"]["count"] / 1024 == pytest.approx(TRIP_DECAY**18 + TRIP_DECAY, abs=0.01)
    assert int(cells["SALT"]["recent"]) == 0b10
    assert int(cells["MILK"]["recent"]) == 0xFFFF
    assert cells["MILK"]["count"] / 1024 == pytest.approx(
        float(np.sum(TRIP_DECAY ** np.arange(20))), abs=0.02
    )
