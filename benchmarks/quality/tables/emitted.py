"""As emitted: the events that a consumer gets with the default settings, judged as they are.

An alert is judged if its window, and the one of 8 days from its date on, end inside the log. A hit is a
purchase in [date - 2, date + 5]. `any 8 days` asks of each alert how many of all windows of 8 days of the
same weeks hold a purchase of the same pair: what the date adds is the difference.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from benchmarks.quality.log.journey import DAYS
from benchmarks.quality.log.ours import GRACE, LEAD
from benchmarks.quality.log.pairs import LEAST_PURCHASES
from benchmarks.quality.log.windows import FIRST_DATE
from benchmarks.quality.measures import scores
from benchmarks.quality.tables.table import Table
from streams.sources.complete_journey import TIME_ZONE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.quality.log.ours import Topics
    from benchmarks.quality.log.pairs import History

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

THRESHOLDS: Final = (0.4, 0.5, 0.6, 0.7, 0.8)
MANY: Final = 7
"""Alerts a week from which on a customer has many."""
MONTH: Final = 365 / 12


class Alerts(NamedTuple):
    """Alerts raised, with what followed; days as in the windows."""

    households: Integers
    keys: Integers
    """Pair: household and name."""
    raised: Integers
    """Day that the raising boundary opens."""
    date: Integers
    low: Integers
    high: Integers
    said: Reals
    soon: Reals
    """Chance of a purchase within 7 days, as said."""
    until: Integers
    """Day of the pair's first purchase from `raised` on; `DAYS` x 10 if none is seen."""


def raised_alerts(topics: Topics, history: History, names: Sequence[str], days: range, known: int) -> Alerts:
    """Return the alerts raised for some days, as far as the log tells how they end.

    Args:
        topics: What came out.
        history: Purchase days of all pairs.
        names: Names of the level.
        days: Days for which they are raised.
        known: First unknown day.
    """
    number = {name: place for place, name in enumerate(names)}
    width = len(names)
    rows = []
    for alert in topics.alerts:
        if alert.state != "raised" or alert.category not in number:
            continue
        best, raised = _day(alert.best_date), _local_day(alert.occurred_at)
        if raised in days and best + LEAD + GRACE < known:
            household = int(alert.customer_id)
            key = household * width + number[alert.category]
            interval = _day(alert.interval_low), _day(alert.interval_high)
            rows.append(
                (household, key, raised, best, *interval, alert.hit_probability, alert.probability_7_days)
            )
    columns = np.array(rows, np.float64).reshape(len(rows), 8).T
    whole = [column.astype(np.int64) for column in columns[:6]]
    # (k,) first purchase of the pair from the day on
    bought = history.bought
    keys = (bought.households * width + bought.names) * DAYS + bought.days
    place = np.searchsorted(keys, whole[1] * DAYS + whole[2])
    found = keys[np.minimum(place, len(keys) - 1)]
    same = (place < len(keys)) & (found // DAYS == whole[1])
    until = np.where(same, found % DAYS, 10 * DAYS)
    return Alerts(
        households=whole[0],
        keys=whole[1],
        raised=whole[2],
        date=whole[3],
        low=whole[4],
        high=whole[5],
        said=columns[6],
        soon=columns[7],
        until=until,
    )


def in_window(alerts: Alerts, first: int, last: int) -> Booleans:
    """Tell after which alerts the first purchase comes from `first` to `last` days behind the date."""
    return (alerts.until >= alerts.date + first) & (alerts.until <= alerts.date + last)


def bought_from_date(alerts: Alerts, history: History, width: int) -> Booleans:
    """Tell after which alerts any purchase comes in the 8 days that begin with the date."""
    bought = history.bought
    keys = (bought.households * width + bought.names) * DAYS + bought.days
    first = alerts.keys * DAYS + alerts.date
    found: Booleans = np.searchsorted(keys, first + LEAD + GRACE, "right") > np.searchsorted(keys, first)
    return found


def any_window(alerts: Alerts, history: History, width: int, days: range) -> Reals:
    """Return the (k,) share of all windows of 8 days inside some days that hold a purchase of the pair."""
    keys = history.bought.households * width + history.bought.names
    length = LEAD + GRACE + 1
    shares = np.zeros(len(alerts.keys))
    pairs, place = np.unique(alerts.keys, return_inverse=True)
    starts, stops = np.searchsorted(keys, pairs), np.searchsorted(keys, pairs, "right")
    of_pair = np.zeros(len(pairs))
    for number, (start, stop) in enumerate(zip(starts.tolist(), stops.tolist(), strict=True)):
        covered = np.zeros(len(days), np.bool_)
        for day in history.bought.days[start:stop].tolist():
            low = day - length + 1 - days.start
            covered[max(low, 0) : max(day + 1 - days.start, 0)] = True
        of_pair[number] = covered[: len(days) - length + 1].mean()
    shares[:] = of_pair[place]
    return shares


def table_of_alerts(
    topics: Mapping[str, Topics], history: History, names: Sequence[str], days: range, known: int
) -> Table:
    """Make the table of alerts as emitted.

    Args:
        topics: What came out, by name of the ledger.
        history: Purchase days of all pairs.
        names: Names of the level.
        days: Days that are looked at.
        known: First unknown day.
    """
    table = Table(
        "As emitted: replenishment alerts",
        (
            "alerts", "in [A-2, A+5]", "in [A, A+7]", "any 8 days", "lift", "recall", "a customer-week",
            "more than 7 a week", "said", "ECE", "p7 said", "p7 seen", "80 % holds",
        ),
    )  # fmt: skip
    bought = history.bought
    active = len(np.unique(bought.households[(bought.days >= days.start) & (bought.days < days.stop)]))
    weeks = len(days) / 7
    for name, topic in topics.items():
        alerts = raised_alerts(topic, history, names, days, known)
        if not len(alerts.keys):
            table.add(name, 0.0, *[None] * 12)
            continue
        hit = in_window(alerts, -LEAD, GRACE)
        each = np.unique(alerts.households, return_counts=True)[1] / weeks
        usual = float(any_window(alerts, history, len(names), days).mean())
        inside = (alerts.until >= alerts.low) & (alerts.until <= alerts.high)
        table.add(
            name,
            f"{len(hit):,}",
            float(hit.mean()),
            float(bought_from_date(alerts, history, len(names)).mean()),
            usual,
            float(hit.mean()) / usual,
            recall(alerts, history, len(names), days),
            len(hit) / max(active, 1) / weeks,
            float(np.sum(each > MANY)) / max(active, 1),
            float(alerts.said.mean()),
            scores.calibration_error(alerts.said, hit),
            float(alerts.soon.mean()),
            float(np.mean(alerts.until < alerts.raised + 7)),
            float(inside.mean()),
        )
        said = [
            f"{least}: {float(hit[alerts.said >= least].mean()):.3f} at "
            f"{int(np.sum(alerts.said >= least)) / max(active, 1) / weeks:.2f} a customer-week"
            for least in THRESHOLDS
            if np.any(alerts.said >= least)
        ]
        table.notes.append(f"{name}, precision from a said chance of {'; '.join(said)}")
    return table


def table_of_lists(
    topics: Mapping[str, Topics], history: History, names: Sequence[str], days: range, known: int
) -> Table:
    """Make the table of replenishment lists as emitted.

    Args:
        topics: What came out, by name of the ledger.
        history: Purchase days of all pairs.
        names: Names of the level.
        days: Shopping days that are looked at.
        known: First unknown day.
    """
    table = Table(
        "As emitted: replenishment lists",
        (
            "lists", "a customer-week", "items", "bought", "said", "ECE", "bought, of those who shop",
            "all five bought", "none bought",
        ),
    )  # fmt: skip
    bought = history.bought
    active = len(np.unique(bought.households[(bought.days >= days.start) & (bought.days < days.stop)]))
    number, width = {name: place for place, name in enumerate(names)}, len(names)
    keys = np.sort((bought.households * width + bought.names) * DAYS + bought.days)
    shopped = np.unique(bought.households * DAYS + bought.days)
    for name, topic in topics.items():
        lists = [
            one
            for one in topic.replenishment_lists
            if one.state == "raised"
            and _day(one.shopping_day) in days
            and _day(one.shopping_day) + 7 <= known
        ]
        if not lists:
            table.add(name, 0.0, *[None] * 8)
            continue
        said_of = [[item for item in one.items if item.category in number] for one in lists]
        counts = np.array([len(items) for items in said_of])
        owners = np.repeat(np.arange(len(lists)), counts)
        first = np.array([_day(one.shopping_day) for one in lists])
        households = np.array([int(one.customer_id) for one in lists])
        items = np.array([number[item.category] for each in said_of for item in each])
        said = np.array([item.probability_7_days for each in said_of for item in each])
        wanted = (households[owners] * width + items) * DAYS + first[owners]
        hit = np.searchsorted(keys, wanted + 7) > np.searchsorted(keys, wanted)
        shops = np.searchsorted(shopped, households * DAYS + first + 7) > np.searchsorted(
            shopped, households * DAYS + first
        )
        each = np.bincount(owners, hit, len(lists))
        table.add(
            name,
            f"{len(lists):,}",
            len(lists) / max(active, 1) / (len(days) / 7),
            float(counts.mean()),
            float(hit.mean()),
            float(said.mean()),
            scores.calibration_error(said, hit),
            float(hit[shops[owners]].mean()),
            float(np.mean(each == 5)),
            float(np.mean(each == 0)),
        )
    return table


def recall(alerts: Alerts, history: History, width: int, days: range) -> float:
    """Return the share of purchases of pairs with three earlier ones that fall into an alert's window."""
    bought = history.bought
    number = np.arange(len(bought.days)) - history.begins[history.pair]
    asked = (number >= LEAST_PURCHASES) & (bought.days >= days.start) & (bought.days < days.stop)
    hit = in_window(alerts, -LEAD, GRACE)
    foreseen = np.unique(alerts.keys[hit] * DAYS + alerts.until[hit])
    keys = (bought.households[asked] * width + bought.names[asked]) * DAYS + bought.days[asked]
    return float(np.isin(keys, foreseen).mean()) if len(keys) else float("nan")


def table_of_others(topics: Mapping[str, Topics], households: int, days: range) -> Table:
    """Make the table of recommendations and segment changes as emitted.

    Args:
        topics: What came out, by name of the ledger.
        households: Households of the log.
        days: Days that are looked at.
    """
    table = Table(
        "As emitted: recommendations and segment changes",
        ("lists a customer-week", "items new", "items without a product", "changes a customer-month"),
    )
    for name, topic in topics.items():
        lists = [
            one
            for household, times in topic.instants.items()
            for at, one in zip(times, topic.lists[household], strict=True)
            if _of_ms(at) in days
        ]
        items = [item for one in lists for item in one.items]
        changes = sum(_of_ms(at) in days for at in topic.segment_changes)
        table.add(
            name,
            len(lists) / households / (len(days) / 7),
            float(np.mean([item.kind == "discover" for item in items])),
            float(np.mean([item.product_id is None for item in items])),
            changes / households / (len(days) / MONTH),
        )
    return table


def _day(text: str) -> int:
    return (date.fromisoformat(text) - FIRST_DATE).days


def _local_day(text: str) -> int:
    return (datetime.fromisoformat(text).astimezone(ZoneInfo(TIME_ZONE)).date() - FIRST_DATE).days


def _of_ms(instant: int) -> int:
    return _local_day(
        (datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC")) + timedelta(milliseconds=instant)).isoformat()
    )
