"""Reported segment: what a customer's ranks say at a boundary, if they say it with a margin.

A label is the exact RFM segment at one moment. Labels follow recency: where most customers shop every week,
the best fifth by recency is only hours wide, and labels rise and fall with every trip. The reported segment
ranks by smoothed recency (`models.segments.recency`), so that its fifths are fifths of customers and not of
days of the week. It changes at a boundary, once the customer's ranks are further than a margin from all those
that would give the segment reported so far. Customers with too little history for a rank are reported as
`New Customers` (`models.segments.settling`).
"""

from __future__ import annotations

from itertools import product
from math import isnan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.clusters.changes import clusters_of
from models.contracts.encoding import SEGMENT_CHANGE, as_json, block_of
from models.contracts.events import event_ids
from models.contracts.timestamps import time_text
from models.learning.fifths import AT, LESS, MORE
from models.learning.rfm import DAY_MS, SEGMENTS, label
from models.segments.recency import SCALE, smoothed
from models.segments.settling import NEW, Tenure, reportable, tenure_of
from models.state.calendar import boundary_cause
from models.state.columns import NO_SEGMENT
from models.value.foresight import foresee

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.records.columns import Records
    from models.state.state import State
    from models.state.step import Step

MODEL_VERSION = "rfm-3"
"""Version of the model, which changes with every definition of the segments."""
_NEARBY = np.array([ranks for ranks in product((LESS, AT, MORE), repeat=3) if ranks != (AT, AT, AT)]).T
"""(3, 26) rows of scores by which ranks are within the margin: of recency, frequency and spend."""
_FIFTHS = ("lowest", "second lowest", "middle", "second highest", "highest")


def introduce(step: Step, records: Records, which: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
    """Give customers with their first purchase a first segment, by the limits frozen last.

    Args:
        step: Step being computed.
        records: Run of records.
        which: (k,) indexes of applied purchases.
        rows: (k,) rows of their customers, each once.
    """
    state = step.state
    fresh = np.flatnonzero(state.customers["segment"][rows] == NO_SEGMENT)
    targets = _targets(state, rows[fresh])
    changed = np.flatnonzero(targets.segments != NO_SEGMENT)
    if len(changed):
        records_of = which[fresh[changed]].tolist()
        _change(
            step,
            rows[fresh[changed]],
            targets.of(changed),
            causes=[records.event_ids[index] for index in records_of],
            times=records.occurred_at[records_of].tolist(),
            valid_until=state.calendar.boundary(state.clock.begun + 1),
        )


def moving(state: State) -> NDArray[np.bool_]:
    """Return (customers,) True for each customer whose segment changes at the boundary begun last.

    One scan of the columns finds the customers to touch. All other customers stay as they are.
    """
    rows = np.arange(len(state.ids))
    changed: NDArray[np.bool_] = _targets(state, rows).segments != state.customers["segment"][rows]
    return changed


def reconsider(step: Step, rows: NDArray[np.int64], boundary: int) -> None:
    """Let segments change at a boundary, and give customers without a segment their first one.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers whose closed days are folded.
        boundary: Boundary (day).
    """
    state = step.state
    targets = _targets(state, rows)
    changed = np.flatnonzero(targets.segments != state.customers["segment"][rows])
    if len(changed):
        _change(
            step,
            rows[changed],
            targets.of(changed),
            causes=[boundary_cause(boundary)] * len(changed),
            times=[state.calendar.boundary(boundary)] * len(changed),
            valid_until=state.calendar.boundary(boundary + 1),
        )


class _Ranked(NamedTuple):
    """Customers with the segments that are to be reported of them."""

    segments: NDArray[np.int8]
    """(k,) indexes into `SEGMENTS`, or `NO_SEGMENT`."""
    scores: NDArray[np.int8]
    """(3, k) scores by smoothed recency, frequency and spend."""
    recency: NDArray[np.int64]
    """(k,) smoothed recency."""
    unranked: NDArray[np.bool_]
    """(k,) True where the segment rests on no score."""

    def of(self, which: NDArray[np.int64]) -> _Ranked:
        """Return some of the customers."""
        return _Ranked(self.segments[which], self.scores[:, which], self.recency[which], self.unranked[which])


def _targets(state: State, rows: NDArray[np.int64]) -> _Ranked:
    """Find the segment of each customer after the boundary begun last.

    Args:
        state: State of the partition.
        rows: (k,) rows of customers.
    """
    segments, limits = state.customers["segment"][rows], state.limits
    if limits is None or not len(rows):
        nobody = np.zeros((3, len(rows)), np.int8)
        return _Ranked(segments, nobody, np.zeros(len(rows), np.int64), np.zeros(len(rows), np.bool_))
    # Stage 1: (3, 3, k) scores by measure, for ranks less, as they are and more, and what the ranks as they
    # are give.
    standing, recency = state.standing(rows), smoothed(state, rows, state.clock.begun)
    scores = limits.scores(recency, standing.frequency, standing.spend)
    here = scores[:, AT]
    labels, tenure = label(*here), tenure_of(state, rows)
    targets = reportable(labels, standing.frequency, tenure)
    unranked = (targets != labels) & (targets == NEW)
    # Stage 2: keep the segment of the (d,) others that some ranks within the margin give as well, and that
    # of customers who are too young to fall.
    other = np.flatnonzero((targets != segments) & (segments != NO_SEGMENT))
    keep = (tenure[other] == Tenure.YOUNG) & (targets[other] > segments[other])
    # (26, d) segments by all ranks within the margin.
    near = label(*(score[:, other][ranks] for score, ranks in zip(scores, _NEARBY, strict=True)))
    near = reportable(near, standing.frequency[other], tenure[other])
    keep |= (near == segments[other]).any(axis=0)
    targets[other[keep]] = segments[other[keep]]
    return _Ranked(np.where(standing.frequency > 0, targets, segments), here, recency, unranked)


def _change(
    step: Step,
    rows: NDArray[np.int64],
    ranked: _Ranked,
    *,
    causes: list[str],
    times: list[int],
    valid_until: int,
) -> None:
    """Give k customers another segment and emit the changes.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers.
        ranked: Their new segments.
        causes: k causes, each the id of a record or the name of a boundary.
        times: k event times, ms since 1970 UTC.
        valid_until: End of validity of all changes, ms since 1970 UTC.
    """
    # Stage 1: store the new segments and keep the (k,) old ones for the events.
    state = step.state
    before = state.customers["segment"][rows].tolist()
    state.customers["segment"][rows] = ranked.segments
    step.counts["segment_changes"] += len(rows)
    # Stage 2: k values per field of the events.
    standing, currency = state.standing(rows), state.settings.currency
    customers = [state.ids[row] for row in rows.tolist()]
    identities = event_ids(SEGMENT_CHANGE.type_, customers, [""] * len(customers), causes, "")
    until, values = time_text(valid_until), list[bytes]()
    foreseen = foresee(state, rows)
    shown = zip(
        clusters_of(state, rows),
        foreseen.active.round(4).tolist(),
        foreseen.spend.round(2).tolist(),
        strict=True,
    )
    for customer, old, new, now, average, unranked, last, days, money, cause, at, more in zip(
        customers,
        before,
        ranked.segments.tolist(),
        ranked.scores.T.tolist(),
        (ranked.recency / SCALE).tolist(),
        ranked.unranked.tolist(),
        standing.last_purchase.tolist(),
        standing.frequency.tolist(),
        standing.spend.tolist(),
        causes,
        times,
        shown,
        strict=True,
    ):
        spend, segment = money / 10_000, SEGMENTS[new]
        recency, frequency, monetary = now
        cluster, active, expected = more
        value = {
            "customer_id": customer.decode(),
            "from": None if old == NO_SEGMENT else SEGMENTS[old],
            "to": segment,
            "reasons": reasons(now, at - last, days, spend, currency, average=average, unranked=unranked),
            "scores": {"recency": recency, "frequency": frequency, "monetary": monetary},
            "evidence": {"last_purchase": time_text(last), "purchase_days": days, "spend": spend},
            "cluster": cluster,
            "active_90_days": None if isnan(active) else active,
            "expected_spend_90_days": None if isnan(expected) else expected,
            "valid_until": until,
            "cause": cause,
            "occurred_at": time_text(at),
            "model_version": MODEL_VERSION,
        }
        values.append(as_json(value))
    # Stage 3: hand the events to the step, which holds back history and redirects hold-out customers.
    source = state.settings.event_source
    step.emit(block_of(SEGMENT_CHANGE, customers, identities, values, times=times, source=source))


def reasons(
    scores: Sequence[int],
    quiet_ms: int,
    days: int,
    spend: float,
    currency: str,
    *,
    average: float | None = None,
    unranked: bool = False,
) -> list[dict[str, object]]:
    """Explain a customer's segment in the words of the contract.

    Args:
        scores: Fifths by recency, frequency and monetary value, 5 the best.
        quiet_ms: Time since the last purchase, ms.
        days: Purchase days.
        spend: Spend in the currency.
        currency: ISO 4217 code.
        average: Smoothed recency in days; None where recency is that of the moment.
        unranked: True if the segment rests on no fifth.
    """
    quiet = round(max(quiet_ms, 0) / DAY_MS, 1)
    lately = "" if average is None else f", {_count(round(average, 1), 'day')} on average of late"
    facts = (
        ("recency", f"Last bought {_count(quiet, 'day')} ago{lately}", quiet, "days"),
        ("frequency", f"Bought on {_count(days, 'day')}", float(days), "purchase days"),
        ("monetary", f"Spent {spend:.2f} {currency}", spend, currency),
    )
    return [
        {
            "text": f"{fact}: {_rank_in_words(measure, score, unranked=unranked)}",
            "measure": measure,
            "value": value,
            "score": score,
            "unit": unit,
        }
        for (measure, fact, value, unit), score in zip(facts, scores, strict=True)
    ]


def _rank_in_words(measure: str, score: int, *, unranked: bool) -> str:
    return "too little history to rank" if unranked else f"the {_FIFTHS[score - 1]} fifth by {measure}"


def _count(number: float, noun: str) -> str:
    return f"{number:g} {noun}" if number == 1 else f"{number:g} {noun}s"
