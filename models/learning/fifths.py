"""Fifths by rank with a margin: the score of a value, and the scores that a few points of rank away give.

Somebody always stands next to a limit between two fifths, and moves across it with every purchase of others.
The margin tells how far beyond a limit a rank must lie before the score counts as another one.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Scores = NDArray[np.int8]

STEPS: Final = 10_000
"""Steps of the whole order in which a margin is counted."""
LESS, AT, MORE = range(3)
"""Rows of cuts: of a rank that is less by the margin, of the rank itself, and of one that is more."""
_BEGAN: Final = struct.Struct("<I")
_SHAPE: Final = (3, 3, 4)


def cuts_of(values: Integers, margin: float) -> Integers:
    """Return the (3, 4) cuts between the fifths of n values, n >= 1, for ranks less, as they are, and more.

    The rank of a value is its mid-rank, (less + equal / 2) / n. A score is 1 plus the number of cuts at or
    below the value. Everything is counted in whole numbers, so that no order of the values matters.

    Args:
        values: (n,) values to be ranked, greater is better.
        margin: Share of the order, 0 to 1/2, by which ranks are less or more.

    >>> cuts_of(np.arange(100), 0.1).tolist()
    [[30, 50, 70, 90], [20, 40, 60, 80], [10, 30, 50, 70]]
    """
    known, counts = np.unique(values, return_counts=True)
    ranks = (2 * (np.cumsum(counts) - counts) + counts) * STEPS
    shift = round(margin * STEPS)
    least = 2 * len(values) * (np.arange(1, 5) * STEPS // 5 + np.array([[shift], [0], [-shift]]))
    cuts: Integers = np.append(known, known[-1] + 1)[np.searchsorted(ranks, least)]
    return cuts


def scores_of(values: Integers, cuts: Integers) -> Scores:
    """Return the (3, k) scores 1 to 5 of k values for ranks less, as they are, and more.

    >>> scores_of(np.array([5, 45, 95]), cuts_of(np.arange(100), 0.1)).tolist()
    [[1, 2, 5], [1, 3, 5], [1, 3, 5]]
    """
    scores: Scores = 1 + (values >= cuts[:, :, None]).sum(axis=1, dtype=np.int8)
    return scores


class Limits(NamedTuple):
    """Cuts by which the customers of a partition are ranked until the next boundary."""

    began: int
    """First day of a purchase that the partition knows of: who came later may be new."""
    cuts: Integers
    """(3, 3, 4) cuts between the fifths of smoothed recency (negative: less is better), frequency and spend,
    as `cuts_of` returns them."""

    def scores(self, recency: Integers, frequency: Integers, spend: Integers) -> Scores:
        """Return (3, 3, k) scores: by measure, for ranks less, as they are and more, of k customers.

        Args:
            recency: (k,) smoothed recency.
            frequency: (k,) purchase days of the same customers.
            spend: (k,) their spend.
        """
        measures = (-recency, frequency, spend)
        return np.stack([scores_of(each, cuts) for each, cuts in zip(measures, self.cuts, strict=True)])

    def encode(self) -> bytes:
        """Encode the limits in 292 bytes."""
        return _BEGAN.pack(self.began) + self.cuts.astype("<i8").tobytes()

    @classmethod
    def decode(cls, data: bytes) -> Limits:
        """Decode the limits that `encode` wrote.

        Raises:
            ValueError: The bytes are of another length, or the cuts do not ascend.
        """
        size = _BEGAN.size + 8 * int(np.prod(_SHAPE))
        if len(data) != size:
            raise ValueError(f"limits of segments take {size} bytes, not {len(data)}")
        cuts = np.frombuffer(data, "<i8", offset=_BEGAN.size).reshape(_SHAPE).astype(np.int64)
        if (np.diff(cuts, axis=2) < 0).any() or (np.diff(cuts, axis=1) > 0).any():
            raise ValueError("limits of segments do not ascend")
        return cls(_BEGAN.unpack_from(data)[0], cuts)
