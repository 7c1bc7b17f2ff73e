"""A customer's page: what a person reads, on any terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from cartpulse.commands.customers.page import Page


def habit(category: str, **other: Any) -> dict[str, Any]:
    return {
        "category": category,
        "purchases": 9,
        "last_purchase": "2017-03-01",
        "typical_interval_days": 7.0,
        "usual_quantity": 1.5,
        "enough_known": True,
        "alert": "planned",
        "best_date": "2017-03-07",
        "expected_date": "2017-03-08",
        "interval_low": "2017-03-05",
        "interval_high": "2017-03-20",
        "probability_7_days": 0.5,
        "probability_14_days": 0.7,
        "probability_28_days": 0.9,
        "bought_on_open_day": False,
        "change": None,
    } | other


def told(**other: Any) -> dict[str, Any]:
    return {
        "customer_id": "900",
        "partition": 1,
        "partitions": 4,
        "baskets": 12,
        "purchase_days": 11,
        "spend": 1234.5,
        "currency": "USD",
        "first_purchase": "2017-01-01T11:53:26+00:00",
        "last_purchase": "2017-03-01T09:00:00+00:00",
        "usual_store": None,
        "last_channel": None,
        "held_out": False,
        "new": False,
        "segment": "Champions",
        "label": "Champions",
        "reasons": [{"text": "Last bought 1 day ago: the highest fifth by recency"}],
        "late": 0,
        "duplicates": 0,
        "open_days": [],
        "habits": [habit("MILK")],
        "open_alerts": [],
        "open_list": None,
        "cluster": None,
        "active_90_days": None,
        "expected_spend_90_days": None,
        "segment_changes": [],
        "recommendations": None,
        "as_of": {
            "watermark": "2017-03-02T11:00:00+00:00",
            "closed_day": "2017-03-01",
            "closing_day": None,
            "history": False,
        },
    } | other


def page(content: dict[str, Any], width: int = 120, most: int | None = 10, *, colour: bool = False) -> str:
    text = io.StringIO()
    console = Console(
        file=text, width=width, markup=False, highlight=False, emoji=False, force_terminal=colour or None
    )
    Page(content, console, most).show()
    return text.getvalue()


@pytest.mark.parametrize(
    ("store", "channel", "line"),
    [
        ("330", "till", "Mostly at store 330, last by channel till."),
        ("330", None, "Mostly at store 330."),
        (None, "web\x1b", "Last by channel web\\x1b."),
        (None, None, None),
    ],
)
def test_store_and_channel_are_named_as_far_as_they_are_known(
    store: str | None, channel: str | None, line: str | None
) -> None:
    lines = page(told(usual_store=store, last_channel=channel)).splitlines()
    assert [each.strip() for each in lines if "store" in each or "channel" in each] == (
        [line] if line else []
    )


@pytest.mark.parametrize("width", [30, 50, 80, 100, 200])
def test_no_line_is_longer_than_the_terminal_and_no_date_is_broken(width: int) -> None:
    long = habit("WATER - CARBONATED AND FLAVOURED DRINK", bought_on_open_day=True)
    lines = page(told(habits=[long, habit("MILK")]), width).splitlines()
    assert max(map(len, lines)) <= width
    assert sum("2017-03-08" in line for line in lines) == 2


def test_a_wide_terminal_shows_more_columns() -> None:
    assert "28 days" in page(told(), 120)
    assert "28 days" not in page(told(), 80)
    assert "80 % interval" in page(told(), 80)


def test_of_many_habits_the_next_are_shown_and_the_rest_is_counted() -> None:
    days = [f"2017-03-{number + 3:02}" for number in range(15)]
    habits = [habit(f"CATEGORY {number:02}", expected_date=day) for number, day in enumerate(days)]
    shown = page(told(habits=habits))
    assert "CATEGORY 09" in shown
    assert "CATEGORY 10" not in shown
    assert "and 5 habits more: --all" in shown
    assert "CATEGORY 14" in page(told(habits=habits), most=None)


def test_too_little_known_is_said_and_has_no_number() -> None:
    rare = habit(
        "SAFFRON",
        enough_known=False,
        best_date=None,
        expected_date=None,
        probability_7_days=None,
        alert="unplanned",
    )
    assert "1 category bought too rarely to say when next" in page(told(habits=[rare]))
    assert "too rarely to say when next: SAFFRON" in page(told(habits=[rare]), most=None)


def test_what_is_not_closed_is_said() -> None:
    at = told()["as_of"] | {"closing_day": "2017-03-02"}
    shown = page(told(open_days=["2017-03-03"], habits=[habit("MILK", bought_on_open_day=True)], as_of=at))
    assert "2017-03-03 is not closed" in shown
    assert "2017-03-02 is being closed" in shown
    assert "MILK*" in shown
    assert "* bought again on a day that is not closed" in shown


def test_history_that_is_being_loaded_is_called_so() -> None:
    at = told()["as_of"] | {"history": True}
    assert "is not live: nothing of this was sent" in page(told(as_of=at))
    assert "held out: what would be sent goes to `exposures`" in page(told(held_out=True))


def test_an_open_alert_is_not_shown_as_a_habit_too() -> None:
    alert = {
        "category": "MILK",
        "best_date": "2017-03-08",
        "interval_low": "2017-03-05",
        "interval_high": "2018-01-02",
        "raised_at": "2017-03-06T11:00:00+00:00",
        "valid_until": "2017-03-14T11:00:00+00:00",
        "sent": False,
    }
    shown = page(told(habits=[habit("MILK", alert="raised")], open_alerts=[alert]))
    assert shown.count("MILK") == 1
    assert "2017-03-05 to 2018-01-02" in shown
    assert "some of them were not sent" in shown


def test_recommendations_are_shown_as_their_event_has_them() -> None:
    items = [
        {
            "kind": "repeat",
            "category": "MILK",
            "product_name": "Whole milk",
            "score": 0.812,
            "reason": "on 9 of 12 trips",
        }
    ]
    products = [{"product_id": "p1", "product_name": "Oat drink"}, {"product_id": "p2"}]
    event = {"items": items, "products": products, "occurred_at": "2017-03-01T09:00:00Z"}
    shown = page(told(recommendations=event))
    assert "products: Oat drink, p2" in shown
    assert "products:" not in page(told(recommendations=event | {"products": []}))
    (line,) = (line for line in shown.splitlines() if "Whole milk" in line)
    assert line.split() == ["repeat", "MILK:", "Whole", "milk", "0.81", "on", "9", "of", "12", "trips"]


def test_data_neither_steers_the_terminal_nor_is_taken_for_markup() -> None:
    shown = page(told(customer_id="\x1b[2J900", habits=[habit("[red]A[/red] :cat:\x07")]))
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[red]A[/red] :cat:\\x07" in shown


def test_colours_are_left_out_where_none_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[1;32m" in page(told(), colour=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;32m" not in page(told(), colour=True)


def test_who_only_returned_has_a_page_too() -> None:
    nothing = told(baskets=0, spend=-2.0, segment=None, label=None, reasons=[], habits=[])
    shown = page(nothing | {"first_purchase": None, "last_purchase": None})
    assert "No purchase yet; -2.00 USD" in shown
    assert "too few customers to rank, or nothing bought" in shown


def test_what_came_late_or_twice_is_told_where_there_is_any() -> None:
    assert "late" not in page(told())
    assert "; 2 came late, 1 duplicate not counted" in page(told(late=2, duplicates=1), width=200)


def test_a_new_customer_is_not_ranked_on_the_page_either() -> None:
    shown = page(told(new=True, segment="New Customers", label="At Risk"))
    assert "At Risk" not in shown
    assert "Known for less than four weeks" in shown
    assert "At Risk" in page(told(segment="Champions", label="At Risk"))


def test_an_open_list_is_shown_with_its_day_and_whether_it_was_sent() -> None:
    listed = {
        "list_id": "1",
        "categories": ["MILK", "TEA\x07"],
        "shopping_day": "2017-03-04",
        "valid_until": "2017-03-11T11:00:00+00:00",
        "sent": True,
    }
    shown = page(told(open_list=listed))
    assert "MILK, TEA\\x07" in shown
    assert "for 2017-03-04, open until 2017-03-11" in shown
    assert "was not sent" not in shown
    assert "it was not sent" in page(told(open_list=listed | {"sent": False}))


def test_how_somebody_shops_is_told_by_what_stands_out_and_what_is_nearest_else() -> None:
    cluster = {
        "number": 3,
        "name": "weekly big shop",
        "share": 0.2,
        "traits": [
            {
                "measure": "basket_value",
                "unit": "USD",
                "value": 61.0,
                "cluster": 52.0,
                "average": 29.8,
            }
        ],
        "distance": 1.23,
        "second": {"number": 1, "name": "frequent small basket", "share": 0.1},
        "distance_to_second": 1.87,
        "others_nearer_since": None,
    }
    shown = page(told(cluster=cluster))
    assert "weekly big shop  cluster 3, 20% of the partition's customers" in shown
    assert "basket value 61.00 52.00 29.80 USD" in " ".join(shown.split())
    assert "1.2 away from its centre, second frequent small basket (1.9 away)" in shown
    assert "others are nearer" not in shown
    moving = page(told(cluster=cluster | {"others_nearer_since": "2017-02-20"}))
    assert "others are nearer since 2017-02-20" in moving
    assert "How they shop" not in page(told())


@pytest.mark.parametrize(
    ("active", "spend", "sentence"),
    [
        (0.93, 412.4, "Within 90 days buys again with a chance of 93%, spends about 412 USD."),
        (None, 12.0, "Within 90 days spends about 12 USD."),
        (0.05, None, "Within 90 days buys again with a chance of 5%."),
    ],
)
def test_what_to_expect_is_one_sentence(active: float | None, spend: float | None, sentence: str) -> None:
    assert sentence in page(told(active_90_days=active, expected_spend_90_days=spend))
    assert "Outlook" not in page(told())


def test_habits_that_have_changed_are_told_the_latest_first() -> None:
    def changed(since: str) -> dict[str, Any]:
        text = f"every 12 days until about {since}, every 25 since"
        return {"text": text, "since": since, "days_before": 12.0, "days_since": 25.0}

    habits = [habit("MILK", change=changed("2017-01-20")), habit("TEA", change=changed("2017-02-11"))]
    shown = page(told(habits=[*habits, habit("EGGS")]))
    assert (
        "Changed habits\n  TEA: every 12 days until about 2017-02-11, every 25 since\n  MILK: every 12"
        in ("\n".join(line.rstrip() for line in shown.splitlines()))
    )
    assert "Changed habits" not in page(told())
