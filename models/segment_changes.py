"""The reported segment: up at a purchase, down when three boundaries in a row agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.calendar import date_of, instant_of
from models.columns import NO_SEGMENT
from models.events import Reason, Scores, SegmentChange, SegmentEvidence
from models.segments import SEGMENTS, label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.records import Records
    from models.segments import Thresholds
    from models.state import State
    from models.step import Step

MODEL_VERSION = "rfm-1"
"""Changes with every change of the segments' definition."""
BOUNDARIES_TO_FALL = 3
"""A customer falls only when the labels of this many boundaries are all worse than the segment."""
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
    labels, scores = _labels(state, rows, frozen)
    segments = state.customers["segment"][rows]
    better = (segments == NO_SEGMENT) | (labels < segments)
    better &= state.standing(rows).frequency > 0
    valid_until = state.calendar.boundary(state.clock.begun + BOUNDARIES_TO_FALL)
    for index in np.flatnonzero(better).tolist():
        at = int(records.occurred_at[which[index]])
        _change(
            step,
            int(rows[index]),
            int(labels[index]),
            scores[index],
            cause=records.event_ids[which[index]],
            at=at,
            valid_until=valid_until,
        )


def falling(state: State) -> NDArray[np.bool_]:
    """(customers,) whether each customer's segment changes at the boundary begun last.

    One scan of the columns; those for whom it is true are touched, and all others stay as they are.
    """
    rows = np.arange(len(state.ids))
    return _targets(state, rows)[0] != state.customers["segment"][rows]


def reconsider(step: Step, rows: NDArray[np.int64], boundary: int) -> None:
    """Let segments fall, and give a first one to those who had none, at a boundary.

    Args:
        step: The step being computed.
        rows: (k,) customers whose closed days are folded.
        boundary: The boundary (day).
    """
    state = step.state
    targets, scores = _targets(state, rows)
    at = state.calendar.boundary(boundary)
    valid_until = state.calendar.boundary(boundary + 1)
    for index in np.flatnonzero(targets != state.customers["segment"][rows]).tolist():
        _change(
            step,
            int(rows[index]),
            int(targets[index]),
            scores[index],
            cause=f"boundary:{date_of(boundary).isoformat()}",
            at=at,
            valid_until=valid_until,
        )


def _targets(state: State, rows: NDArray[np.int64]) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """The segment of each customer after this boundary, and (k, 3) scores under its thresholds."""
    segments = state.customers["segment"][rows]
    newest = state.thresholds[-1] if state.thresholds else None
    if newest is None or not len(rows):
        return segments, np.zeros((len(rows), 3), np.int8)
    labels, scores = _labels(state, rows, newest)
    targets = np.where(segments == NO_SEGMENT, labels, segments)
    known = [frozen for frozen in state.thresholds if frozen is not None]
    if len(known) == BOUNDARIES_TO_FALL:
        best = np.minimum.reduce([labels, *(_labels(state, rows, frozen)[0] for frozen in known[:-1])])
        targets = np.where((segments != NO_SEGMENT) & (best > segments), best, targets)
    ranked = state.standing(rows).frequency > 0
    return np.where(ranked, targets, segments), scores


def _labels(
    state: State, rows: NDArray[np.int64], frozen: Thresholds
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """(k,) labels and (k, 3) scores of customers as they stand, under frozen thresholds."""
    scores = frozen.scores(state.standing(rows))
    return label(*scores), np.stack(scores, axis=1)


def _change(
    step: Step, row: int, target: int, scores: NDArray[np.int8], *, cause: str, at: int, valid_until: int
) -> None:
    state = step.state
    customer: Any = state.customers[row]
    before = int(customer["segment"])
    state.customers["segment"][row] = target
    step.counts["segment_changes"] += 1
    recency, frequency, monetary = (int(score) for score in scores)
    standing = state.standing(np.array([row]))
    last, days, spend = int(customer["last_purchase"]), int(standing.frequency[0]), int(customer["spend"]) / 10_000
    quiet = max((at - last) / 86_400_000, 0.0)
    currency = state.settings.currency
    step.emit(
        SegmentChange(
            customer_id=state.ids[row].decode(),
            from_segment=None if before == NO_SEGMENT else SEGMENTS[before],
            to_segment=SEGMENTS[target],
            reasons=(
                _reason("recency", f"last bought {quiet:.1f} days ago", round(quiet, 2), recency, "days"),
                _reason("frequency", f"bought on {days} days", days, frequency, "purchase days"),
                _reason("monetary", f"spent {spend:.2f} {currency}", round(spend, 4), monetary, currency),
            ),
            scores=Scores(recency=recency, frequency=frequency, monetary=monetary),
            evidence=SegmentEvidence(last_purchase=instant_of(last), purchase_days=days, spend=round(spend, 4)),
            valid_until=instant_of(valid_until),
            cause=cause,
            occurred_at=instant_of(at),
            model_version=MODEL_VERSION,
        ),
        at,
    )


def _reason(measure: str, fact: str, value: float, score: int, unit: str) -> Reason:
    text = f"{fact}: the {_FIFTHS[score - 1]} fifth of customers by {measure}"
    return Reason(text=text, measure=measure, value=value, score=score, unit=unit)
