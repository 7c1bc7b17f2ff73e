"""Priors: distribution of ln D in a category, for customers with little history, learnt as days are folded.

Priors are empirical Bayes on two levels. A customer's cell is shrunk to its category
(`models.learning.intervals`), and a category is shrunk to all categories. All categories together are shrunk
to a fixed weak belief (`FIRST_BELIEF`), so that there is a prior on the first day.

A cell with frequent purchases has many intervals, and would dominate its category. The j-th interval of a
cell therefore weighs 1/j. The weight needs nothing but the cell's own row.

The order of trips does not matter. Within a day the sums are integers of 2^-20. `adopt` adds the sums to the
decayed float64 sums at the next boundary. Only from then on do they affect the priors.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from models.learning.intervals import CategoryPrior, Statistic

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from models.learning.intervals import Cells

    Reals = NDArray[np.float64]

CATEGORIES = 2_048
"""Largest count of categories with a prior of their own. The row then takes 164 KB at most; with twice as
many it would outgrow 256 KB."""
SCALE = 1 << 20
"""Fixed-point steps per unit. Sums of a day stay exact up to 10^11 intervals."""
HALF_LIFE_DAYS = 365.0
"""Half-life of evidence, in days: seasons average out, and a change of assortment is forgotten in time."""
SUMS = 5
"""Columns of sums: weight, weighted ln D and weighted (ln D)^2; weight and weighted square of deviations from
a cell's own mean."""
FIRST_WEIGHT = 20.0
"""Weight of the fixed belief, in first intervals."""
FIRST_BELIEF = np.array([1.0, 3.0, 3.0**2 + 1.1, 1.0, 0.8]) * FIRST_WEIGHT
"""Sums of the fixed belief: median interval 20 days, variance of ln D .8 within a cell and 1.1 over all."""
SHRINKAGE_BOUNDS = (2.0, 200.0)
"""Least and greatest weight of all categories together beside one category's own evidence, in first
intervals."""


class Priors:
    """Decayed statistics of ln D for each category. Readers see the statistics of the last `adopt`.

    Args:
        categories: Count of category numbers (0 to `categories` - 1) with statistics of their own. All other
            numbers, such as -1, share one row.

    Raises:
        ValueError: `categories` is not 1 to `CATEGORIES`.

    Examples:
        >>> from models.learning.intervals import observe
        >>> priors = Priors(categories=16)
        >>> cells = observe(np.zeros((4, len(Statistic)), np.float32), 6210, 1.0)
        >>> priors.learn([3, 3, 3, 3], cells, [6215, 6216, 6218, 6220])
        >>> print(np.round(priors.of([3]).location, 3))
        [3.]
        >>> priors.adopt()
        >>> print(np.round(priors.of([3, 4]).location, 3))
        [2.807 2.824]
        >>> Priors.decode(priors.encode(), categories=16).of([3]) == priors.of([3])
        True

    References:
        .. [1] Efron, Morris (1975). Data analysis using Stein's estimator. JASA 70, 311-319.
        .. [2] Searle, Casella, McCulloch (1992). Variance Components, ch. 3.6 (moments of unbalanced data).
    """

    def __init__(self, categories: int = CATEGORIES) -> None:
        if not 1 <= categories <= CATEGORIES:
            raise ValueError(f"categories must be 1 to {CATEGORIES}, not {categories}")
        self.categories = categories
        self._adopted = np.zeros((categories + 1, SUMS), np.float64)
        self._pending = np.zeros((categories + 1, SUMS), np.int64)
        self._see()

    def learn(self, categories: ArrayLike, cells: Cells, day: ArrayLike) -> None:
        """Add the intervals that trips on `day` end, in any order. Readers see them after the next `adopt`.

        Args:
            categories: (k,) category numbers.
            cells: (k, 11) statistics before the trips. Cells without a trip yet teach nothing.
            day: Business day of the trips, one or (k,), later than the last trip of each cell.
        """
        # Stage 1: (k,) intervals that the trips end, and the count of earlier intervals in each cell.
        values = cells.astype(np.float64)
        before = values[:, Statistic.PURCHASES] - 1
        taught = before >= 0
        before = np.maximum(before, 0.0)
        gap = np.asarray(day, np.float64) - values[:, Statistic.LAST_DAY]
        log = np.log(np.maximum(gap, 1.0))
        # Stage 2: (k,) weights 1/j and squared deviations from the cell's own earlier mean. Multiplied by
        # (j - 1) / j, the expectation of a square is the variance within a cell.
        weight = taught / (before + 1)
        again = weight * (before > 0)
        deviation = log - values[:, Statistic.MEAN_LOG]
        square = deviation**2 * before / (before + 1)
        # Stage 3: (k, 5) sums as integers, so that their order does not matter.
        parts = np.stack([weight, weight * log, weight * log**2, again, again * square], axis=1)
        np.add.at(self._pending, self._rows(categories), np.rint(parts * SCALE).astype(np.int64))

    def adopt(self, days: float = 1.0) -> None:
        """Put the learnt sums into force, and let older sums fade.

        Args:
            days: Days by which older sums fade, 0 or more.
        """
        self._adopted *= np.exp2(-days / HALF_LIFE_DAYS)
        self._adopted += self._pending / SCALE
        self._pending[:] = 0
        self._see()

    def of(self, categories: ArrayLike) -> CategoryPrior:
        """Return the priors of category numbers."""
        rows = self._rows(categories)
        return CategoryPrior(self._location[rows], self._variance[rows])

    def encode(self) -> bytes:
        """Encode adopted and pending sums: 80 bytes per category up to the last in use, at most 164 KB."""
        used = np.flatnonzero((self._adopted[:-1, 0] > 0) | (self._pending[:-1, 0] > 0))
        rows = int(used[-1]) + 1 if len(used) else 0
        keep = np.append(np.arange(rows), self.categories)
        parts: tuple[bytes, bytes] = (
            self._adopted[keep].astype("<f8").tobytes(),
            self._pending[keep].astype("<i8").tobytes(),
        )
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes, categories: int = CATEGORIES) -> Priors:
        """Decode the priors that `encode` wrote.

        Raises:
            ValueError: The bytes are of a length that `encode` never writes, or hold impossible numbers.
        """
        rows, rest = divmod(len(data), SUMS * 16)
        if rest or not 1 <= rows <= categories + 1:
            raise ValueError(
                f"priors of {len(data)} bytes are no whole number of categories up to {categories}"
            )
        adopted = np.frombuffer(data, "<f8", rows * SUMS).reshape(rows, SUMS)
        pending = np.frombuffer(data, "<i8", rows * SUMS, rows * SUMS * 8).reshape(rows, SUMS)
        if not np.all(np.isfinite(adopted)) or np.any(adopted < 0) or np.any(pending < 0):
            raise ValueError("priors hold numbers that no evidence gives")
        priors = cls(categories)
        keep = np.append(np.arange(rows - 1), categories)
        priors._adopted[keep] = adopted
        priors._pending[keep] = pending
        priors._see()
        return priors

    def _rows(self, categories: ArrayLike) -> NDArray[np.int64]:
        numbers = np.asarray(categories, np.int64)
        return np.where((numbers >= 0) & (numbers < self.categories), numbers, self.categories)

    def _see(self) -> None:
        """Shrink every category to all categories together.

        The weight of all categories is the variance within categories over the variance between categories
        (Efron, Morris), kept within `SHRINKAGE_BOUNDS`. The variance between categories is estimated by
        moments for unbalanced data (Searle et al.). The references stand at `Priors`.
        """
        # Stage 1: mean, variance within a cell and variance over all intervals, for all categories together.
        # `fsum` rounds exactly, so that sums are equal in any numbering of categories.
        sums = np.array([math.fsum(column) for column in self._adopted.T])
        whole = sums + FIRST_BELIEF
        mean, variance = whole[1] / whole[0], whole[4] / whole[3]
        spread = whole[2] / whole[0] - mean**2
        # Stage 2: weight of all categories, from the variance between the means of categories.
        weight = self._adopted[:-1, 0]
        total = math.fsum(weight)
        pull = SHRINKAGE_BOUNDS[1]
        if np.count_nonzero(weight) > 1:
            means = self._adopted[:-1, 1] / np.maximum(weight, 1e-300)
            own = math.fsum(self._adopted[:-1, 1]) / total
            unbalanced = total - math.fsum(weight**2) / total
            excess = math.fsum(weight * (means - own) ** 2) - (np.count_nonzero(weight) - 1) * spread
            between = max(excess / max(unbalanced, 1e-9), 1e-9)
            pull = float(np.clip(spread / between, *SHRINKAGE_BOUNDS))
        # Stage 3: (categories + 1,) location and variance of each category.
        self._location = (self._adopted[:, 1] + pull * mean) / (self._adopted[:, 0] + pull)
        self._variance = (self._adopted[:, 4] + pull * variance) / (self._adopted[:, 3] + pull)
