"""The reported segment: up at a purchase, down when the boundaries of a fortnight agree.

A label follows recency, and where most shop every week the best fifth by recency is hours wide: labels rise
and fall with every trip. So a segment rises at once and falls late (`segment_patience`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.calendar import boundary_cause
from models.columns import NO_SEGMENT
from models.events import event_ids
from models.outputs import SEGMENT_CHANGE, as_json, outputs_of, time_text
from models.segments import DAY_MS, SEGMENTS, Standing, label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.records import Records
    from models.segments import Thresholds
    from models.state import State
    from models.step import Step

MODEL_VERSION = "rfm-1"
"""Changes with every change of the segments' definition."""
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
    labels, scores = _labels(standing, frozen)
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
            causes=[records.event_ids[index] for index in records_of],
            times=records.occurred_at[which[changed]].tolist(),
            valid_until=state.calendar.boundary(state.clock.begun + state.settings.segment_patience),
        )


def falling(state: State) -> NDArray[np.bool_]:
    """(customers,) whether each customer's segment changes at the boundary begun last.

    One scan of the columns; those for whom it is true are touched, and all others stay as they are.
    """
    rows = np.arange(len(state.ids))
    changed: NDArray[np.bool_] = _targets(state, rows)[0] != state.customers["segment"][rows]
    return changed


def reconsider(step: Step, rows: NDArray[np.int64], boundary: int) -> None:
    """Let segments fall, and give a first one to those who had none, at a boundary.

    Args:
        step: The step being computed.
        rows: (k,) customers whose closed days are folded.
        boundary: The boundary (day).
    """
    state = step.state
    targets, scores = _targets(state, rows)
    changed = np.flatnonzero(targets != state.customers["segment"][rows])
    if len(changed):
        _change(
            step,
            rows[changed],
            targets[changed],
            scores[changed],
            causes=[boundary_cause(boundary)] * len(changed),
            times=[state.calendar.boundary(boundary)] * len(changed),
            valid_until=state.calendar.boundary(boundary + 1),
        )


def _targets(state: State, rows: NDArray[np.int64]) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """The segment of each customer after this boundary, and (k, 3) scores under its thresholds."""
    segments = state.customers["segment"][rows]
    newest = state.thresholds[-1] if state.thresholds else None
    if newest is None or not len(rows):
        return segments, np.zeros((len(rows), 3), np.int8)
    standing = state.standing(rows)
    labels, scores = _labels(standing, newest)
    targets = np.where(segments == NO_SEGMENT, labels, segments)
    known = [frozen for frozen in state.thresholds if frozen is not None]
    if len(known) == state.settings.segment_patience:
        best = labels.copy()
        worse = np.flatnonzero((segments != NO_SEGMENT) & (best > segments))
        for frozen in reversed(known[:-1]):  # each looks only at those whom all later ones find worse
            if not len(worse):
                break
            then = label(*frozen.scores(Standing(*(measure[worse] for measure in standing))))
            best[worse] = np.minimum(best[worse], then)
            worse = worse[best[worse] > segments[worse]]
        targets[worse] = best[worse]
    return np.where(standing.frequency > 0, targets, segments), scores


def _labels(standing: Standing, frozen: Thresholds) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """(k,) labels and (k, 3) scores of customers as they stand, under frozen thresholds."""
    scores = frozen.scores(standing)
    return label(*scores), np.stack(scores, axis=1)


def _change(
    step: Step,
    rows: NDArray[np.int64],
    targets: NDArray[np.int8],
    scores: NDArray[np.int8],
    *,
    causes: list[str],
    times: list[int],
    valid_until: int,
) -> None:
    """Give k customers another segment, and say so."""
    state = step.state
    before = state.customers["segment"][rows].tolist()
    state.customers["segment"][rows] = targets
    step.counts["segment_changes"] += len(rows)
    standing, currency = state.standing(rows), state.settings.currency
    customers = [state.ids[row] for row in rows.tolist()]
    identities = event_ids(SEGMENT_CHANGE.type_, customers, [""] * len(customers), causes, "")
    until, values = time_text(valid_until), list[bytes]()
    for customer, old, new, (recency, frequency, monetary), last, days, money, cause, at in zip(
        customers,
        before,
        targets.tolist(),
        scores.tolist(),
        standing.last_purchase.tolist(),
        standing.frequency.tolist(),
        standing.spend.tolist(),
        causes,
        times,
        strict=True,
    ):
        spend = money / 10_000
        value = {
            "customer_id": customer.decode(),
            "from": None if old == NO_SEGMENT else SEGMENTS[old],
            "to": SEGMENTS[new],
            "reasons": reasons((recency, frequency, monetary), at - last, days, spend, currency),
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
    scores: tuple[int, int, int], quiet_ms: int, days: int, spend: float, currency: str
) -> list[dict[str, object]]:
    """Why a customer is in a segment, as events say it.

    Args:
        scores: Fifths by recency, frequency and monetary, 5 the best.
        quiet_ms: Since the last purchase.
        days: Purchase days.
        spend: In the currency.
        currency: ISO 4217.
    """
    recency, frequency, monetary = scores
    quiet = round(max(quiet_ms, 0) / DAY_MS, 1)
    return [
        _reason("recency", f"Last bought {_count(quiet, 'day')} ago", quiet, recency, "days"),
        _reason("frequency", f"Bought on {_count(days, 'day')}", float(days), frequency, "purchase days"),
        _reason("monetary", f"Spent {spend:.2f} {currency}", spend, monetary, currency),
    ]


def _reason(measure: str, fact: str, value: float, score: int, unit: str) -> dict[str, object]:
    return {
        "text": f"{fact}: the {_FIFTHS[score - 1]} fifth by {measure}",
        "measure": measure,
        "value": value,
        "score": score,
        "unit": unit,
    }


def _count(number: float, noun: str) -> str:
    return f"{number:g} {noun}" if number == 1 else f"{number:g} {noun}s"
