"""Reported segment: it rises at a purchase, and falls when the boundaries of a fortnight agree.

A label is the exact RFM segment at one moment. Labels follow recency. Where most customers shop every week,
the best fifth by recency is only hours wide, and labels rise and fall with every trip. The reported segment
therefore rises at once and falls late (`segment_patience`). Customers with too little history for a rank are
reported as `New Customers` (`models.segments.settling`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.contracts.encoding import SEGMENT_CHANGE, as_json, block_of
from models.contracts.events import event_ids
from models.contracts.timestamps import time_text
from models.learning.rfm import DAY_MS, SEGMENTS, RfmScores, label, scores_by_all
from models.segments.settling import is_new, reportable
from models.state.calendar import boundary_cause
from models.state.columns import NO_SEGMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.learning.rfm import Thresholds
    from models.records.columns import Records
    from models.state.state import State
    from models.state.step import Step

MODEL_VERSION = "rfm-2"
"""Version of the model, which changes with every definition of the segments."""
UNRANKED = 0
"""Value in place of a score for a segment that rests on no score, because the customer has too little
history."""
_RANKED_AT_ONCE = 4_096
"""Customers ranked by all boundaries together, so that the comparisons fit the processor's cache."""
_FIFTHS = ("lowest", "second lowest", "middle", "second highest", "highest")


def promote(step: Step, records: Records, which: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
    """Move customers up whose purchase earns a better label by the thresholds frozen last.

    Args:
        step: Step being computed.
        records: Run of records.
        which: (k,) indexes of applied purchases.
        rows: (k,) rows of their customers, each once.
    """
    state = step.state
    # Stage 1: (k,) segments by the frozen thresholds. Before the first ranking there are none.
    frozen = state.thresholds[-1] if state.thresholds else None
    if frozen is None or not len(rows):
        return
    standing = state.standing(rows)
    labels, scores, grounds = _rank(standing, frozen, is_new(state, rows))
    segments = state.customers["segment"][rows]
    # Stage 2: (k,) customers whose segment is better than the reported one, or who had none.
    better = ((segments == NO_SEGMENT) | (labels < segments)) & (standing.frequency > 0)
    changed = np.flatnonzero(better)
    if len(changed):
        records_of = which[changed].tolist()
        _change(
            step,
            rows[changed],
            labels[changed],
            scores[changed],
            grounds[changed],
            causes=[records.event_ids[index] for index in records_of],
            times=records.occurred_at[which[changed]].tolist(),
            valid_until=state.calendar.boundary(state.clock.begun + state.settings.segment_patience),
        )


def falling(state: State) -> NDArray[np.bool_]:
    """Return (customers,) True for each customer whose segment changes at the boundary begun last.

    One scan of the columns finds the customers to touch. All other customers stay as they are.
    """
    rows = np.arange(len(state.ids))
    changed: NDArray[np.bool_] = _targets(state, rows).segments != state.customers["segment"][rows]
    return changed


def reconsider(step: Step, rows: NDArray[np.int64], boundary: int) -> None:
    """Let segments fall at a boundary, and give customers without a segment their first one.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers whose closed days are folded.
        boundary: Boundary (day).
    """
    state = step.state
    targets, scores, grounds = _targets(state, rows)
    changed = np.flatnonzero(targets != state.customers["segment"][rows])
    if len(changed):
        _change(
            step,
            rows[changed],
            targets[changed],
            scores[changed],
            grounds[changed],
            causes=[boundary_cause(boundary)] * len(changed),
            times=[state.calendar.boundary(boundary)] * len(changed),
            valid_until=state.calendar.boundary(boundary + 1),
        )


class _Ranked(NamedTuple):
    """Customers with the segments that may be reported of them."""

    segments: NDArray[np.int8]
    """(k,) indexes into `SEGMENTS`, or `NO_SEGMENT`."""
    scores: NDArray[np.int8]
    """(k, 3) scores by the newest thresholds."""
    grounds: NDArray[np.int8]
    """(k, 3) scores that explain the segment: by an older boundary's thresholds if `segment_patience` held up
    the fall; 0 if the segment rests on no score."""


def _rank(standing: RfmScores, frozen: Thresholds, new: NDArray[np.bool_]) -> _Ranked:
    """Rank customers at their present recency, frequency and spend, by frozen thresholds."""
    scores = np.stack(frozen.scores(standing), axis=1)
    labels = label(*scores.T)
    segments = reportable(labels, standing.frequency, new)
    return _Ranked(segments, scores, np.where((new & (segments != labels))[:, None], UNRANKED, scores))


def _targets(state: State, rows: NDArray[np.int64]) -> _Ranked:
    """Find the segment of each customer after the boundary begun last.

    Args:
        state: State of the partition.
        rows: (k,) rows of customers.
    """
    segments = state.customers["segment"][rows]
    newest = state.thresholds[-1] if state.thresholds else None
    if newest is None or not len(rows):
        nothing = np.full((len(rows), 3), UNRANKED, np.int8)
        return _Ranked(segments, nothing, nothing)
    # Stage 1: (k,) segments by the newest thresholds. A customer without a segment takes this one.
    standing, new = state.standing(rows), is_new(state, rows)
    labels, scores, grounds = _rank(standing, newest, new)
    targets = np.where(segments == NO_SEGMENT, labels, segments)
    # Stage 2: let segments fall once `segment_patience` boundaries have ranked. A segment falls to the best
    # of all their labels. New customers never fall.
    known = tuple(frozen for frozen in reversed(state.thresholds) if frozen is not None)
    if len(known) == state.settings.segment_patience:
        worse = np.flatnonzero((segments != NO_SEGMENT) & (labels > segments) & ~new)
        for first in range(0, len(worse), _RANKED_AT_ONCE):
            some = worse[first : first + _RANKED_AT_ONCE]
            best, why = _best_of(known, RfmScores(*(measure[some] for measure in standing)))
            falls = best > segments[some]
            targets[some[falls]] = best[falls]
            grounds[some[falls]] = why[falls]
    return _Ranked(np.where(standing.frequency > 0, targets, segments), scores, grounds)


def _best_of(known: tuple[Thresholds, ...], standing: RfmScores) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Find the best segment of settled customers by several boundaries' thresholds.

    Args:
        known: t thresholds, the newest first.
        standing: Recency, frequency and spend of w customers.

    Returns:
        (w,) best segment of each, and the (w, 3) scores by the newest thresholds that give it.
    """
    scores = scores_by_all(known, standing)
    segments = reportable(label(*scores), standing.frequency, np.zeros(len(standing.spend), np.bool_))
    newest = segments.argmin(axis=0)
    everyone = np.arange(len(newest))
    return segments[newest, everyone], np.stack([measure[newest, everyone] for measure in scores], axis=1)


def _change(
    step: Step,
    rows: NDArray[np.int64],
    targets: NDArray[np.int8],
    scores: NDArray[np.int8],
    grounds: NDArray[np.int8],
    *,
    causes: list[str],
    times: list[int],
    valid_until: int,
) -> None:
    """Give k customers another segment and emit the changes.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers.
        targets: (k,) new segments.
        scores: (k, 3) present scores.
        grounds: (k, 3) scores that the new segments rest on.
        causes: k causes, each the id of a record or the name of a boundary.
        times: k event times, ms since 1970 UTC.
        valid_until: End of validity of all changes, ms since 1970 UTC.
    """
    # Stage 1: store the new segments and keep the (k,) old ones for the events.
    state = step.state
    before = state.customers["segment"][rows].tolist()
    state.customers["segment"][rows] = targets
    step.counts["segment_changes"] += len(rows)
    # Stage 2: k values per field of the events.
    standing, currency = state.standing(rows), state.settings.currency
    customers = [state.ids[row] for row in rows.tolist()]
    identities = event_ids(SEGMENT_CHANGE.type_, customers, [""] * len(customers), causes, "")
    until, values = time_text(valid_until), list[bytes]()
    for customer, old, new, now, then, last, days, money, cause, at in zip(
        customers,
        before,
        targets.tolist(),
        scores.tolist(),
        grounds.tolist(),
        standing.last_purchase.tolist(),
        standing.frequency.tolist(),
        standing.spend.tolist(),
        causes,
        times,
        strict=True,
    ):
        spend, segment = money / 10_000, SEGMENTS[new]
        recency, frequency, monetary = now
        value = {
            "customer_id": customer.decode(),
            "from": None if old == NO_SEGMENT else SEGMENTS[old],
            "to": segment,
            "reasons": reasons(now, at - last, days, spend, currency, grounds=then, segment=segment),
            "scores": {"recency": recency, "frequency": frequency, "monetary": monetary},
            "evidence": {"last_purchase": time_text(last), "purchase_days": days, "spend": spend},
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
    grounds: Sequence[int],
    segment: str,
) -> list[dict[str, object]]:
    """Explain a customer's segment in the words of the contract.

    Args:
        scores: Fifths by recency, frequency and monetary value, 5 the best.
        quiet_ms: Time since the last purchase, ms.
        days: Purchase days.
        spend: Spend in the currency.
        currency: ISO 4217 code.
        grounds: Fifths that the segment rests on; `UNRANKED` for a segment that rests on none.
        segment: Name of the segment.
    """
    quiet = round(max(quiet_ms, 0) / DAY_MS, 1)
    facts = (
        ("recency", f"Last bought {_count(quiet, 'day')} ago", quiet, "days"),
        ("frequency", f"Bought on {_count(days, 'day')}", float(days), "purchase days"),
        ("monetary", f"Spent {spend:.2f} {currency}", spend, currency),
    )
    return [
        {
            "text": f"{fact}: {_rank_in_words(measure, score, ground, segment)}",
            "measure": measure,
            "value": value,
            "score": score,
            "unit": unit,
        }
        for (measure, fact, value, unit), score, ground in zip(facts, scores, grounds, strict=True)
    ]


def _rank_in_words(measure: str, score: int, ground: int, segment: str) -> str:
    if ground == UNRANKED:
        return "too little history to rank"
    now = f"the {_FIFTHS[score - 1]} fifth by {measure}"
    return now if ground == score else f"{now}, the {_FIFTHS[ground - 1]} when last ranked {segment}"


def _count(number: float, noun: str) -> str:
    return f"{number:g} {noun}" if number == 1 else f"{number:g} {noun}s"
