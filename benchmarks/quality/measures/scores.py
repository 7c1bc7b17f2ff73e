"""Measures of chances, ranks and days against what was seen.

Ties in ranks count a half: two equal scores, one of a purchase and one of none, are half in order. An average
precision takes equal scores together, so that the order of the rows plays no part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Reals = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Booleans = NDArray[np.bool_]

TENTHS: Final = 10
DRAWS: Final = 400
"""Draws of a bootstrap over households."""
SEED: Final = 2017


class Difference(NamedTuple):
    """Mean difference of two models, and its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


def brier(said: Reals, seen: Booleans) -> float:
    """Return the mean squared difference of chances and what was seen."""
    return float(np.mean((said - seen) ** 2))


def area(score: Reals, seen: Booleans) -> float:
    """Return the chance that a purchase ranks above none: the area under the ROC curve, ties a half.

    >>> area(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]))
    0.875
    """
    others = np.sort(score[~seen])
    below = np.searchsorted(others, score[seen], "left") + np.searchsorted(others, score[seen], "right")
    return float(below.mean() / 2 / max(len(others), 1)) if len(below) else float("nan")


def concordance(score: Reals, until: Integers, follow_up: int) -> float:
    """Return Harrell's C: of two pairs of which one is known to buy first, that one has the greater score.

    Args:
        score: (k,) the greater, the sooner.
        until: (k,) days to the next purchase.
        follow_up: Days after which nothing is seen.

    >>> concordance(np.array([3.0, 2.0, 2.0]), np.array([1, 5, 99]), 91)
    0.8333333333333334
    """
    capped = np.minimum(until, follow_up + 1)
    order = np.argsort(capped, kind="stable")[::-1]
    score, capped = score[order], capped[order]
    bounds = np.append(np.flatnonzero(np.diff(capped, prepend=-1)), len(capped))
    later = np.zeros(0)
    right = total = 0.0
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        group = score[first:last]
        if capped[first] <= follow_up:
            both = np.searchsorted(later, group, "left") + np.searchsorted(later, group, "right")
            right += both.sum() / 2
            total += len(group) * len(later)
        later = np.sort(np.concatenate([later, group]), kind="stable")
    return float(right / total) if total else float("nan")


def restricted_error(days: Reals, until: Integers, limit: int) -> float:
    """Return the mean of |min(said, limit) - min(seen, limit)|, days."""
    return float(np.mean(np.abs(np.minimum(days, limit) - np.minimum(until, limit))))


def calibration_error(said: Reals, seen: Booleans) -> float:
    """Return the expected calibration error: over tenths of the rows by what was said, the mean gap.

    Equal numbers of rows stand in each tenth, in the order of what was said.

    >>> said = np.repeat([0.0, 1.0], 10)
    >>> round(calibration_error(said, np.arange(20) >= 8), 3)
    0.1
    """
    order = np.argsort(said, kind="stable")
    parts = np.array_split(order, TENTHS)
    gaps = [abs(said[part].mean() - seen[part].mean()) * len(part) for part in parts if len(part)]
    return float(sum(gaps) / len(said))


class Ranking:
    """Precision at every depth of a list, from the greatest score down.

    Args:
        score: (k,) scores; minus infinity stands for what is never named.
        hit: (k,) True for what is right if it is named.
        counts: (k,) False for what neither helps nor harms if it is named.
        relevant: Number of all that could have been found; None takes the hits.
    """

    def __init__(
        self, score: Reals, hit: Booleans, *, counts: Booleans | None = None, relevant: int | None = None
    ) -> None:
        counted = np.isfinite(score) if counts is None else counts & np.isfinite(score)
        score, hit = score[counted], hit[counted]
        order = np.argsort(-score, kind="stable")
        # (d,) depths at which a run of equal scores ends
        depth = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)[: len(order)]
        found = np.cumsum(hit[order])[depth] if len(order) else np.zeros(0)
        self.precision = found / (depth + 1) if len(order) else np.zeros(0)
        self.recall = found / max(relevant if relevant is not None else int(hit.sum()), 1)

    @property
    def average_precision(self) -> float:
        """Area under precision over recall, in steps, equal scores taken together."""
        return float(np.sum(np.diff(self.recall, prepend=0) * self.precision))

    @property
    def best_f1(self) -> tuple[float, float, float]:
        """The greatest F1, and precision and recall there."""
        both = self.precision + self.recall
        f1 = 2 * self.precision * self.recall / np.maximum(both, 1e-12)
        if not len(f1):
            return 0.0, 0.0, 0.0
        at = int(np.argmax(f1))
        return float(f1[at]), float(self.precision[at]), float(self.recall[at])

    def precision_at(self, recall: float) -> float:
        """Return the precision where the recall is first reached; 0 where it never is."""
        at = int(np.searchsorted(self.recall, recall))
        return float(self.precision[at]) if at < len(self.precision) else 0.0

    def recall_at(self, precision: float) -> float:
        """Return the greatest recall at which the precision holds; 0 where it never does."""
        held = self.recall[self.precision >= precision]
        return float(held.max()) if len(held) else 0.0


def pinball(days: Reals, until: Integers, share: float, limit: int) -> Reals:
    """Return the (k,) pinball losses of a quantile, both sides cut at a limit, days.

    >>> pinball(np.array([10.0, 10.0]), np.array([5, 20]), 0.9, 91).tolist()
    [0.4999999999999999, 9.0]
    """
    left = np.minimum(until, limit) - np.minimum(days, limit)
    return np.maximum(share * left, (share - 1) * left)


def difference(one: Reals, other: Reals, households: Integers, *, draws: int = DRAWS) -> Difference:
    """Compare two losses, or two gains, row by row: a bootstrap over households.

    Args:
        one: (k,) values of one model.
        other: (k,) values of the other, on the same rows.
        households: (k,) household of each row.
        draws: Draws of as many households as there are, with replacement.

    Returns:
        The mean of `one` - `other` over rows, and its 95 % interval.
    """
    _, place = np.unique(households, return_inverse=True)
    sums, counts = np.bincount(place, one - other), np.bincount(place)
    random = np.random.default_rng(SEED)
    drawn = random.integers(0, len(counts), (draws, len(counts)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [0.025, 0.975])
    return Difference(float(np.mean(one - other)), float(low), float(high))


class Ranked(NamedTuple):
    """Rows as one model ranks them, for `precision_difference`."""

    score: Reals
    hit: Booleans
    """(k,) True for what is right if it is named."""
    counts: Booleans
    """(k,) False for what neither helps nor harms if it is named."""
    relevant: Booleans
    """(k,) True for what could have been found."""


def precision_difference(
    one: Ranked, other: Ranked, households: Integers, *, draws: int = DRAWS
) -> Difference:
    """Compare two average precisions of the same rows: a bootstrap over households.

    Args:
        one: Rows as one model ranks them.
        other: The same rows as another one does.
        households: (k,) household of each row.
        draws: Draws of as many households as there are, with replacement.

    Returns:
        The difference, and its 95 % interval.

    >>> hit = np.array([True, False, True, False])
    >>> every = np.ones(4, np.bool_)
    >>> right = Ranked(np.array([4.0, 1.0, 3.0, 2.0]), hit, every, hit)
    >>> wrong = right._replace(score=-right.score)
    >>> print(precision_difference(right, wrong, np.arange(4), draws=9))
    +0.5833 [+0.0000, +0.7167]
    """
    _, place = np.unique(households, return_inverse=True)
    count = int(place.max()) + 1
    precisions = [_weighted_precision(ranked, place) for ranked in (one, other)]
    random = np.random.default_rng(SEED)
    found = []
    for _ in range(draws):
        times = np.bincount(random.integers(0, count, count), minlength=count).astype(np.float64)
        found.append(precisions[0](times) - precisions[1](times))
    low, high = np.quantile(found, [0.025, 0.975])
    whole = np.ones(count)
    return Difference(precisions[0](whole) - precisions[1](whole), float(low), float(high))


def _weighted_precision(ranked: Ranked, place: Integers) -> Callable[[Reals], float]:
    """Return the average precision as a function of how often each household is drawn."""
    counted = ranked.counts & np.isfinite(ranked.score)
    score, hit, owner = ranked.score[counted], ranked.hit[counted], place[counted]
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)[: len(order)]
    hit, owner = hit[order], owner[order]
    relevant = np.bincount(place[ranked.relevant], minlength=int(place.max()) + 1)

    def precision(times: Reals) -> float:
        weight = times[owner]
        named, found = np.cumsum(weight)[ends], np.cumsum(weight * hit)[ends]
        recall = found / max(float(relevant @ times), 1.0)
        return float(np.sum(np.diff(recall, prepend=0) * found / np.maximum(named, 1e-9)))

    return precision
