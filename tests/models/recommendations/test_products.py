"""Recommended products against counts made trip by trip: what is listed, in which order, and why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.settings import LedgerSettings
from models.state.habits import TRIP_DECAY
from tests.models.recommendations.test_recommend import line, said, weeks
from tests.support.ledgers.logs import basket, catalogue, tick

BASKET = st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("pqrstuvwxyz")), min_size=1, max_size=4)


def products(event: dict[str, Any]) -> list[str]:
    return [each["product_id"] for each in event["products"]]


@given(baskets=st.lists(BASKET, min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_the_list_is_that_of_decayed_counts_as_if_the_day_were_closed(
    baskets: list[list[tuple[str, str]]],
) -> None:
    log = [tick(-1)]
    for day, bought in enumerate(baskets):
        lines = [line(category, f"{category}{product}") for category, product in bought]
        log += [basket(f"e{day}", "1", day + 0.5, *lines), tick(day)]
    # The last event is sent on the day's first purchase, before the day closes.
    newest = said(log)[-1]
    counts, last = dict[str, float](), dict[str, int]()
    for day, bought in enumerate(baskets):
        for category, product in set(bought):
            name = f"{category}{product}"
            counts[name] = counts.get(name, 0) + TRIP_DECAY ** (len(baskets) - 1 - day)
            last[name] = day
    seen = sum(TRIP_DECAY**age for age in range(len(baskets)))
    listed = newest["products"]
    assert len(listed) == min(10, len(counts))
    for each in listed:
        name = each["product_id"]
        assert each["category"] == name[0]
        assert each["trips"] == pytest.approx(counts[name], abs=0.006)
        assert each["last_bought"] == f"2017-01-{last[name] + 1:02}"
        assert counts[name] / (seen + 5) - 1e-4 <= each["score"] <= (counts[name] + 0.2) / (seen + 5) + 1e-4
    scores = [each["score"] for each in listed]
    assert scores == sorted(scores, reverse=True)
    left_out = counts.keys() - set(products(newest))
    assert all(counts[name] <= min(counts[each] for each in products(newest)) + 0.2 for name in left_out)


def test_who_has_bought_nothing_yet_gets_no_products() -> None:
    log = [*weeks(4, line("MILK", "m1")), basket("fuel", "new", 28.5, line("FUEL"))]
    newest = said(log)[-1]
    assert newest["customer_id"] == "new"
    assert newest["products"] == []
    assert [item["category"] for item in newest["items"]] == ["MILK"]


def test_never_what_cannot_be_had_is_excluded_or_was_returned() -> None:
    chosen = LedgerSettings(segment_minimum_population=1_000, not_recommended=("GIFT CARDS",))
    lines = [line("MILK", "m1"), line("MILK", "m2"), line("GIFT CARDS", "g1"), line("TEA", "t1")]
    back = basket("back", "1", 0.6, line("TEA", "t1", -1.0), kind="return")
    listing = catalogue("list", ("m1", "MILK", None, "available"), ("m2", "MILK", None, "withdrawn"))
    log = [tick(-1), listing, basket("a", "1", 0.5, *lines), back, basket("b", "1", 1.5, line("MILK", "m1"))]
    assert products(said(log, chosen)[-1]) == ["m1"]


@pytest.mark.parametrize("open_day", [False, True])
def test_the_category_of_a_product_of_two_does_not_depend_on_which_the_log_named_first(
    *, open_day: bool
) -> None:
    def category(first: str, second: str) -> str:
        log = [
            tick(-1),
            basket("a", "other", 0.1, line(first, "q"), line(second, "q")),
            basket("b", "1", 0.5, line("MILK", "m1"), line("TEA", "m1")),
        ]
        log += [] if open_day else [tick(0), basket("c", "1", 1.5, line(first, "q"), line(second, "q"))]
        return str(next(each["category"] for each in said(log)[-1]["products"] if each["product_id"] == "m1"))

    assert category("MILK", "TEA") == category("TEA", "MILK")
