"""Columns of a snapshot: their names, kinds, units and meaning, which `docs/snapshot.md` lists."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Kind = Literal["text", "count", "score", "flag", "number", "money", "day", "instant"]
"""Kinds of values: scores are 1 to 5, money is exact to 1/10,000, days are business days, instants in UTC."""


class Column(NamedTuple):
    """One column of a table."""

    name: str
    kind: Kind
    unit: str
    """Unit of the values; empty where they have none."""
    about: str
    """A sentence on what the values are, and on when they are null."""


CUSTOMERS: Final = (
    Column("customer_id", "text", "", "The customer, as in the purchases."),
    Column("partition", "count", "", "Partition of the log that the customer belongs to."),
    Column("baskets", "count", "purchases", "Purchases counted; returns are none."),
    Column("purchase_days", "count", "business days", "Business days with a purchase."),
    Column("spend", "money", "currency", "Money spent, less returns, in `currency`."),
    Column("currency", "text", "ISO 4217", "The service's currency."),
    Column("first_purchase", "instant", "UTC", "Time of the first purchase; null before any."),
    Column("last_purchase", "instant", "UTC", "Time of the latest purchase; null before any."),
    Column(
        "first_purchase_day", "day", "business day", "Business day of the first purchase; null before any."
    ),
    Column(
        "last_purchase_day", "day", "business day", "Business day of the latest purchase; null before any."
    ),
    Column(
        "usual_store",
        "text",
        "",
        "Store visited most, as far as three counts tell; null if no store is known.",
    ),
    Column("last_channel", "text", "", "Sales channel that was named last; null if none is known."),
    Column("segment", "text", "", "Segment reported last; null before the first."),
    Column("new", "flag", "", "True up to four weeks after the first purchase."),
    Column("label", "text", "", "Segment by exact RFM at the moment of the snapshot; null if unranked."),
    Column(
        "recency", "score", "fifth", "Fifth by the time of the last purchase, 5 the best; null if unranked."
    ),
    Column("frequency", "score", "fifth", "Fifth by purchase days, 5 the best; null if unranked."),
    Column("monetary", "score", "fifth", "Fifth by spend, 5 the best; null if unranked."),
    Column("cluster", "count", "", "Number of the reported cluster, 1 to 8; null before the first."),
    Column("cluster_name", "text", "", "How the customers of that cluster shop; null before the first."),
    Column(
        "active_90_days",
        "number",
        "",
        "Chance of a purchase within 90 days of the last boundary; null where too little is known.",
    ),
    Column(
        "expected_spend_90_days",
        "number",
        "currency",
        "Spend to expect within 90 days of the last boundary; null where too little is known.",
    ),
    Column("open_alerts", "count", "alerts", "Alerts that were raised and are not closed."),
    Column("held_out", "flag", "", "True for customers whose outputs go to `exposures`."),
    Column("late", "count", "events", "Events of days that were closed already."),
    Column("duplicates", "count", "events", "Events that came again."),
    Column("open_days", "count", "business days", "Days whose purchases are not yet in habits: 0 to 2."),
    Column("source_offset", "count", "offset", "Offset in `purchases` of the last record applied."),
    Column("closed_day", "day", "business day", "Last day that the partition has closed; null before any."),
    Column("watermark", "instant", "UTC", "Event time that the partition has come to, less the lateness."),
)
"""Columns of the table of customers, one row each, ordered by partition and by id."""

HABITS: Final = (
    Column("customer_id", "text", "", "The customer, as in the purchases."),
    Column("partition", "count", "", "Partition of the log that the customer belongs to."),
    Column("category", "text", "", "The category, as in the purchases."),
    Column("purchases", "count", "business days", "Business days on which the category was bought."),
    Column(
        "first_purchase_day", "day", "business day", "First business day with a purchase of the category."
    ),
    Column(
        "last_purchase_day",
        "day",
        "business day",
        "Last closed business day with a purchase of the category.",
    ),
    Column(
        "last_interval_days",
        "count",
        "days",
        "Days between the last two purchase days; null where there is one.",
    ),
    Column(
        "typical_interval_days",
        "number",
        "days",
        "Geometric mean of days between purchase days; null for one day.",
    ),
    Column("usual_quantity", "number", "units", "Units a purchase day, recent ones weighing more."),
    Column("recent_trips", "number", "trips", "Trips with the category, old ones counting less."),
    Column(
        "changed_since",
        "day",
        "business day",
        "Day about which the habit last became another; null where it has not.",
    ),
    Column(
        "interval_before_days",
        "number",
        "days",
        "Usual days between purchases until then; null with that day.",
    ),
    Column("interval_since_days", "number", "days", "Usual days since then; null with that day."),
    Column("enough_known", "flag", "", "True where there are purchases enough for a date and an alert."),
    Column("best_date", "day", "business day", "Day that an alert aims at; null where there is none."),
    Column(
        "expected_date",
        "day",
        "business day",
        "Day by which the next purchase has come with a chance of one half; null if not enough known.",
    ),
    Column(
        "interval_low",
        "day",
        "business day",
        "Begin of the 80 % interval of the next purchase; null if not enough known.",
    ),
    Column(
        "interval_high",
        "day",
        "business day",
        "End of the 80 % interval of the next purchase; null if not enough known.",
    ),
    Column(
        "probability_7_days",
        "number",
        "chance",
        "Chance of a purchase within 7 days of `closed_day`; null if not enough known.",
    ),
    Column("probability_14_days", "number", "chance", "Chance within 14 days; null if not enough known."),
    Column("probability_28_days", "number", "chance", "Chance within 28 days; null if not enough known."),
    Column(
        "bought_on_open_day", "flag", "", "True where the category was bought on a day that is not closed."
    ),
    Column(
        "alert", "text", "", "The cycle's alert: `unplanned`, `planned`, `raised`, `fulfilled` or `lapsed`."
    ),
    Column("alert_id", "text", "", "Id of the open alert; null where none is open."),
    Column(
        "hit_probability",
        "number",
        "chance",
        "Chance of a hit that the open alert said when it was raised; null where none is open.",
    ),
    Column(
        "raised_at", "instant", "UTC", "Time at which the open alert was raised; null where none is open."
    ),
    Column(
        "valid_until",
        "instant",
        "UTC",
        "Time at which the open alert's window ends; null where none is open.",
    ),
    Column("sent", "flag", "", "True if the open alert was sent, false if history; null where none is open."),
    Column("closed_day", "day", "business day", "Last day that the partition has closed; null before any."),
)
"""Columns of the table of habits, one row for each customer and category, in the order of both."""
