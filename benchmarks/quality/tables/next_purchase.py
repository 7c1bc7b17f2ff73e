"""A1 and B2: who buys within days, asked at the end of weeks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from benchmarks.quality.baselines import rules
from benchmarks.quality.log.ours import HORIZONS, Answer, Forecast
from benchmarks.quality.log.windows import FOLLOW_UP, date_of
from benchmarks.quality.measures import scores
from benchmarks.quality.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.quality.log.pairs import Asked, History

    Reals = NDArray[np.float64]

OURS: Final = "**Cartpulse**"
OURS_SPLIT: Final = "Cartpulse, 16 partitions"
BASE: Final = "base rate 28 days before"
MEDIAN: Final = "own median interval"
POISSON_GAMMA: Final = "Poisson-Gamma"
GAMMA_POISSON: Final = "decayed Gamma-Poisson"
TREES: Final = "LightGBM"
MID_WEEK: Final = 3.5
"""Days by which the middle of the week asked for is ahead."""


def compared(ledgers: Iterable[str], models: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield who is compared with whom: the first ledger with all baselines, the others with the first.

    >>> list(compared(["one", "16"], ["one", "16", "rule"]))
    [('one', 'rule'), ('16', 'one')]
    """
    known = list(ledgers)
    for first in known[:1]:
        yield from ((first, model) for model in models if model not in known)
        yield from ((other, first) for other in known[1:])


class Said(NamedTuple):
    """What a model says of k pairs at a cut; None of what it does not say."""

    score: Reals
    """(k,) the greater, the sooner."""
    forecast: Forecast | None
    days: Reals | None


def rules_at(history: History, asked: Asked, cut: int, medians: Reals) -> dict[str, Said]:
    """Return what the rules say."""
    base = rules.base_rates(history, asked, cut, HORIZONS, back=max(HORIZONS))
    zeros = np.zeros(len(asked.last))
    said = {BASE: Said(zeros, Forecast(base, zeros), None)}
    days = rules.remaining_median(history, asked, medians)
    due = rules.chances_of_due_days(history, asked, cut, medians, HORIZONS)
    said[MEDIAN] = Said(-days, Forecast(due, days), days)
    for name, estimate in (
        (POISSON_GAMMA, rules.poisson_gamma),
        (GAMMA_POISSON, rules.decayed_gamma_poisson),
    ):
        rates = estimate(history, asked, cut)
        chances = np.stack([rates.within(horizon) for horizon in HORIZONS])
        said[name] = Said(chances[1], Forecast(chances, rates.quantile(0.5)), rates.quantile(0.5))
    return said


def said_by(answer: Answer) -> Said:
    """Return what the ledger says."""
    if answer.forecast is None:
        raise ValueError("chances were not asked")
    return Said(answer.forecast.chances[1], answer.forecast, answer.forecast.days)


def table_of_pairs(
    history: History,
    cut: int,
    medians: Reals,
    answers: Mapping[str, Answer],
    learnt: Mapping[str, Said],
) -> Table:
    """Make table A1 of a cut.

    Args:
        history: Purchase days of all pairs.
        cut: First unknown day.
        medians: (n,) running medians of `history`.
        answers: What ledgers said, by name.
        learnt: What learners said, by name.
    """
    asked = history.at(cut)
    seen = [asked.until <= horizon for horizon in HORIZONS]
    columns = ["C", *(f"{name}@{h}" for name in ("AUC", "Brier", "ECE") for h in HORIZONS)]
    table = Table(
        f"A1. Next purchase, asked at the end of {date_of(cut - 1)}, {len(asked.last):,} pairs",
        (*columns, "rMAE@28", f"rMAE@{FOLLOW_UP}"),
    )
    models = rules_at(history, asked, cut, medians) | dict(learnt)
    models |= {name: said_by(answer) for name, answer in answers.items()}
    for name, said in models.items():
        ranks = [said.score] * 3 if said.forecast is None or name == MEDIAN else list(said.forecast.chances)
        cells = [scores.concordance(said.score, asked.until, FOLLOW_UP)]
        cells += [scores.area(rank, truth) for rank, truth in zip(ranks, seen, strict=True)]
        table.add(name, *cells, *_of_chances(said, seen), *_of_days(said, asked))
    table.notes.append(
        "bought within 7, 14, 28 days: " + ", ".join(f"{float(truth.mean()):.4f}" for truth in seen)
    )
    table.notes += _notes(history, asked, answers, models, seen[1])
    return table


def _of_chances(said: Said, seen: Sequence[NDArray[np.bool_]]) -> Sequence[float | None]:
    if said.forecast is None:
        return [None] * (2 * len(seen))
    each = list(zip(said.forecast.chances, seen, strict=True))
    return [scores.brier(*one) for one in each] + [scores.calibration_error(*one) for one in each]


def _of_days(said: Said, asked: Asked) -> Sequence[float | None]:
    if said.days is None:
        return [None, None]
    return [scores.restricted_error(said.days, asked.until, limit) for limit in (28, FOLLOW_UP)]


def _notes(
    history: History,
    asked: Asked,
    answers: Mapping[str, Answer],
    models: Mapping[str, Said],
    seen: NDArray[np.bool_],
) -> Iterable[str]:
    for name, answer in answers.items():
        yield (
            f"{name}: no cell for {float(np.mean(~answer.held)):.1%} of the pairs, scored by the prior "
            f"alone; fewer than three purchases known of {float(np.mean(answer.short)):.1%}"
        )
    for name, other in compared(answers, models):
        forecasts = [model.forecast for model in (models[name], models[other])]
        losses = [(said.chances[1] - seen) ** 2 for said in forecasts if said is not None]
        found = scores.difference(losses[0], losses[1], history.households(asked))
        yield f"Brier@14, {name} minus {other}: {found}"


class Digests(NamedTuple):
    """What models say of all pairs at the end of some Sundays, one entry per pair and Sunday."""

    scores: dict[str, Reals]
    """By model, chance of a purchase within 7 days; a score alone of the median."""
    seen: NDArray[np.bool_]
    households: NDArray[np.int64]


def digests(
    history: History,
    cuts: Sequence[int],
    medians: Reals,
    answers: Mapping[str, Mapping[int, Answer]],
    learnt: Mapping[str, Mapping[int, Said]],
) -> Digests:
    """Gather what is judged in B2; the arguments are those of `table_of_digests`."""
    chances: dict[str, list[Reals]] = {}
    seen, households = [], []
    for cut in cuts:
        asked = history.at(cut)
        seen.append(asked.until <= HORIZONS[0])
        households.append(history.households(asked))
        models = rules_at(history, asked, cut, medians)
        del models[BASE]
        models |= {name: said_by(answer[cut]) for name, answer in answers.items()}
        models |= {name: said[cut] for name, said in learnt.items()}
        for name, said in models.items():
            if said.forecast is not None and name != MEDIAN:
                chances.setdefault(name, []).append(said.forecast.chances[0])
        due = np.log((history.elapsed(asked) + MID_WEEK) / np.maximum(medians[asked.last], 1))
        chances.setdefault(MEDIAN, []).append(-np.abs(due))
    joined = {name: np.concatenate(parts) for name, parts in chances.items()}
    return Digests(joined, np.concatenate(seen), np.concatenate(households))


def table_of_digests(found: Digests, cuts: Sequence[int], ledgers: Iterable[str]) -> Table:
    """Make table B2: of all pairs, at the end of each Sunday, who buys within 7 days.

    Args:
        found: What models say.
        cuts: First unknown days.
        ledgers: Names of ledgers among the models.
    """
    truth = found.seen
    every = np.ones(len(truth), np.bool_)
    table = Table(
        f"B2. Weekly digest, {len(cuts)} Sundays, {len(truth):,} pair-weeks, "
        f"{float(truth.mean()):.1%} bought",
        ("AP", "P@R10", "P@R30", "R@P50", "Brier", "ECE"),
    )
    for name, week in found.scores.items():
        ranking = scores.Ranking(week, truth)
        ranks = (
            ranking.average_precision, ranking.precision_at(0.1), ranking.precision_at(0.3),
            ranking.recall_at(0.5),
        )  # fmt: skip
        if name == MEDIAN:
            table.add(name, *ranks, None, None)
        else:
            table.add(name, *ranks, scores.brier(week, truth), scores.calibration_error(week, truth))
    ranked = {name: scores.Ranked(week, truth, every, truth) for name, week in found.scores.items()}
    for name, other in compared(ledgers, ranked):
        gained = scores.precision_difference(ranked[name], ranked[other], found.households)
        table.notes.append(f"AP, {name} minus {other}: {gained}")
    table.notes.append(
        "own median interval: the closer the middle of the week lies to the due date, by ratio, the higher"
    )
    return table
