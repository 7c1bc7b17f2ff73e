"""Columns of all customers of a partition: what `profile` tells of one, computed for all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from models.alerts import lifecycle as alerts
from models.clusters.features import named
from models.clusters.names import portraits_of
from models.contracts.events import REPLENISHMENT_ALERT_TYPE, event_ids
from models.learning.intervals import LOG_STEPS, purchase_probability
from models.learning.rfm import SEGMENTS, label
from models.ledger.intake import Intake
from models.ledger.profile import HORIZONS, changed
from models.memory.dictionary import UNTRACKED
from models.segments.settling import Tenure, tenure_of
from models.settings import LedgerSettings
from models.state.calendar import boundary_cause
from models.state.columns import NEVER, NO_CLUSTER, NO_SEGMENT, Cycle
from models.state.habits import statistics_of
from models.state.holdout import held_out
from models.state.open_days import bought_on
from models.state.state import State
from models.state.visits import usual_stores
from models.value.foresight import foresee

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from models.memory.dictionary import Dictionary

    Rows = NDArray[np.int64]

_CYCLES = tuple(cycle.name.lower() for cycle in Cycle)


class Values(NamedTuple):
    """The n values of one column.

    Days are numbers as `models.state.calendar` counts them, instants ms since 1970 UTC, money 1/10,000.
    """

    values: NDArray[Any]
    """(n,) values; of a text, places in `texts`."""
    known: NDArray[np.bool_] | None = None
    """(n,) True where there is a value; None where all are known."""
    texts: Sequence[str] = ()


class Tables(NamedTuple):
    """The columns of one partition, by name, as `models.ledger.snapshot_columns` describes them."""

    customers: dict[str, Values]
    habits: dict[str, Values]


def tables_of(
    rows: Iterable[tuple[bytes, bytes]], *, partition: int = 0, partitions: int = 1
) -> Tables | None:
    """Decode a whole changelog into columns.

    Args:
        rows: The greatest row of each key, in any order.
        partition: The partition's number.
        partitions: Partitions of the log.

    Returns:
        The tables; None where there is no state yet.

    Raises:
        RowError: A row is damaged or of another format version, or rows are missing.
        LedgerConflictError: The rows belong to another partition count.
    """
    state = State(LedgerSettings(), partitions)
    intake = Intake(state, {})
    intake.take(rows)
    intake.settle()
    if state.clock.offset < 0:
        return None
    order = np.array(sorted(range(len(state.ids)), key=state.ids.__getitem__), np.int64)
    ids = [state.ids[row].decode(errors="replace") for row in order.tolist()]
    return Tables(_customers(state, order, ids, partition), _habits(state, order, ids, partition))


def _customers(state: State, rows: Rows, ids: list[str], partition: int) -> dict[str, Values]:
    """Fill the table of customers.

    Args:
        state: The settled state.
        rows: (n,) customers, in the table's order.
        ids: Their n ids.
        partition: The partition's number.
    """
    settings, count = state.settings, len(rows)
    records = state.customers[rows]
    bought, standing = records["baskets"] > 0, state.standing(rows)
    # (m,) the customer of each habit; a raised one is an open alert
    owners, cells = state.cells.gather(rows)
    raised = np.bincount(owners[cells["alert"] == Cycle.RAISED], minlength=count)
    out = [held_out(state.ids[row], settings.holdout_share, settings.holdout_salt) for row in rows.tolist()]
    first, last = records["first_purchase"], records["last_purchase"]
    watermark = state.clock.watermark
    return {
        "customer_id": Values(np.arange(count), None, ids),
        "partition": _same(partition, count),
        "baskets": Values(records["baskets"]),
        "purchase_days": Values(standing.frequency),
        "spend": Values(records["spend"]),
        "currency": Values(np.zeros(count, np.int64), None, (settings.currency,)),
        "first_purchase": Values(first, bought),
        "last_purchase": Values(last, bought),
        "first_purchase_day": Values(state.calendar.days(first), bought),
        "last_purchase_day": Values(state.calendar.days(last), bought),
        "usual_store": _names(state.store_names, usual_stores(records)),
        "last_channel": _names(state.channel_names, records["channel"]),
        "segment": Values(records["segment"], records["segment"] != NO_SEGMENT, SEGMENTS),
        "new": Values(bought & (tenure_of(state, rows) != Tenure.SETTLED)),
        **_ranks(state, rows),
        **_shopping(state, rows),
        "open_alerts": Values(raised),
        "held_out": Values(np.array(out, np.bool_)),
        "late": Values(records["late"]),
        "duplicates": Values(records["duplicates"]),
        "open_days": Values((records["open_day"] != NEVER).sum(axis=1)),
        "source_offset": Values(records["offset"]),
        "closed_day": _closed_day(state, count),
        "watermark": Values(
            np.full(count, watermark or 0, np.int64), np.full(count, watermark is not None, np.bool_)
        ),
    }


def _names(names: Dictionary, numbers: Rows) -> Values:
    """Look up (n,) names by their numbers; `UNTRACKED` has none."""
    each, places = np.unique(numbers, return_inverse=True)
    return Values(places, numbers != UNTRACKED, names.names(each.tolist()))


def _ranks(state: State, rows: Rows) -> dict[str, Values]:
    """Rank (n,) customers by exact RFM among all of the partition; nobody is ranked while there are few."""
    standing = state.standing(rows)
    cuts = state.histograms.thresholds(state.settings.segment_minimum_population)
    if not state.clock.begun or cuts is None:
        nothing = Values(np.zeros(len(rows), np.int8), np.zeros(len(rows), np.bool_))
        return {"label": nothing._replace(texts=SEGMENTS)} | dict.fromkeys(
            ("recency", "frequency", "monetary"), nothing
        )
    ranked = standing.frequency > 0
    scores = cuts.scores(standing)
    return {"label": Values(label(*scores), ranked, SEGMENTS)} | {
        name: Values(score, ranked)
        for name, score in zip(("recency", "frequency", "monetary"), scores, strict=True)
    }


def _shopping(state: State, rows: Rows) -> dict[str, Values]:
    """Tell how (n,) customers shop, and what to expect of them."""
    clusters, foreseen = state.customers["cluster"][rows].astype(np.int64), foresee(state, rows)
    held = (clusters != NO_CLUSTER) & (state.clusters is not None)
    names = (
        []
        if state.clusters is None
        else [each.name for each in portraits_of(state.clusters, named(state.settings))]
    )
    active, spend = foreseen.active, foreseen.spend
    return {
        "cluster": Values(clusters + 1, held),
        "cluster_name": Values(np.where(held, clusters, 0), held, names or [""]),
        "active_90_days": Values(np.round(np.nan_to_num(active), 4), ~np.isnan(active)),
        "expected_spend_90_days": Values(np.round(np.nan_to_num(spend), 2), ~np.isnan(spend)),
    }


def _habits(state: State, rows: Rows, ids: list[str], partition: int) -> dict[str, Values]:
    """Fill the table of habits.

    Args:
        state: The settled state.
        rows: (n,) customers, in the table's order.
        ids: Their n ids.
        partition: The partition's number.
    """
    # (m,) place among `rows` of each habit's customer, and (m,) habits, both in the table's order
    owners, cells = state.cells.gather(rows)
    categories, places = np.unique(cells["category"], return_inverse=True)
    names = state.category_names.names(categories.tolist())
    by_name = np.argsort(np.argsort(np.array(names, object)))
    order = np.lexsort((by_name[places], owners)) if len(owners) else np.zeros(0, np.int64)
    owners, cells, places = owners[order], cells[order], places[order]
    known = cells["purchases"] >= state.settings.alert_minimum_purchases
    intervals = cells["purchases"].astype(np.int64) - 1
    several, another = intervals > 0, changed(cells)
    typical = np.exp(cells["mean_log"] / LOG_STEPS)
    expected = alerts.expected(state, cells)
    return {
        "customer_id": Values(owners, None, ids),
        "partition": _same(partition, len(owners)),
        "category": Values(places, None, names),
        "purchases": Values(cells["purchases"]),
        "first_purchase_day": Values(cells["first_day"]),
        "last_purchase_day": Values(cells["last_day"]),
        "last_interval_days": Values(cells["last_interval"], several),
        "typical_interval_days": Values(np.round(typical, 1), several),
        "usual_quantity": Values(np.round(cells["quantity"].astype(np.float64), 3)),
        "recent_trips": Values(np.round(cells["count"] / 1024, 3)),
        "changed_since": Values(cells["changed_day"], another),
        "interval_before_days": Values(np.round(np.exp(cells["log_before"] / LOG_STEPS), 1), another),
        "interval_since_days": Values(np.round(np.exp(cells["log_since"] / LOG_STEPS), 1), another),
        "enough_known": Values(known),
        "best_date": Values(cells["best_day"], cells["best_day"] != NEVER),
        "expected_date": Values(expected.date, known),
        "interval_low": Values(expected.low, known),
        "interval_high": Values(expected.high, known),
        **_chances(state, cells, known),
        "bought_on_open_day": Values(_bought_on_open_days(state, rows, owners, cells)),
        "alert": Values(cells["alert"], None, _CYCLES),
        **_alerts(state, rows[owners], cells),
        "closed_day": _closed_day(state, len(owners)),
    }


def _chances(state: State, cells: NDArray[Any], known: NDArray[np.bool_]) -> dict[str, Values]:
    """Compute, per habit, the chance of a purchase within each of `HORIZONS` days after the last boundary.

    Args:
        state: State of the partition; its boundary begun last is the day from which the days count.
        cells: (m,) cells of the habits.
        known: (m,) True where a habit has a chance to show.
    """
    prior, statistics = state.priors.of(cells["category"]), statistics_of(cells)
    elapsed = np.maximum(state.clock.begun - cells["last_day"].astype(np.int64), 0)
    return {
        f"probability_{ahead}_days": Values(
            np.round(purchase_probability(statistics, prior, elapsed, ahead), 4), known
        )
        for ahead in HORIZONS
    }


def _bought_on_open_days(state: State, rows: Rows, owners: Rows, cells: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell of (m,) habits which were bought on a day that is not closed, of which they do not know yet."""
    found = [np.zeros(0, np.int64)]
    for day in np.unique(state.customers["open_day"][rows]).tolist():
        if day != NEVER:
            bought = bought_on(state, rows, day)
            found.append(bought.owners << 16 | bought.categories)
    return np.isin(owners << 16 | cells["category"], np.concatenate(found))


def _alerts(state: State, customers: Rows, cells: NDArray[Any]) -> dict[str, Values]:
    """Tell of the open alert of (m,) habits, where there is one.

    Args:
        state: The settled state.
        customers: (m,) rows of their customers.
        cells: (m,) habits.
    """
    raised = cells["alert"] == Cycle.RAISED
    # (k,) the open alerts alone: ids are hashes, one by one
    at = np.flatnonzero(raised)
    ids = event_ids(
        REPLENISHMENT_ALERT_TYPE,
        [state.ids[row] for row in customers[at].tolist()],
        state.category_names.names(cells["category"][at].tolist()),
        map(boundary_cause, cells["raised_day"][at].tolist()),
        "raised",
    )
    begun = _boundaries(state, cells["raised_day"].astype(np.int64), raised)
    last = cells["best_day"].astype(np.int64) + state.settings.alert_grace_days
    live, places = state.clock, np.zeros(len(cells), np.int64)
    places[at] = np.arange(len(at))
    sent = np.zeros(len(cells), np.bool_)
    sent[at] = [not live.is_history(moment) for moment in begun[at].tolist()]
    return {
        "alert_id": Values(places, raised, ids),
        "hit_probability": Values(cells["chance"] / 10_000, raised),
        "raised_at": Values(begun, raised),
        "valid_until": Values(_boundaries(state, last, raised), raised),
        "sent": Values(sent, raised),
    }


def _boundaries(state: State, days: Rows, wanted: NDArray[np.bool_]) -> Rows:
    """Look up the instants at which (m,) days close, ms since 1970 UTC; 0 where none is wanted."""
    found = np.zeros(len(days), np.int64)
    every, places = np.unique(days[wanted], return_inverse=True)
    found[wanted] = np.array([state.calendar.boundary(day) for day in every.tolist()], np.int64)[places]
    return found


def _closed_day(state: State, count: int) -> Values:
    closed = state.clock.finished
    return Values(np.full(count, closed, np.int64), np.full(count, bool(closed), np.bool_))


def _same(number: int, count: int) -> Values:
    return Values(np.full(count, number, np.int64))
