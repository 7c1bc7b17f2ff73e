"""Recommended products against counts made trip by trip: what is listed, in which order, and why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ledger.ledger import Ledger
from models.records.partitioner import partition_of
from models.settings import LedgerSettings
from models.state.habits import TRIP_DECAY
from tests.models.recommendations.test_recommend import line, said, weeks
from tests.support.ledgers.logs import Replay, basket, catalogue, drive, erase, records_of, replay_of, tick

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


def shop() -> list[bytes]:
    """Twenty customers, each with products of their own."""
    log = [tick(-1)]
    for day in range(12):
        for customer in range(20):
            lines = [line("MILK", f"m{customer}"), line("TEA", f"t{(day + customer) % 3}")]
            log.append(basket(f"{day}-{customer}", str(customer), day + 0.5, *lines))
        log.append(tick(day))
    return log


def test_products_bought_before_an_erasure_are_named_no_more() -> None:
    log = [*weeks(4, line("MILK", "m1"), line("TEA", "t1")), erase("1", 28.2)]
    again = [basket("again", "1", 28.5, line("MILK", "m2")), tick(28)]
    again.append(basket("b", "1", 29.5, line("EGGS", "e1")))
    assert sorted(products(said([*log, *again])[-1])) == ["e1", "m2"]


def test_lists_of_customers_held_out_name_their_products_elsewhere() -> None:
    chosen = LedgerSettings(segment_minimum_population=1_000, holdout_share=0.5, holdout_salt="s")
    whole, part = said(shop()), replay_of(shop(), chosen)
    sent, held = (part.values(topic) for topic in ("recommendations", "exposures"))
    exposed = [event for event in held if "items" in event]
    assert sent
    assert exposed
    everyone = {(event["customer_id"], event["occurred_at"]): event["products"] for event in whole}
    for event in [*sent, *exposed]:
        assert event["products"] == everyone[str(event["customer_id"]), event["occurred_at"]]
    assert len(sent) + len(exposed) == len(whole)


def test_four_partitions_name_the_products_that_one_does() -> None:
    chosen = LedgerSettings(segment_minimum_population=1_000)
    records = records_of(shop(), chosen)
    told = list[dict[str, Any]]()
    for number in range(4):
        ledger, replay = Ledger(chosen, partition=number, partitions=4), Replay()
        mine = [
            index
            for index, customer in enumerate(records.customers)
            if not customer or partition_of(customer, 4, "murmur2") == number
        ]
        own = [shop()[index] for index in mine]
        drive(ledger, records_of(own, chosen), replay, finish=True)
        told += replay.values("recommendations")

    def counted(event: Any) -> set[tuple[str, float, str]]:
        return {(each["product_id"], each["trips"], each["last_bought"]) for each in event["products"]}

    one = {(event["customer_id"], event["occurred_at"]): counted(event) for event in said(shop())}
    four = {(event["customer_id"], event["occurred_at"]): counted(event) for event in told}
    assert four == one
