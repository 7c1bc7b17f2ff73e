"""Calibration of what alerts say, by what became of them: isotonic regression over bins of said chances.

A model's chance is right on average where its assumptions hold, and off where they do not. The service sees
how its own alerts end, so it corrects what it says: of alerts of one chance, as many shall come true as it
says. The correction never changes an order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

SCALE: Final = 10_000
"""Steps per unit in which a chance is kept."""
BINS: Final = 50
"""Bins of equal width from 0 to 1."""
PRIOR_OUTCOMES: Final = 3.0
"""Weight, in outcomes, of the model's own word in each bin: without outcomes, nothing is corrected."""
HALF_LIFE_DAYS: Final = 21.0
"""Half-life of outcomes. What is said drifts with the season: over weeks 28 to 40 of The Complete Journey the
mean gap between said and seen was .044 with 56 days, .017 with 28 and .014 with 21, where the model alone had
.034; with 14 it was .017 again."""


class Calibration:
    """Immutable decayed counts of outcomes by bin of the model's chance, and the correction that follows.

    Args:
        counts: (3, 50) outcomes, those that came true, and sum of the model's chances.

    >>> shy = Calibration().learnt(np.full(900, 5_000), np.arange(900) % 3 > 0, days=1.0)
    >>> print(np.round(shy.of(np.array([0.3, 0.5, 0.95])), 2))
    [0.3  0.66 0.95]
    >>> Calibration.decode(shy.encode()).encode() == shy.encode()
    True
    """

    def __init__(self, counts: Reals | None = None) -> None:
        self.counts = np.zeros((3, BINS)) if counts is None else counts
        self._said, self._seen = _isotonic(self.counts)

    def learnt(
        self, chances: NDArray[np.integer], happened: NDArray[np.bool_], *, days: float
    ) -> Calibration:
        """Return the calibration after outcomes, with older ones faded. Their order plays no part.

        Args:
            chances: (n,) the model's chances, 1/10,000.
            happened: (n,) True where it came true.
            days: Days since outcomes were last learnt.
        """
        steps = chances.astype(np.int64)
        bins = np.minimum(steps * BINS // SCALE, BINS - 1)
        # Sums of whole numbers, so that they are exact.
        weights = np.stack([np.ones(len(bins)), happened, steps])
        added = np.stack([np.bincount(bins, each, BINS) for each in weights]) / [[1], [1], [SCALE]]
        return Calibration(self.counts * np.exp2(-days / HALF_LIFE_DAYS) + added)

    def of(self, chances: Reals) -> Reals:
        """Return what to say instead of the model's chances, in the same order and shape."""
        found: Reals = np.interp(chances, self._said, self._seen)
        return found

    def least(self, said: float) -> float:
        """Return the least chance of the model of which at least a chance is said."""
        return float(np.interp(said, self._seen, self._said))

    def encode(self) -> bytes:
        """Encode the counts, 1,200 bytes."""
        return self.counts.astype("<f8").tobytes()

    @classmethod
    def decode(cls, data: bytes) -> Calibration:
        """Decode the calibration that `encode` wrote.

        Raises:
            ValueError: The bytes are of another length, or hold impossible numbers.
        """
        if len(data) != 3 * BINS * 8:
            raise ValueError(f"a calibration of {len(data)} bytes instead of {3 * BINS * 8}")
        counts = np.frombuffer(data, "<f8").reshape(3, BINS).astype(np.float64)
        if not np.all(np.isfinite(counts)) or np.any(counts < 0) or np.any(counts[1:] > counts[0] + 1e-6):
            raise ValueError("a calibration holds numbers that no outcome gives")
        return cls(counts)


def _isotonic(counts: Reals) -> tuple[Reals, Reals]:
    """Fit the ascending correction by pooling adjacent violators [1]_.

    Args:
        counts: (3, 50) counts, as `Calibration` keeps them.

    Returns:
        (52,) chances of the model and (52,) what is seen, both strictly ascending from 0 to 1.

    References:
        .. [1] Zadrozny, Elkan (2002). Transforming classifier scores into accurate multiclass probability
           estimates. KDD, 694-699.
    """
    centres = (np.arange(BINS) + 0.5) / BINS
    weight = counts[0] + PRIOR_OUTCOMES
    said = (counts[2] + PRIOR_OUTCOMES * centres) / weight
    seen = (counts[1] + PRIOR_OUTCOMES * centres) / weight
    # (blocks) mean, weight and bins of each pooled block, as a stack.
    blocks: list[tuple[float, float, int]] = []
    for mean, mass in zip(seen.tolist(), weight.tolist(), strict=True):
        block = (mean, mass, 1)
        while blocks and blocks[-1][0] >= block[0]:
            last = blocks.pop()
            total = last[1] + block[1]
            block = ((last[0] * last[1] + block[0] * block[1]) / total, total, last[2] + block[2])
        blocks.append(block)
    level = np.repeat([mean for mean, _, _ in blocks], [bins for _, _, bins in blocks])
    # A slope too small to be said keeps the correction invertible.
    level = np.clip(level, 1e-6, 1 - 1e-6) + np.arange(BINS) * 1e-9
    return np.concatenate([[0.0], said, [1.0]]), np.concatenate([[0.0], level, [1.0]])


class Calibrations(NamedTuple):
    """Corrections of both chances that an alert says."""

    hit: Calibration = Calibration()
    """Of a purchase in the alert's window."""
    week: Calibration = Calibration()
    """Of a purchase within 7 days."""

    def encode(self) -> bytes:
        """Encode both, 2,400 bytes."""
        return self.hit.encode() + self.week.encode()

    @classmethod
    def decode(cls, data: bytes) -> Calibrations:
        """Decode what `encode` wrote.

        Raises:
            ValueError: The bytes are of another length, or hold impossible numbers.
        """
        half = len(data) // 2
        return cls(Calibration.decode(data[:half]), Calibration.decode(data[half:]))
