"""Three customers, told in words: an alert that hits, one that misses, and a change of segment."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cartpulse.demonstration.outcomes import Outcome, Verdict, median_interval
from models.calendar import date_of
from models.segments import SEGMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from cartpulse.demonstration.received import Alert, Received, SegmentChange


@dataclass(frozen=True, slots=True)
class Story:
    """One customer's story."""

    customer_id: str
    title: str
    text: str


def stories(
    received: Received,
    verdicts: Sequence[Verdict],
    days_of: Callable[[Alert], Sequence[int]],
) -> list[Story]:
    """Up to three stories, of different customers; fewer where too little came out.

    Args:
        received: What came out.
        verdicts: One for each of `received.alerts`.
        days_of: The days on which an alert's customer bought its category.
    """
    histories: dict[tuple[str, str], list[tuple[Alert, Verdict]]] = defaultdict(list)
    for alert, verdict in zip(received.alerts, verdicts, strict=True):
        if verdict.outcome is not Outcome.UNKNOWN:
            histories[alert.customer_id, alert.category].append((alert, verdict))
    told: list[Story] = []
    if regular := _best(histories, Outcome.HIT, told):
        told.append(_alert_story("a steady rhythm", histories[regular], days_of))
    if missed := _best(histories, Outcome.MISS, told):
        told.append(_alert_story("a rhythm that broke", histories[missed], days_of))
    if climb := _climb(received.changes, {story.customer_id for story in told}):
        told.append(_segment_story(climb))
    return told


def _best(
    histories: dict[tuple[str, str], list[tuple[Alert, Verdict]]], ending: Outcome, told: Sequence[Story]
) -> tuple[str, str] | None:
    """The customer and category with the most hits and fewest misses whose last known alert ended so."""
    taken = {story.customer_id for story in told}
    candidates = [
        (sum(1 if verdict.outcome is Outcome.HIT else -1 for _, verdict in history), pair)
        for pair, history in histories.items()
        if history[-1][1].outcome is ending and pair[0] not in taken
    ]
    return max(candidates, default=(0, None))[1]


def _alert_story(
    title: str, history: Sequence[tuple[Alert, Verdict]], days_of: Callable[[Alert], Sequence[int]]
) -> Story:
    alert, verdict = history[-1]
    days = days_of(alert)
    hits = sum(each.outcome is Outcome.HIT for _, each in history)
    if verdict.bought is None:
        ending = "and the data holds no later purchase: a miss."
    else:
        word = "a hit" if verdict.outcome is Outcome.HIT else "a miss"
        ending = f"and bought on {_written(date_of(verdict.bought))}: {word}."
    return Story(
        alert.customer_id,
        title,
        f"Customer {alert.customer_id} bought {alert.category} on {len(days)} days, about every "
        f"{median_interval(days)} days. {hits} of {len(history)} alerts hit. The last one, after the "
        f"purchase of {_written(alert.evidence.last_purchase)}, was raised on "
        f"{_written(alert.occurred_at.date())} for {_written(alert.best_date)}, {ending}",
    )


def _climb(changes: Sequence[SegmentChange], taken: set[str]) -> list[SegmentChange] | None:
    """The changes of the customer who rose furthest in the fewest steps, up to the best segment reached."""
    by_customer: dict[str, list[SegmentChange]] = defaultdict(list)
    for change in changes:
        if change.customer_id not in taken:
            by_customer[change.customer_id].append(change)
    best: tuple[int, int, list[SegmentChange]] = (0, 0, [])
    for path in by_customer.values():
        ranks = [SEGMENTS.index(change.to_segment) for change in path]
        low = ranks.index(max(ranks))
        rest = ranks[low:]
        high = low + rest.index(min(rest))
        candidate = (max(ranks) - min(rest), low - high, path[low : high + 1])
        if candidate[:2] > best[:2]:
            best = candidate
    return best[2] or None


def _segment_story(path: Sequence[SegmentChange]) -> Story:
    first, last = path[0], path[-1]
    steps = ", ".join(f"{change.to_segment} on {_written(change.occurred_at.date())}" for change in path[1:])
    why = f" Why the last: {last.reasons[0].text}" if last.reasons else ""
    return Story(
        first.customer_id,
        "a customer won",
        f"Customer {first.customer_id} was in {first.to_segment} on {_written(first.occurred_at.date())}, "
        f"then in {steps}.{why}",
    )


def _written(day: date) -> str:
    return f"{day.day} {day:%B}"
