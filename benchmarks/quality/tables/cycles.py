"""A2 and B1: at every purchase of a pair, when it buys next, and on which date an alert would be sent.

A hit is a purchase in [date - 2, date + 5]. A purchase before date - 2 supersedes the alert: it is never
sent, so it is no false alarm. It is no hit either, and its cycle stays in the denominator of the recall: all
cycles that a purchase closes within 91 days.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.quality.baselines import rules
from benchmarks.quality.log.ours import GRACE, LEAD, QUANTILES, Answer, Cycles
from benchmarks.quality.log.windows import FOLLOW_UP, date_of
from benchmarks.quality.measures import scores
from benchmarks.quality.measures.scores import Ranked, Ranking
from benchmarks.quality.tables.next_purchase import GAMMA_POISSON, MEDIAN, POISSON_GAMMA, compared
from benchmarks.quality.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from benchmarks.quality.log.pairs import Asked, History

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

NEAR: Final = 7
"""Days by which a median may be off to count as near."""
WINDOW: Final = LEAD + GRACE + 1
"""Days of an alert's window."""
TAIL: Final = 1.2816
"""Standard deviations between the median and the .1 and .9 quantiles of a normal distribution."""


def hits(date: Reals, until: Integers) -> Booleans:
    """Tell which alerts are followed by a purchase in their window.

    >>> hits(np.array([10.0, 10.0, 10.0]), np.array([7, 8, 16])).tolist()
    [False, True, False]
    """
    return (until >= date - LEAD) & (until <= date + GRACE)


def alerts(cycles: Cycles, until: Integers) -> Ranking:
    """Rank the alerts that would be sent, over all cycles that a purchase closes."""
    closed = int(np.count_nonzero(until <= FOLLOW_UP))
    return Ranking(
        cycles.chance, hits(cycles.date, until), counts=until >= cycles.date - LEAD, relevant=closed
    )


def _ranked(cycles: Cycles, until: Integers) -> Ranked:
    return Ranked(cycles.chance, hits(cycles.date, until), until >= cycles.date - LEAD, until <= FOLLOW_UP)


def rules_of(history: History, days: range, medians: Reals) -> dict[str, Cycles]:
    """Return what the rules say at every purchase of some days; priors are as of each week's begin.

    Rules name the median as the date: whole days of rates, half days where two middle intervals differ.
    """
    asked = history.after(days)
    found = {name: np.zeros((5, len(asked.last))) for name in (MEDIAN, POISSON_GAMMA, GAMMA_POISSON)}
    for first in range(days.start, days.stop, 7):
        of_week = np.flatnonzero((asked.day >= first) & (asked.day < first + 7))
        part = type(asked)(*(column[of_week] for column in asked))
        own = medians[part.last]
        tail = np.exp(TAIL * rules.spread_of_intervals(history, medians, first))
        found[MEDIAN][:, of_week] = np.stack([own / tail, own, own * tail, own, -own])
        for name, estimate in (
            (POISSON_GAMMA, rules.poisson_gamma),
            (GAMMA_POISSON, rules.decayed_gamma_poisson),
        ):
            rates = estimate(history, part, first)
            quantiles = [rates.quantile(share) for share in QUANTILES]
            found[name][:, of_week] = np.stack([*quantiles, np.rint(quantiles[1]), rates.within(WINDOW)])
    return {name: Cycles(rows[:3], rows[3], rows[4]) for name, rows in found.items()}


def gathered(answers: Mapping[int, Answer], asked: Asked) -> tuple[Cycles, Booleans, Booleans]:
    """Put the ledger's answers of single days into the order of the purchases.

    Returns:
        What was said, and of which pairs there is a cell, and of which it knows fewer than three purchases.
    """
    rows, known = np.zeros((5, len(asked.last))), np.zeros((2, len(asked.last)), np.bool_)
    for day, answer in answers.items():
        if answer.cycles is None:
            raise ValueError("cycles were not asked")
        here = asked.day == day
        rows[:, here] = [*answer.cycles.quantiles, answer.cycles.date, answer.cycles.chance]
        known[:, here] = answer.held, answer.short
    return Cycles(rows[:3], rows[3], rows[4]), known[0], known[1]


def tables(
    history: History,
    days: range,
    medians: Reals,
    answers: Mapping[str, Mapping[int, Answer]],
    learnt: Mapping[str, Cycles],
) -> tuple[Table, Table]:
    """Make tables A2 and B1.

    Args:
        history: Purchase days of all pairs.
        days: Days of the purchases.
        medians: (n,) running medians of `history`.
        answers: What ledgers said, by name and day.
        learnt: What learners said, by name.
    """
    asked = history.after(days)
    until, households = asked.until, history.households(asked)
    of_weeks = f"{date_of(days.start)} to {date_of(days.stop - 1)}, {len(until):,} cycles"
    times = Table(
        f"A2. Time to the next purchase, said at each purchase of {of_weeks}",
        (f"rMAE@{FOLLOW_UP}", f"within {NEAR} d", "C", "80 % holds", "pinball", "date within 7 d"),
    )
    dates = Table(
        f"B1. One alert a cycle, planned at each purchase of {of_weeks}",
        ("best F1", "precision", "recall", "P@R10", "P@R20", "AP"),
    )
    models = rules_of(history, days, medians) | dict(learnt)
    for name, answer in answers.items():
        models[name], held, short = gathered(answer, asked)
        times.notes.append(
            f"{name}: no cell for {float(np.mean(~held)):.1%} of the cycles, answered by the prior alone; "
            f"fewer than three purchases known of {float(np.mean(short)):.1%}"
        )
    for name, said in models.items():
        times.add(name, *_of_times(said, until))
        ranking = alerts(said, until)
        dates.add(
            name, *ranking.best_f1, ranking.precision_at(0.1), ranking.precision_at(0.2),
            ranking.average_precision,
        )  # fmt: skip
    for name, other in compared(answers, models):
        losses = [_losses(models[model], until) for model in (name, other)]
        found = scores.difference(losses[0], losses[1], households)
        times.notes.append(f"pinball, {name} minus {other}: {found}")
        ranked = [_ranked(models[model], until) for model in (name, other)]
        gained = scores.precision_difference(ranked[0], ranked[1], households)
        dates.notes.append(f"AP, {name} minus {other}: {gained}")
    return times, dates


def _of_times(said: Cycles, until: Integers) -> tuple[float, ...]:
    low, middle, high = said.quantiles
    inside = (until >= np.floor(low)) & (until <= np.ceil(high))
    return (
        scores.restricted_error(middle, until, FOLLOW_UP),
        float(np.mean(np.abs(middle - until) <= NEAR)),
        scores.concordance(-middle, until, FOLLOW_UP),
        float(np.mean(inside)),
        float(np.mean(_losses(said, until))),
        float(np.mean(np.abs(said.date - until) <= NEAR)),
    )


def _losses(said: Cycles, until: Integers) -> Reals:
    """Return the (k,) mean pinball loss of the three quantiles, cut off at the follow-up."""
    parts = [
        scores.pinball(days, until, share, FOLLOW_UP)
        for days, share in zip(said.quantiles, QUANTILES, strict=True)
    ]
    losses: Reals = np.mean(parts, axis=0)
    return losses
