"""Profile of one customer for people: habits, alerts and segment as plain values."""

from __future__ import annotations

from math import exp, isnan, log
from typing import TYPE_CHECKING, Any

import numpy as np

from models.alerts import lifecycle as alerts
from models.alerts.list_events import list_id
from models.clusters.changes import describe as describe_cluster
from models.contracts.events import alert_id
from models.contracts.timestamps import instant_of
from models.learning.intervals import LOG_STEPS, purchase_probability
from models.learning.rfm import SEGMENTS, label
from models.ledger.intake import Intake
from models.segments.changes import reasons
from models.segments.settling import Tenure, tenure_of
from models.settings import LedgerSettings
from models.state.calendar import MINUTE, boundary_cause, date_text
from models.state.columns import LIST_DAYS, NEVER, NO_SEGMENT, Cycle
from models.state.habits import statistics_of
from models.state.holdout import held_out
from models.state.open_days import bought_on
from models.state.state import State
from models.state.visits import usual_stores
from models.value.foresight import foresee

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from models.learning.rfm import Thresholds
    from models.segments.snapshot import SegmentSnapshot

HORIZONS = (7, 14, 28)
"""Days ahead for which a profile gives the probability of a purchase."""
TOLD_CHANGE = 1.5
"""Ratio of intervals, since a change and before, from which on the change is told."""


def look(
    rows: Iterable[tuple[bytes, bytes]], customer: bytes, standings: SegmentSnapshot, *, partitions: int = 1
) -> dict[str, object] | None:
    """Describe one customer from changelog rows, as `describe` would in a whole ledger.

    Other customers' rows are not needed: `standings` replaces them.

    Args:
        rows: Partition-level rows and the customer's row, in any order: the greatest row of each key.
        customer: Customer id.
        standings: Recency, frequency and spend of all customers of the partition, from which `label`,
            `scores` and `reasons` derive.
        partitions: Partition count of the log.

    Returns:
        JSON-able values; None if no row of the customer is among `rows`.

    Raises:
        RowError: A row is damaged or of another format version.
    """
    state = State(LedgerSettings(), partitions)
    intake = Intake(state, {})
    intake.take(rows)
    intake.settle_for_a_look()
    return describe(state, customer, standings.thresholds(state))


def describe(state: State, customer: bytes, cuts: Thresholds | None) -> dict[str, object] | None:
    """Describe a customer in JSON-able values.

    Args:
        state: State of the partition.
        customer: Customer id.
        cuts: Thresholds for `label`, `scores` and `reasons`; None while the partition ranks nobody. `segment`
            does not use them: it is the segment reported last.

    Returns:
        The description; None for an unknown customer.
    """
    row = state.rows.get(customer)
    if row is None:
        return None
    record: Any = state.customers[row]
    segment = int(record["segment"])
    baskets = int(record["baskets"])
    cells = state.cells.run(row)
    habits = _habits(state, row, cells)
    # Lists are sorted by content, because the order of cells depends on the order of purchases.
    return {
        "customer_id": customer.decode(errors="replace"),
        "baskets": baskets,
        "purchase_days": int(state.standing(np.array([row])).frequency[0]),
        "spend": int(record["spend"]) / 10_000,
        "currency": state.settings.currency,
        "first_purchase": _instant(int(record["first_purchase"])) if baskets else None,
        "last_purchase": _instant(int(record["last_purchase"])) if baskets else None,
        "usual_store": state.store_names.name(int(usual_stores(state.customers[[row]])[0])) or None,
        "last_channel": state.channel_names.name(int(record["channel"])) or None,
        "held_out": held_out(customer, state.settings.holdout_share, state.settings.holdout_salt),
        "segment": None if segment == NO_SEGMENT else SEGMENTS[segment],
        "new": bool(baskets) and bool(tenure_of(state, np.array([row]))[0] != Tenure.SETTLED),
        **_ranked(state, row, cuts),
        "cluster": describe_cluster(state, row),
        **_foreseen(state, row),
        "late": int(record["late"]),
        "duplicates": int(record["duplicates"]),
        "open_days": [date_text(day) for day in sorted(record["open_day"].tolist()) if day != NEVER],
        "source_offset": int(record["offset"]),
        "habits": sorted(habits, key=lambda habit: str(habit["category"])),
        "open_alerts": sorted(
            (_alert(state, customer, cell) for cell in cells[cells["alert"] == Cycle.RAISED]),
            key=lambda alert: (str(alert["best_date"]), str(alert["category"])),
        ),
        "open_list": _list(state, customer, record) if record["list_day"] != NEVER else None,
        "as_of": _as_of(state),
    }


def _as_of(state: State) -> dict[str, object]:
    """Describe how far time has advanced in the partition."""
    clock = state.clock
    return {
        "watermark": None if clock.watermark is None else _instant(clock.watermark),
        "closed_day": date_text(clock.finished) if clock.finished else None,
        "closing_day": date_text(clock.begun) if clock.sweeping else None,
        "time_zone": state.settings.time_zone,
        "clock": "wall" if clock.wall else "log",
        "live_at": None if clock.live_at is None else _instant(clock.live_at),
        "history": clock.history(state.settings.lateness_minutes * MINUTE),
    }


def _ranked(state: State, row: int, cuts: Thresholds | None) -> dict[str, object]:
    """Return the exact RFM label, scores and reasons by given thresholds; none before the first purchase."""
    standing = state.standing(np.array([row]))
    if cuts is None or not standing.frequency[0]:
        return {"label": None, "scores": None, "reasons": []}
    scores = cuts.scores(standing)
    recency, frequency, monetary = (int(score[0]) for score in scores)
    days, spend = int(standing.frequency[0]), int(standing.spend[0]) / 10_000
    quiet = (state.clock.watermark or 0) - int(standing.last_purchase[0])
    ranked = recency, frequency, monetary
    labelled = SEGMENTS[int(label(*scores)[0])]
    return {
        "label": labelled,
        "scores": {"recency": recency, "frequency": frequency, "monetary": monetary},
        "reasons": reasons(ranked, quiet, days, spend, state.settings.currency),
    }


def _foreseen(state: State, row: int) -> dict[str, object]:
    """Return what to expect of a customer within 90 days of the last boundary; None where little is known."""
    foreseen = foresee(state, np.array([row]))
    active, spend = float(foreseen.active[0]), float(foreseen.spend[0])
    return {
        "active_90_days": None if isnan(active) else round(active, 4),
        "expected_spend_90_days": None if isnan(spend) else round(spend, 2),
    }


def _habits(state: State, row: int, cells: NDArray[Any]) -> list[dict[str, object]]:
    """Describe the habit of each category. With too few purchases, dates and probabilities are None."""
    if not len(cells):
        return []
    # Stage 1: (c, horizons) probabilities of a purchase of each cell, as of the last boundary.
    settings, today = state.settings, state.clock.begun
    prior, statistics = state.priors.of(cells["category"]), statistics_of(cells)
    elapsed = np.maximum(today - cells["last_day"].astype(np.int64), 0)
    chances = np.stack(
        [purchase_probability(statistics, prior, elapsed, ahead) for ahead in HORIZONS], axis=1
    )
    open_now = _bought_on_open_days(state, row)
    coming = alerts.expected(state, cells)
    # Stage 2: one description per cell. Dates and probabilities of a cell below the minimum are withheld.
    told = []
    for cell, chance, expected, low, high in zip(
        cells, np.round(chances, 4).tolist(), *(days.tolist() for days in coming), strict=True
    ):
        known = int(cell["purchases"]) >= settings.alert_minimum_purchases
        cycle = Cycle(int(cell["alert"]))
        planned = int(cell["best_day"]) != NEVER
        intervals = int(cell["purchases"]) - 1
        told.append(
            {
                "category": state.category_names.name(int(cell["category"])),
                "purchases": int(cell["purchases"]),
                "last_purchase": date_text(int(cell["last_day"])),
                "last_interval_days": int(cell["last_interval"]),
                "typical_interval_days": round(float(np.exp(cell["mean_log"] / LOG_STEPS)), 1)
                if intervals
                else None,
                "usual_quantity": round(float(cell["quantity"]), 3),
                "change": _change(cell),
                "enough_known": known,
                "alert": cycle.name.lower(),
                "best_date": date_text(int(cell["best_day"])) if planned else None,
                "expected_date": date_text(expected) if known else None,
                "interval_low": date_text(low) if known else None,
                "interval_high": date_text(high) if known else None,
                **{
                    f"probability_{ahead}_days": value if known else None
                    for ahead, value in zip(HORIZONS, chance, strict=True)
                },
                "bought_on_open_day": int(cell["category"]) in open_now,
            }
        )
    return told


def changed(cells: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (k,) True for habits that have changed, by `TOLD_CHANGE` or more."""
    apart = np.abs(cells["log_since"].astype(np.int64) - cells["log_before"])
    told: NDArray[np.bool_] = (cells["changed_day"] != NEVER) & (apart >= log(TOLD_CHANGE) * LOG_STEPS)
    return told


def _change(cell: Any) -> dict[str, object] | None:
    """Describe how a habit has changed; None for one that has not."""
    if not changed(np.array([cell]))[0]:
        return None
    day = date_text(int(cell["changed_day"]))
    then, now = (round(exp(float(cell[name]) / LOG_STEPS), 1) for name in ("log_before", "log_since"))
    return {
        "text": f"every {then:g} days until about {day}, every {now:g} since",
        "since": day,
        "days_before": then,
        "days_since": now,
    }


def _bought_on_open_days(state: State, row: int) -> set[int]:
    """Return the categories bought on open days, which habits do not include yet."""
    rows = np.array([row])
    days = [day for day in state.customers["open_day"][row].tolist() if day != NEVER]
    return {category for day in days for category in bought_on(state, rows, day).categories.tolist()}


def _alert(state: State, customer: bytes, cell: Any) -> dict[str, object]:
    """Describe an alert that was raised and is not closed."""
    category, raised = state.category_names.name(int(cell["category"])), int(cell["raised_day"])
    raised_at = state.calendar.boundary(raised)
    return {
        "alert_id": alert_id(customer, category, boundary_cause(raised)),
        "category": category,
        "raised_at": _instant(raised_at),
        "best_date": date_text(int(cell["best_day"])),
        "interval_low": date_text(int(cell["low_day"])),
        "interval_high": date_text(int(cell["high_day"])),
        "hit_probability": int(cell["chance"]) / 10_000,
        "valid_until": _instant(
            state.calendar.boundary(int(cell["best_day"]) + state.settings.alert_grace_days)
        ),
        "sent": not state.clock.is_history(raised_at),
    }


def _list(state: State, customer: bytes, record: Any) -> dict[str, object]:
    """Describe a replenishment list that was raised and is not closed."""
    day = int(record["list_day"])
    raised_at = state.calendar.boundary(day)
    return {
        "list_id": list_id(customer, day),
        "raised_at": _instant(raised_at),
        "shopping_day": date_text(day + 1),
        "categories": [state.category_names.name(number) for number in record["listed"].tolist() if number],
        "valid_until": _instant(state.calendar.boundary(day + LIST_DAYS)),
        "sent": not state.clock.is_history(raised_at),
    }


def _instant(milliseconds: int) -> str:
    return instant_of(milliseconds).isoformat()
