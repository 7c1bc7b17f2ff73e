"""Stories of three customers in words: an alert that hits, one that misses, and a change of segment."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cartpulse.demo.outcomes import Outcome, Verdict, median_interval
from models.learning.rfm import SEGMENTS
from models.state.calendar import date_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from cartpulse.demo.received import Alert, Received, Recommended, SegmentChange

    History = list[tuple[Alert, Verdict]]
    """The alerts of one customer on one category whose outcome is known, in order."""
    Histories = dict[tuple[str, str], History]

_SLOW_DAYS = 5
SHOWN = 3
"""Recommended categories that a story names."""
_SETTLED = 0.5
"""Share of the time after which segments are settled. At first a few customers rank among themselves."""


@dataclass(frozen=True, slots=True)
class Story:
    """Story of one customer."""

    customer_id: str
    title: str
    text: str


def stories(
    received: Received,
    verdicts: Sequence[Verdict],
    days_of: Callable[[Alert], Sequence[int]],
) -> list[Story]:
    """Tell up to three stories of different customers; fewer where there are too few outputs.

    Args:
        received: Outputs of the demonstration.
        verdicts: One verdict for each of `received.alerts`.
        days_of: Returns the days on which an alert's customer bought its category.
    """
    histories: Histories = defaultdict(list)
    for alert, verdict in zip(received.alerts, verdicts, strict=True):
        if verdict.outcome is not Outcome.UNKNOWN:
            histories[alert.customer_id, alert.category].append((alert, verdict))
    told: list[Story] = []
    if steady := _best(histories, Outcome.HIT, told, days_of):
        told.append(
            _alert_story("a steady rhythm", steady, days_of, "A reminder is enough, no offer needed.")
        )
    if broken := _best(histories, Outcome.MISS, told, days_of):
        told.append(
            _alert_story(
                "a rhythm that broke",
                broken,
                days_of,
                "Ask, or make an offer, before they are gone for good.",
            )
        )
    if climb := _climb(received.changes, {story.customer_id for story in told}):
        told.append(_segment_story(climb, received.recommended.get(climb[0].customer_id, [])))
    return told


def _best(
    histories: Histories,
    ending: Outcome,
    told: Sequence[Story],
    days_of: Callable[[Alert], Sequence[int]],
) -> History | None:
    """Find the history with the most hits and fewest misses whose last known alert had a certain outcome.

    Customers who buy every other day are hit by any date, so slower rhythms go first. A rhythm is steady if
    more alerts hit than missed. A broken rhythm had hit with at least half of its alerts. Without such a
    history there is no story.
    """
    least = 1 if ending is Outcome.HIT else 0
    taken = {story.customer_id for story in told}
    ahead = {
        pair: sum(1 if verdict.outcome is Outcome.HIT else -1 for _, verdict in history)
        for pair, history in histories.items()
        if history[-1][1].outcome is ending and pair[0] not in taken
    }
    candidates = [
        (median_interval(days_of(histories[pair][0][0])) >= _SLOW_DAYS, hits, pair)
        for pair, hits in ahead.items()
        if hits >= least
    ]
    return histories[max(candidates)[2]] if candidates else None


def _alert_story(
    title: str, history: History, days_of: Callable[[Alert], Sequence[int]], advice: str
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
        f"Customer {alert.customer_id} bought {alert.category} on {len(days)} days, "
        f"{_about(median_interval(days))}. {hits} of {len(history)} alerts hit. The last one, after the "
        f"purchase of {_written(alert.evidence.last_purchase)}, was raised on "
        f"{_written(alert.occurred_at.date())} for {_written(alert.best_date)}, {ending} {advice}",
    )


def _climb(changes: Sequence[SegmentChange], taken: set[str]) -> list[SegmentChange] | None:
    """Return the longest run of changes that all lead upwards; of equal runs, the one that rises furthest."""
    if not changes:
        return None
    first, last = changes[0].occurred_at, changes[-1].occurred_at
    settled = first + (last - first) * _SETTLED
    runs: dict[str, list[SegmentChange]] = {}
    best: tuple[int, int, list[SegmentChange]] = (1, 0, [])
    for change in changes:
        if change.customer_id in taken or change.occurred_at < settled:
            continue
        run = runs.get(change.customer_id, [])
        rises = bool(run) and _rank(change) < _rank(run[-1])
        run = runs[change.customer_id] = [*run, change] if rises else [change]
        if (len(run), _rank(run[0]) - _rank(change)) > best[:2]:
            best = (len(run), _rank(run[0]) - _rank(change), run)
    return best[2] or None


def _rank(change: SegmentChange) -> int:
    """Return the rank of the new segment; 0 for the best one."""
    return SEGMENTS.index(change.to_segment)


def _segment_story(path: Sequence[SegmentChange], recommended: Sequence[Recommended]) -> Story:
    first, last = path[0], path[-1]
    steps = ", ".join(f"{change.to_segment} on {_written(change.occurred_at.date())}" for change in path[1:])
    why = f" Why: {last.reasons[0].text}." if last.reasons else ""
    advice = ""
    if recommended:
        *others, final = recommended[-1].categories[:SHOWN]
        advice = " For a thank-you, what they will likely buy next: "
        advice += f"{', '.join(others)} and {final}." if others else f"{final}."
    return Story(
        first.customer_id,
        "a customer won",
        f"Customer {first.customer_id} was in {first.to_segment} on {_written(first.occurred_at.date())}, "
        f"then in {steps}.{why}{advice}",
    )


def _about(interval: int) -> str:
    return "about every day" if interval == 1 else f"about every {interval} days"


def _written(day: date) -> str:
    return f"{day.day} {day:%B}"
