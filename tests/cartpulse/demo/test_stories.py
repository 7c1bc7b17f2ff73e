"""Three customers in words: a rhythm that holds, one that broke, and a climb; fewer where there are fewer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cartpulse.demo.outcomes import Verdict, judge
from cartpulse.demo.received import Alert, Evidence, Reason, Received, Recommended, SegmentChange
from cartpulse.demo.stories import stories
from models.state.calendar import date_of, day_number

START = day_number(datetime(2017, 1, 1, tzinfo=UTC).date())
LAST_DAY = START + 364

Days = dict[tuple[str, str], list[int]]


def alerts_of(customer: str, category: str, days: list[int]) -> list[Alert]:
    """An alert for a week after every purchase but the first two."""
    return [
        Alert(
            alert_id=f"{customer}-{day}",
            customer_id=customer,
            category=category,
            best_date=date_of(day + 7),
            evidence=Evidence(3, 7.0, date_of(day)),
            occurred_at=datetime(2017, 1, 1, tzinfo=UTC) + timedelta(days=day + 5 - START),
        )
        for day in days[2:]
    ]


def told(bought: Days, changes: list[SegmentChange] | None = None) -> list[tuple[str, str, str]]:
    received = Received(changes=changes or [])
    verdicts: list[Verdict] = []
    for (customer, category), days in bought.items():
        for alert in alerts_of(customer, category, days):
            received.alerts.append(alert)
            verdicts.append(judge(alert, days, LAST_DAY, lead=2, grace=5))
    result = stories(received, verdicts, lambda alert: bought[alert.customer_id, alert.category])
    return [(story.customer_id, story.title, story.text) for story in result]


def change(customer: str, day: int, after: str) -> SegmentChange:
    return SegmentChange(
        customer_id=customer,
        from_segment=None,
        to_segment=after,
        reasons=(Reason("Bought on 9 days"),),
        cause="1",
        occurred_at=datetime(2017, 1, 1, tzinfo=UTC) + timedelta(days=day),
    )


def weekly(count: int) -> list[int]:
    return [START + 7 * week for week in range(count)]


def test_a_steady_rhythm_is_told_with_its_last_known_alert() -> None:
    ((customer, title, text),) = told({("1228", "MILK"): weekly(52)})
    assert (customer, title) == ("1228", "a steady rhythm")
    assert text == (
        "Customer 1228 bought MILK on 52 days, about every 7 days. 49 of 49 alerts hit. The last one, after "
        "the purchase of 17 December, was raised on 22 December for 24 December, and bought on 24 December: "
        "a hit. A reminder is enough, no offer needed."
    )


def test_a_rhythm_that_broke_is_told_of_another_customer() -> None:
    milk, beef = ("1", "MILK"), ("2", "BEEF")
    steady, broken = told({milk: weekly(52), beef: weekly(12), ("1", "TEA"): weekly(30)})
    assert steady[:2] == ("1", "a steady rhythm")
    assert broken[:2] == ("2", "a rhythm that broke")
    assert "9 of 10 alerts hit" in broken[2]
    assert "the data holds no later purchase: a miss." in broken[2]
    assert broken[2].endswith("Ask, or make an offer, before they are gone for good.")


def test_slow_rhythms_are_told_before_daily_ones() -> None:
    daily = list(range(START, START + 300))
    ((customer, _, _), *_) = told({("1", "ROLLS"): daily, ("2", "MILK"): weekly(52)})
    assert customer == "2"


def test_the_longest_climb_is_told_once_segments_are_settled() -> None:
    changes = [
        change("1", 0, "Hibernating"),
        change("1", 1, "Champions"),
        change("7", 200, "Hibernating"),
        change("7", 210, "Needs Attention"),
        change("8", 215, "Hibernating"),
        change("8", 216, "Champions"),
        change("7", 220, "Loyal Customers"),
        change("9", 364, "Promising"),
    ]
    ((customer, title, text),) = told({}, changes)
    assert (customer, title) == ("7", "a customer won")
    assert text == (
        "Customer 7 was in Hibernating on 20 July, then in Needs Attention on 30 July, Loyal Customers on "
        "9 August. Why: Bought on 9 days."
    )


def test_a_customer_won_is_told_with_what_they_are_likely_to_buy_next() -> None:
    received = Received(
        changes=[
            change("1", 0, "Hibernating"),
            change("7", 200, "Hibernating"),
            change("7", 210, "Champions"),
        ],
        recommended={"7": [Recommended(0.0, ("TEA",)), Recommended(1.0, ("MILK", "BREAD", "EGGS", "SALT"))]},
    )
    (story,) = stories(received, [], lambda _: [])
    assert story.text.endswith("what they will likely buy next: MILK, BREAD and EGGS.")


def test_where_nothing_came_out_nothing_is_told() -> None:
    assert told({}) == []


def test_no_rhythm_is_told_where_most_alerts_missed() -> None:
    wild = [START + day for day in (0, 1, 2, 40, 41, 100, 101, 160, 220, 290)]
    assert told({("1", "MILK"): wild}) == []
    assert told({("1", "MILK"): [*wild, 297]}) == [], "the last alert hit, and most did not"
