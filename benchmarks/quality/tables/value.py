"""E: who is still active, and what is spent, in the weeks after a day.

Every household known by the day is asked. Active is who buys something consumed in the weeks held out, and
spend is that of what is consumed. Learners are
fitted on the same question asked those weeks earlier, whose answer is known by the day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.stats import spearmanr

from benchmarks.quality.baselines import lifetimes
from benchmarks.quality.log.cdnow import DAYS as DAYS_OF_CDNOW
from benchmarks.quality.log.journey import DAYS
from benchmarks.quality.log.windows import date_of
from benchmarks.quality.measures import scores
from benchmarks.quality.tables.next_purchase import OURS, TREES
from benchmarks.quality.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from benchmarks.quality.log.cdnow import Cdnow
    from benchmarks.quality.log.journey import Journey
    from benchmarks.quality.log.outlook import Outlook

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]
    Booleans = NDArray[np.bool_]
    Learner = Callable[[Reals, Booleans, Reals, Reals], tuple[Reals, Reals]]
    """Chances of activity and spend of others, learnt from columns, activity and spend."""

HALF_LIVES: Final = (30.0, 90.0)
"""Half-lives, in days, of the two rates of spend."""
RIDGE: Final = 1.0


class Question(NamedTuple):
    """Households known by a day, and what they did after it."""

    households: Integers
    past: lifetimes.Past
    features: Reals
    """(k, f) standardised by nobody: logs of counts and rates that a row could hold."""
    rates: Reals
    """(2, k) dollars a day, decayed."""
    active: Booleans
    spend: Reals
    """Dollars in the days held out."""


class Said(NamedTuple):
    """What a model says; None of what it does not say."""

    active: Reals | None
    """Greater for those who are likelier to be active."""
    spend: Reals | None


def ask(journey: Journey, last: int, held: int) -> Question:
    """Ask at the end of a day for the days after it.

    Args:
        journey: Lines.
        last: Last day known.
        held: Days held out.
    """
    known = journey.consumed & (journey.days <= last)
    who, place = np.unique(journey.households[known], return_inverse=True)
    days = journey.days[known]
    owner, day = np.divmod(np.unique(place * DAYS + days), DAYS)
    count = np.bincount(owner)
    first, newest = np.full(len(who), DAYS), np.zeros(len(who), np.int64)
    np.minimum.at(first, owner, day)
    np.maximum.at(newest, owner, day)
    dollars = journey.cents[known] / 100
    total = np.bincount(place, dollars)
    age, recency = last - first + 1, last - newest
    rates = []
    for half_life in HALF_LIVES:
        watched = half_life / np.log(2) * -np.expm1(-np.log(2) * age / half_life)
        rates.append(np.bincount(place, dollars * np.exp2(-(last - days) / half_life)) / watched)
    visits = [
        np.bincount(owner, np.exp2(-(last - day) / half_life)) for half_life in (14.0, 28.0, 56.0, 112.0)
    ]
    mean_gap = np.maximum(newest - first, 1) / np.maximum(count - 1, 1)
    features = np.stack(
        [
            np.log(recency + 1.0), np.log(count), np.log(age), np.log(mean_gap),
            np.log((recency + 1) / (mean_gap + 1)), *(np.log(each + 0.01) for each in visits),
            *(np.log(rate + 0.01) for rate in rates),
        ],
        axis=1,
    )  # fmt: skip
    after = journey.consumed & (journey.days > last) & (journey.days <= last + held)
    after &= np.isin(journey.households, who)
    later = np.searchsorted(who, journey.households[after])
    trips = np.unique(later * DAYS + journey.days[after]) // DAYS
    purchases = np.bincount(trips, minlength=len(who))
    past = lifetimes.Past(*np.stack([count - 1.0, (newest - first) / 7, age / 7, total / count]))
    spend = np.bincount(later, journey.cents[after] / 100, len(who))
    return Question(who, past, features, np.stack(rates), purchases > 0, spend.astype(np.float64))


def logistic(features: Reals, seen: Booleans, asked: Reals) -> Reals:
    """Fit a ridge logistic regression by Newton's method, and return the chances of others."""
    mean, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)

    def columns(values: Reals) -> Reals:
        return np.column_stack([np.ones(len(values)), (values - mean) / spread])

    known, weights = columns(features), np.zeros(features.shape[1] + 1)
    penalty = np.diag([0.0, *[RIDGE] * features.shape[1]])
    for _ in range(20):
        chance = 1 / (1 + np.exp(-known @ weights))
        slope = known.T @ (seen - chance) - penalty @ weights
        bend = (known * (chance * (1 - chance))[:, None]).T @ known + penalty
        weights += np.linalg.solve(bend, slope)
    said: Reals = 1 / (1 + np.exp(-columns(asked) @ weights))
    return said


def table_of_cdnow(cdnow: Cdnow, known: tuple[int, int], outlook: Outlook) -> Table:
    """Make table E of CDNOW: who buys again, and for how much, of customers who were all new once.

    Args:
        cdnow: Purchases.
        known: Last day known, and last day held out.
        outlook: What the ledger expects within 90 days, scaled to the days held out.
    """
    last, end = known
    who, place = np.unique(cdnow.customers, return_inverse=True)
    owner, day = np.divmod(np.unique(place * DAYS_OF_CDNOW + cdnow.days), DAYS_OF_CDNOW)
    early = day <= last
    count = np.bincount(owner[early], minlength=len(who))
    first, newest = np.full(len(who), DAYS_OF_CDNOW), np.zeros(len(who), np.int64)
    np.minimum.at(first, owner[early], day[early])
    np.maximum.at(newest, owner[early], day[early])
    held = (cdnow.days > last) & (cdnow.days <= end)
    spend: Reals = np.bincount(place[held], cdnow.cents[held] / 100, len(who)).astype(np.float64)
    active = np.bincount(place[held], minlength=len(who)) > 0
    total = np.bincount(place[cdnow.days <= last], cdnow.cents[cdnow.days <= last] / 100, len(who))
    age, lasted = (last - first + 1) / 7, (newest - first) / 7
    past = lifetimes.Past(*np.stack([count - 1.0, lasted, age, total / np.maximum(count, 1)]))
    future = lifetimes.forecast(past, (end - last) / 7)
    table = Table(
        f"E. CDNOW, {(last + 1) // 7} weeks known and {(end - last) // 7} held out, {len(who):,} customers, "
        f"{float(active.mean()):.1%} active",
        ("AUC active", "AP churn", "spend MAE $", "Spearman"),
    )
    ours = np.searchsorted(outlook.households, who)
    for name, said in {
        "recency alone; mean spend so far": Said(
            newest.astype(np.float64), total / np.maximum(last - first + 1, 1) * (end - last)
        ),
        "BG/NBD with Gamma-Gamma": Said(future.active, future.spend),
        OURS: Said(outlook.active[ours], outlook.spend[ours]),
    }.items():
        table.add(name, *_judged(said, active, spend))
    table.notes.append(
        f"{OURS} learns who buys within 90 days and expects spend by decayed rates, of {outlook.unknown:,} "
        "customers the mean"
    )
    return table


def baselines(earlier: Question, now: Question, held: int) -> dict[str, Said]:
    """Return what rules, a logistic regression and BG/NBD say."""
    future = lifetimes.forecast(now.past, held / 7)
    lately = now.rates.mean(axis=0) * held
    return {
        "recency alone; mean spend so far": Said(
            -now.features[:, 0], now.past.value * (now.past.repeats + 1) / now.past.age / 7 * held
        ),
        "logistic; mean of 30- and 90-day rates": Said(
            logistic(earlier.features, earlier.active, now.features), lately
        ),
        "BG/NBD with Gamma-Gamma": Said(future.active, future.spend),
    }


def table(
    journey: Journey,
    known: tuple[int, int],
    ours: Mapping[str, Outlook],
    learner: Learner | None = None,
) -> Table:
    """Make table E.

    Args:
        journey: Lines.
        known: Last day known, and last day held out.
        ours: What ledgers expect, by name. They were given what is consumed alone.
        learner: LightGBM, or None to leave it out.
    """
    last, held = known[0], known[1] - known[0]
    now, earlier = ask(journey, last, held), ask(journey, last - held, held)
    table = Table(
        f"E. Activity and value, known to {date_of(last)}, held out to {date_of(known[1])}, "
        f"{len(now.households):,} households, {float(now.active.mean()):.1%} active",
        ("AUC active", "AP churn", "spend MAE $", "Spearman"),
    )
    models = baselines(earlier, now, held)
    if learner is not None:
        models[TREES] = Said(*learner(earlier.features, earlier.active, earlier.spend, now.features))
    for name, outlook in ours.items():
        place = np.searchsorted(outlook.households, now.households)
        models[name] = Said(outlook.active[place], outlook.spend[place])
        if outlook.unknown:
            table.notes.append(f"{name}: the mean is said of {outlook.unknown} of whom too little is known")
    for name, said in models.items():
        table.add(name, *_judged(said, now.active, now.spend))
    return table


def _judged(said: Said, active: Booleans, spend: Reals) -> list[float | None]:
    """Return AUC of activity, average precision of churn, mean error of spend, and its rank correlation."""
    cells: list[float | None] = [None] * 4
    if said.active is not None:
        cells[0] = scores.area(said.active, active)
        cells[1] = scores.Ranking(-said.active, ~active).average_precision
    if said.spend is not None:
        cells[2] = float(np.mean(np.abs(said.spend - spend)))
        ranked = np.ptp(said.spend) > 0 and np.ptp(spend) > 0
        cells[3] = float(spearmanr(said.spend, spend).statistic) if ranked else None
    return cells
