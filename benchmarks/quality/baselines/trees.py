"""LightGBM: chances, times and dates of the next purchase, activity and value, fitted in batches.

A model knows only labels that had ended when it was fitted. What is asked over weeks is answered by a model
fitted when the weeks begin, and by one fitted in their middle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks.quality.log.ours import GRACE, HORIZONS, LEAD, QUANTILES, Cycles, Forecast
from benchmarks.quality.log.windows import FOLLOW_UP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from benchmarks.quality.baselines.features import Features
    from benchmarks.quality.log.pairs import Asked, History

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]

PARAMETERS: Final[dict[str, Any]] = {
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_child_samples": 200,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "num_threads": 1,
    "deterministic": True,
    "seed": 2017,
    "verbose": -1,
}
"""Searched once on the development window: the Brier score at 14 days at the end of weeks 24 and 27."""
TREES: Final = 200
LANDMARKS: Final = 14
"""Weeks before a fit at whose ends the training pairs are asked."""
BINS: Final = np.array([2, 4, 6, 8, 11, 14, 17, 22, 30, 45, 65, FOLLOW_UP])
"""Last day of each bin of the time to the next purchase."""


def chances(
    history: History, features: Features, fits: Sequence[int], cuts: Sequence[int]
) -> Iterator[tuple[int, Forecast]]:
    """Yield the chances of all pairs at some cuts.

    Args:
        history: Purchase days of all pairs.
        features: Columns of the pairs.
        fits: Ascending first unknown days at which models are fitted.
        cuts: Ascending first unknown days at which pairs are asked, none before the first fit.
    """
    models: list[Any] = []
    fitted = -1
    for cut in cuts:
        newest = max(fit for fit in fits if fit <= cut)
        if newest != fitted:
            models = [_binary(history, features, newest, horizon) for horizon in HORIZONS]
            fitted = newest
        columns = features.of(history.at(cut))
        said = np.maximum.accumulate([model.predict(columns) for model in models], axis=0)
        yield cut, Forecast(said, _median_days(said))


def _binary(history: History, features: Features, cut: int, horizon: int) -> Any:
    landmarks = [cut - horizon - 7 * week for week in range(LANDMARKS)]
    asked = [one for one in map(history.at, (mark for mark in landmarks if mark > 0)) if len(one.last)]
    columns = np.concatenate([features.of(one) for one in asked])
    seen = np.concatenate([one.until <= horizon for one in asked])
    return _fitted(columns, seen.astype(np.float64), TREES, objective="binary")


def _median_days(said: Reals) -> Reals:
    """Return the (k,) days by which a half has bought: log survival is straight between the horizons."""
    hazards = np.concatenate([np.zeros((1, said.shape[1])), -np.log1p(-np.clip(said, 1e-6, 1 - 1e-6))])
    days = np.array([0.0, *HORIZONS])
    wanted = np.log(2)
    place = np.clip((hazards < wanted).sum(axis=0), 1, len(days) - 1)
    at = np.arange(said.shape[1])
    low, high = hazards[place - 1, at], hazards[place, at]
    slope = np.maximum(high - low, 1e-6) / (days[place] - days[place - 1])
    found: Reals = days[place - 1] + (wanted - low) / slope
    return np.maximum(found, 1)


def times(history: History, features: Features, days: range) -> Cycles:
    """Return when pairs buy next, said at every purchase of some days.

    One model of hazards, with the bin as a column: the chance that a cycle which reached a bin ends in it. A
    cycle teaches a bin once the bin has ended, so that what is still open teaches its first bins already.
    """
    asked = history.after(days)
    rows = np.zeros((5, len(asked.last)))
    middle = days.start + len(days) // 14 * 7
    for first, stop in ((days.start, middle), (middle, days.stop)):
        here = np.flatnonzero((asked.day >= first) & (asked.day < stop))
        known = history.after(range(first))
        columns = features.of(known)
        begins = np.concatenate([[0], BINS[:-1]])
        at_risk = [
            np.flatnonzero((known.until > begin) & (known.day + end < first))
            for begin, end in zip(begins.tolist(), BINS.tolist(), strict=True)
        ]
        ended = [known.until[which] <= end for which, end in zip(at_risk, BINS.tolist(), strict=True)]
        taught = np.concatenate([_in_bin(columns[which], place) for place, which in enumerate(at_risk)])
        model = _fitted(taught, np.concatenate(ended).astype(np.float64), TREES, objective="binary")
        own = features.of(_those(asked, here))
        hazards = np.stack([model.predict(_in_bin(own, place)) for place in range(len(BINS))], axis=1)
        left = np.cumprod(1 - hazards, axis=1)
        rows[:, here] = _of_bins(1 - left)
    return Cycles(rows[:3], rows[3], rows[4])


def _in_bin(columns: Reals, place: int) -> Reals:
    return np.column_stack([columns, np.full(len(columns), float(place))])


def _those(asked: Asked, which: Integers) -> Asked:
    return type(asked)(*(column[which] for column in asked))


def _of_bins(said: Reals) -> Reals:
    """Return (5, k) quantiles, the date that is hit most likely, and its chance.

    Args:
        said: (k, 12) chances that a cycle has ended by the end of each bin.
    """
    # (k, 92) share that has bought by the end of each day, straight within a bin
    ends = np.concatenate([[0], BINS])
    reached = np.concatenate([np.zeros((len(said), 1)), said], axis=1)
    every = np.arange(FOLLOW_UP + 1)
    place = np.clip(np.searchsorted(ends, every, "left"), 1, len(ends) - 1)
    part = (every - ends[place - 1]) / (ends[place] - ends[place - 1])
    by_day = reached[:, place - 1] * (1 - part) + reached[:, place] * part
    quantiles = [
        np.where(by_day[:, -1] < share, FOLLOW_UP + 1, (by_day < share).sum(axis=1)) for share in QUANTILES
    ]
    dates = np.arange(LEAD + 1, FOLLOW_UP - GRACE + 1)
    hit = by_day[:, dates + GRACE] - by_day[:, dates - LEAD - 1]
    best = np.argmax(hit, axis=1)
    return np.stack([*quantiles, dates[best], hit[np.arange(len(best)), best]]).astype(np.float64)


def activity(known: Reals, active: NDArray[np.bool_], spend: Reals, asked: Reals) -> tuple[Reals, Reals]:
    """Return chances of activity and medians of spend of customers, learnt from earlier ones.

    Args:
        known: (m, f) columns of earlier customers.
        active: (m,) True of those who were active.
        spend: (m,) what they spent.
        asked: (k, f) columns of the customers asked about.
    """
    own = {"min_child_samples": 20, "num_leaves": 15}
    chance = _fitted(known, active.astype(np.float64), TREES, objective="binary", **own)
    amount = _fitted(known, spend, TREES, objective="l1", **own)
    return chance.predict(asked), np.maximum(amount.predict(asked), 0)


def _fitted(columns: Reals, target: Reals, trees: int, **more: Any) -> Any:
    import lightgbm  # noqa: PLC0415 - of the benchmark's own group of packages

    return lightgbm.train(PARAMETERS | more, lightgbm.Dataset(columns, target), num_boost_round=trees)
