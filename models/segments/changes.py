"""The reported segment: up at a purchase, down when the boundaries of a fortnight agree.

A label follows recency, and where most shop every week the best fifth by recency is hours wide: labels rise
and fall with every trip. So a segment rises at once and falls late (`segment_patience`). `New Customers` are
also those of whom too little is known for a rank (`models.segments.settling`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.contracts.encoding import SEGMENT_CHANGE, as_json, outputs_of, time_text
from models.contracts.events import event_ids
from models.learning.rfm import DAY_MS, SEGMENTS, Standing, label
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
"""Changes with every change of the segments' definition."""
UNRANKED = 0
"""Stands for a score where a segment rests on none: too little is known of the customer."""
_FIFTHS = ("lowest", "second lowest", "middle", "second highest", "highest")


def promote(step: Step, records: Records, which: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
    """Move customers up whose purchase earns a better label under the thresholds frozen last.

    Args:
        step: The step being computed.
        records: A run of records.
        which: (k,) indexes of applied purchases.
        rows: (k,) rows of their customers, each once.
    """
    state = step.state
    frozen = state.thresholds[-1] if state.thresholds else None
    if frozen is None or not len(rows):
        return
    standing = state.standing(rows)
    labels, scores, grounds = _rank(standing, frozen, is_new(state, rows))
    segments = state.customers["segment"][rows]
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
    """(customers,) whether each customer's segment changes at the boundary begun last.

    One scan of the columns; those for whom it is true are touched, and all others stay as they are.
    """
    rows = np.arange(len(state.ids))
    changed: NDArray[np.bool_] = _targets(state, rows).segments != state.customers["segment"][rows]
    return changed


def reconsider(step: Step, rows: NDArray[np.int64], boundary: int) -> None:
    """Let segments fall, and give a first one to those who had none, at a boundary.

    Args:
        step: The step being computed.
        rows: (k,) customers whose closed days are folded.
        boundary: The boundary (day).
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
    """Customers and what may be reported of them."""

    segments: NDArray[np.int8]
    """(k,) indexes into `SEGMENTS`, or `NO_SEGMENT`."""
    scores: NDArray[np.int8]
    """(k, 3) scores under the newest thresholds."""
    grounds: NDArray[np.int8]
    """(k, 3) scores that the segment rests on: older ones where a fall waited, 0 where it rests on none."""


def _rank(standing: Standing, frozen: Thresholds, new: NDArray[np.bool_]) -> _Ranked:
    """Rank customers as they stand, under frozen thresholds."""
    scores = np.stack(frozen.scores(standing), axis=1)
    labels = label(*scores.T)
    segments = reportable(labels, standing.frequency, new)
    return _Ranked(segments, scores, np.where((new & (segments != labels))[:, None], UNRANKED, scores))


def _targets(state: State, rows: NDArray[np.int64]) -> _Ranked:
    """Find the segment of each customer after this boundary."""
    segments = state.customers["segment"][rows]
    newest = state.thresholds[-1] if state.thresholds else None
    if newest is None or not len(rows):
        nothing = np.full((len(rows), 3), UNRANKED, np.int8)
        return _Ranked(segments, nothing, nothing)
    standing, new = state.standing(rows), is_new(state, rows)
    labels, scores, grounds = _rank(standing, newest, new)
    targets = np.where(segments == NO_SEGMENT, labels, segments)
    known = [frozen for frozen in state.thresholds if frozen is not None]
    if len(known) == state.settings.segment_patience:
        best = labels.copy()
        worse = np.flatnonzero((segments != NO_SEGMENT) & (best > segments) & ~new)
        for frozen in reversed(known[:-1]):  # each looks only at those whom all later ones find worse
            if not len(worse):
                break
            then = _rank(Standing(*(measure[worse] for measure in standing)), frozen, new[worse])
            better = then.segments < best[worse]
            best[worse[better]] = then.segments[better]
            grounds[worse[better]] = then.grounds[better]
            worse = worse[best[worse] > segments[worse]]
        targets[worse] = best[worse]
    return _Ranked(np.where(standing.frequency > 0, targets, segments), scores, grounds)


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
    """Give k customers another segment, and say so.

    Args:
        step: The step being computed.
        rows: (k,) customers.
        targets: (k,) their segments from now on.
        scores: (k, 3) as the customers stand now.
        grounds: (k, 3) scores that the segments rest on.
        causes: k causes.
        times: k event times, ms since 1970 UTC.
        valid_until: Of all of them, ms since 1970 UTC.
    """
    state = step.state
    before = state.customers["segment"][rows].tolist()
    state.customers["segment"][rows] = targets
    step.counts["segment_changes"] += len(rows)
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
    source = state.settings.event_source
    step.emit(outputs_of(SEGMENT_CHANGE, customers, identities, values, times=times, source=source))


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
    """Say why a customer is in a segment, as events say it.

    Args:
        scores: Fifths by recency, frequency and monetary, 5 the best.
        quiet_ms: Since the last purchase.
        days: Purchase days.
        spend: In the currency.
        currency: ISO 4217.
        grounds: Fifths that the segment rests on; `UNRANKED` where it rests on none.
        segment: The segment.
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
