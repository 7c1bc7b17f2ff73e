"""Invented purchases are the same every time, follow the truth told of them, and are as bad as asked for."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import date
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from models.records.columns import UNKNOWN_TIME
from models.records.decoder import Decoder, Raw
from models.settings import LedgerSettings
from streams.sources.synthetic.customers import CLASSES, EXTRA_CHANCE, GROUP, trips
from streams.sources.synthetic.process import Process, ProcessError
from streams.sources.synthetic.purchases import Synthetic
from streams.sources.ticks import with_ticks
from tests.support.ledgers.logs import replay_of

if TYPE_CHECKING:
    from streams.sources.feed import Feed

SETTINGS = LedgerSettings(time_zone="America/New_York")
BAD = "returns=0.1,duplicates=0.1,disorder=0.2,late=0.1,misrouted=0.1,hostile=0.1"


def source(text: str) -> Synthetic:
    return Synthetic(Process.parse(text), SETTINGS)


def events(records: list[Feed]) -> list[dict[str, Any]]:
    return [json.loads(record.value) for record in records]


def test_the_same_seed_gives_the_same_records_and_another_gives_others() -> None:
    first = list(source(f"customers=200,days=6,{BAD}"))
    again = source(f"customers=200,days=6,{BAD}")
    assert list(again) == first
    assert list(again) == first
    assert list(source(f"customers=200,days=6,seed=2,{BAD}")) != first


def test_a_customer_is_the_same_among_few_and_among_many() -> None:
    few = events(list(source("customers=50,days=5")))
    many = events(list(source("customers=500,days=5")))
    assert few == [each for each in many if int(each["customer_id"]) < 50]


def test_purchases_come_in_order_of_time_within_local_opening_hours() -> None:
    records = list(source("customers=300,days=3"))
    assert all(a.occurred_at <= b.occurred_at for a, b in pairwise(records))
    assert records[0].occurred_at >= 1_704_114_000_000  # 08:00 in New York
    assert events(records)[0]["occurred_at"] >= "2024-01-01T13:00:00Z"


def test_intervals_have_the_mean_and_the_spread_that_the_truth_names() -> None:
    process = Process(customers=1_500, days=240, newcomers=0, leavers=0, drift=0, seed=5)
    customers = np.arange(process.customers)
    bought = np.zeros((process.customers, 6, process.days), np.bool_)
    for day in range(process.days):
        found = trips(process, customers, day)
        bought[found.customers, :, day] = found.bought
    truth = Synthetic(process, SETTINGS).truth(0, process.customers)
    assert not bought[~truth.habits].any()
    ratios, spreads = [], []
    for customer, slot in np.argwhere(truth.habits & (truth.intervals > 6) & (truth.intervals < 20)):
        gaps = np.diff(np.flatnonzero(bought[customer, slot]))
        mean = truth.intervals[customer, slot]
        ratios.append(gaps.mean() / mean)
        spreads.append(
            ((gaps - mean) ** 2).mean() / (truth.irregularity[customer] ** 2 * mean**2 / 6 + 1 / 6)
        )
    assert len(ratios) > 1_000
    assert np.mean(ratios) == pytest.approx(1, abs=0.01)
    assert np.mean(spreads) == pytest.approx(1, abs=0.05)  # 1/6: what cutting off days adds


def test_habits_change_on_the_day_and_by_the_factor_that_the_truth_names() -> None:
    process = Process(customers=2_000, days=200, newcomers=0, leavers=0, drift=1.0)
    customers = np.arange(process.customers)
    truth = Synthetic(process, SETTINGS).truth(0, process.customers)
    assert set(truth.drift_factor.tolist()) == {0.5, 2.0}
    before = np.zeros(process.customers)
    after = np.zeros(process.customers)
    for day in range(process.days):
        found = trips(process, customers, day)
        count = found.bought.sum(axis=1)
        changed = day >= truth.drifts[found.customers]
        after[found.customers[changed]] += count[changed]
        before[found.customers[~changed]] += count[~changed]
    quicker = truth.drift_factor == 0.5
    for chosen, expected in ((quicker, 2.0), (~quicker, 0.5)):
        rate = (after / (process.days - truth.drifts))[chosen].sum() / (before / truth.drifts)[chosen].sum()
        assert rate == pytest.approx(expected, rel=0.08)


def test_newcomers_and_leavers_buy_only_while_they_are_there() -> None:
    process = Process(customers=600, days=60, newcomers=0.5, leavers=0.5)
    truth = Synthetic(process, SETTINGS).truth(0, process.customers)
    for day in (0, 10, 25, 45, 59):
        found = trips(process, np.arange(process.customers), day)
        assert (truth.joins[found.customers] <= day).all()
        assert (truth.leaves[found.customers] > day).all()
    assert (truth.leaves < process.days).mean() == pytest.approx(0.5, abs=0.07)


def test_classes_have_their_shares_and_their_pace() -> None:
    truth = source("customers=20000,days=30").truth(0, 20_000)
    shares = np.bincount(truth.classes) / len(truth.classes)
    assert len(CLASSES) == 3
    assert shares == pytest.approx([0.1, 0.5, 0.4], abs=0.015)
    medians = [np.median(truth.intervals[truth.classes == place]) for place in range(3)]
    assert medians[2] / medians[1] == pytest.approx(2, rel=0.1)


def test_extras_have_the_lift_that_was_asked_for() -> None:
    baskets = events(list(source("customers=3000,days=12,lift=3")))
    counts: defaultdict[bool, Counter[bool]] = defaultdict(Counter)
    for basket in baskets:
        categories = [item["category"] for item in basket["items"]]
        groups = {int(name.split()[1]) // GROUP for name in categories if name.startswith("CATEGORY")}
        for extra in range(6):
            counts[extra in groups][f"EXTRA {extra}" in categories] += 1
    share = {related: count[True] / count.total() for related, count in counts.items()}
    assert share[False] == pytest.approx(EXTRA_CHANCE / 6, rel=0.05)
    assert share[True] / share[False] == pytest.approx(3, rel=0.07)


def test_disturbances_have_their_shares_and_leave_the_purchases_as_they_are() -> None:
    clean = list(source("customers=1000,days=10"))
    disturbed = source(f"customers=1000,days=10,{BAD}")
    records = list(disturbed)
    counts = disturbed.counts
    _, refusals = Decoder(SETTINGS).decode(
        [Raw(number, record.value, UNKNOWN_TIME) for number, record in enumerate(records)]
    )
    assert len(refusals) == counts["hostile"]
    refused = {refusal.offset for refusal in refusals}
    good = [record for number, record in enumerate(records) if number not in refused]
    purchases = [record for record in good if b'"kind":"purchase"' in record.value]
    copies = Counter(record.value for record in purchases)
    assert copies.keys() == {record.value for record in clean}
    assert sum(count - 1 for count in copies.values()) == counts["duplicates"]
    assert counts["purchase"] == len(clean)
    for name, share in (("duplicates", 0.1), ("hostile", 0.1), ("misrouted", 0.1), ("disorder", 0.19)):
        assert counts[name] / len(clean) == pytest.approx(share, rel=0.2)
    returns = [each for each in events(good) if each["kind"] == "return"]
    assert len(returns) == counts["return"] > 0
    assert {item["quantity"] < 0 for each in returns for item in each["items"]} == {True}
    strange = {
        record.value for record in purchases if json.loads(record.value)["customer_id"].encode() != record.key
    }
    assert len(strange) == counts["misrouted"]
    latest, late = 0, set()
    for record in purchases:
        latest = max(latest, record.occurred_at)
        if latest - record.occurred_at > 24 * 3_600_000:
            late.add(record.value)
    assert len(late) == counts["late"]


def test_a_ledger_applies_each_purchase_and_return_once() -> None:
    disturbed = source(
        "customers=150,days=20,returns=0.05,duplicates=0.05,disorder=0.1,late=0.05,hostile=0.01"
    )
    replay = replay_of([record.value for record in with_ticks(disturbed, SETTINGS)], SETTINGS)
    counts = disturbed.counts
    assert replay.counts["applied"] == counts["purchase"] + counts["return"]
    assert replay.counts["duplicates"] == counts["duplicates"]
    assert replay.counts["refused"] == counts["hostile"]
    assert 0.8 * counts["late"] <= replay.counts["late"] <= counts["late"]  # some have a copy that is in time


def test_only_the_day_at_hand_is_computed() -> None:
    assert len(list(islice(source("customers=50000,days=3650"), 10))) == 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("customers=10", "days must be given"),
        ("customers=10,days=x", "days cannot be"),
        ("customers=10,days=5,color=red", "no parameter 'color'"),
        ("customers=0,days=5", "customers must be from 1"),
        ("customers=1,days=5,lift=9", "lift must be"),
        ("customers=1,days=5,start=1990-01-01", "start must lie"),
    ],
)
def test_parameters_that_cannot_be_are_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(ProcessError, match=said):
        Process.parse(text)


def test_parameters_are_read_from_a_text() -> None:
    process = Process.parse("customers=10,days=5,start=2025-03-01,late=0.5")
    assert (process.customers, process.start, process.late) == (10, date(2025, 3, 1), 0.5)
