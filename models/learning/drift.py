"""Drift of a habit: two cumulative sums of how much longer, or shorter, intervals are than usual [1]_.

A sum of standardised ln D less a slack grows while intervals stay on one side of the usual one, and returns
to 0 while they do not. An alarm goes off when it passes a threshold. Both sums are bytes.

References:
    .. [1] Page (1954). Continuous inspection schemes. Biometrika 41, 100-115.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

STEPS: Final = 64
"""Steps per standard deviation in which the sums are kept: a byte holds up to 3.98."""
SLACK: Final = 0.5
"""Standard deviations by which an interval must be off to count: half of a shift of one is found soonest."""
THRESHOLD: Final = 3.75
"""Standard deviations at which an alarm goes off. Of log-normal intervals that do not change, 1 in 100 raises
one. Half of those that become 2, 3 or 4 times as long after 20 are found within 12, 6 and 4."""
LEAST_INTERVALS: Final = 6
"""Intervals that must be known before another one is judged."""
_FARTHEST: Final = 3.0
"""Standard deviations that a single interval counts for at most: one long holiday is no other habit."""
_LONGEST: Final = 16
"""Intervals within which a change is thought to have begun."""
_PRIOR_INTERVALS: Final = 4.0
_PRIOR_VARIANCE: Final = 0.8
"""Variance of ln D about its mean, and its weight in intervals, before a habit's own is known."""


class Judged(NamedTuple):
    """Sums of k habits after an interval each."""

    sums: NDArray[np.uint8]
    """(k, 2) of longer and of shorter intervals, 1/64 of a standard deviation."""
    alarm: NDArray[np.bool_]
    """(k,) True where the habit is another one now; both sums are then 0."""


def spread_of(variance: Reals, intervals: NDArray[np.int64]) -> Reals:
    """Return the (k,) standard deviations of ln D by which intervals are judged.

    Args:
        variance: (k,) variance of the habit's own ln D.
        intervals: (k,) intervals that it is known from.
    """
    known = intervals * variance + _PRIOR_INTERVALS * _PRIOR_VARIANCE
    spread: Reals = np.sqrt(known / (intervals + _PRIOR_INTERVALS))
    return spread


def judge(sums: NDArray[np.uint8], away: Reals, intervals: NDArray[np.int64]) -> Judged:
    """Add an interval to the sums of each habit.

    Args:
        sums: (k, 2) sums before.
        away: (k,) ln D of the interval less the usual one, in standard deviations.
        intervals: (k,) intervals known before.

    >>> sums = np.zeros((1, 2), np.uint8)
    >>> for away in (1.5, 1.5, -0.5, 1.5, 1.5, 1.5):
    ...     found = judge(sums, np.array([away]), np.array([20]))
    ...     sums = found.sums
    ...     print(sums[0].tolist(), bool(found.alarm[0]))
    [64, 0] False
    [128, 0] False
    [64, 0] False
    [128, 0] False
    [192, 0] False
    [0, 0] True
    """
    steps = np.rint(np.clip(away, -_FARTHEST, _FARTHEST) * STEPS).astype(np.int64)
    grown = np.maximum(sums + np.stack([steps, -steps], axis=1) - round(SLACK * STEPS), 0)
    alarm = (intervals >= LEAST_INTERVALS) & (grown >= THRESHOLD * STEPS).any(axis=1)
    grown[alarm | (intervals < LEAST_INTERVALS)] = 0
    return Judged(np.minimum(grown, 255).astype(np.uint8), alarm)


def began(shift: Reals) -> NDArray[np.int64]:
    """Estimate how many intervals ago changes began at which an alarm goes off: 1 to 16.

    A sum grows by the shift less the slack at each interval.

    Args:
        shift: (k,) ln D of late less the usual one before, standard deviations.

    >>> began(np.array([0.8, -2.5, 0.1])).tolist()
    [12, 2, 16]
    """
    grows = np.maximum(np.abs(shift) - SLACK, THRESHOLD / _LONGEST)
    return np.clip(np.rint(THRESHOLD / grows), 1, _LONGEST).astype(np.int64)
