"""Chance that a customer buys within 90 days: logistic regression, learnt from customers of 90 days ago.

Every customer has a landmark each 90 days, on a day that the hash of the id draws. What is known then is
kept, and learnt from 90 days later, when it is known whether a purchase came: a chance learnt any earlier
would take those who have not bought yet for those who never will. Learning is one Newton step a boundary on a
precision that fades [1]_. Columns, weights and chances are whole multiples of small steps, so that a
boundary's sums are exact in any order. The system of five equations is solved in Python's floats.

References:
    .. [1] Bishop (2006). Pattern Recognition and Machine Learning, 4.3.3 and 4.5.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from math import isfinite, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]

HORIZON_DAYS: Final = 90
"""Days within which a purchase is foreseen."""
LEAST_SEEN: Final = 100.0
"""Landmarks that must be learnt from before a chance is said."""
LEAST_OF_EACH: Final = 5.0
"""Those among them with a purchase, and those without."""
SCALE: Final = 1024
"""Steps per unit of a column and of a weight."""
_CHANCES: Final = 4096
"""Steps per unit of a chance while learning."""
_FINER: Final = 4
"""Steps of the product of two chances, in one step of a chance."""
_HALF_LIFE_DAYS: Final = 364.0
"""Half-life of what was learnt: a year, so that each season counts once before it comes again."""
_RIDGE: Final = 1.0
"""Prior precision of each weight, around 0."""
_CENTRES: Final = (3.0, 5.0, 1.0, 0.0)
"""Values of the columns around which weights are learnt, so that the intercept is not all of them."""


class Column(IntEnum):
    """Columns of a landmark, each a logarithm."""

    ELAPSED = 0
    """Days since the last purchase, and one."""
    AGE = 1
    """Days since the first purchase."""
    TRIPS = 2
    """Trips, decayed with a half-life of 56 days, and .01."""
    SPEND = 3
    """Currency a day, decayed with a half-life of 90 days, and .01."""


WIDTH: Final = len(Column) + 1
_PACK: Final = struct.Struct(f"<{WIDTH + WIDTH * WIDTH + 2}d")


def columns_of(elapsed: Integers, age: Integers, trips: Reals, spend: Reals) -> Integers:
    """Return the (k, 4) columns of customers, 1/1,024.

    Args:
        elapsed: (k,) days since the last purchase.
        age: (k,) days since the first purchase, at least 1.
        trips: (k,) decayed trips.
        spend: (k,) decayed currency a day; what is below 0 counts as 0.

    >>> columns_of(np.array([0]), np.array([1]), np.array([0.99]), np.array([-5.0])).tolist()
    [[0, 0, 0, -4716]]
    """
    logs = np.log(elapsed + 1.0), np.log(age), np.log(trips + 0.01), np.log(np.maximum(spend, 0) + 0.01)
    values = np.stack(logs, axis=1)
    steps: Integers = np.rint(values * SCALE).astype(np.int64)
    return steps


class Activity:
    """Immutable weights, with the precision and the counts that they were learnt from.

    Args:
        weights: 5 weights, the intercept first.
        precision: (5, 5) sums of what landmarks told.
        seen: Landmarks learnt from, faded.
        active: Those among them with a purchase.

    >>> quiet = columns_of(np.arange(1, 301), np.full(300, 300), np.full(300, 2.0), np.full(300, 5.0))
    >>> bought = np.arange(300) % 60 > np.arange(300) // 6
    >>> model = Activity()
    >>> for _ in range(8):
    ...     model = model.learnt(quiet, bought, days=1.0)
    >>> print(np.round(model.of(quiet[[5, 290]]), 2))
    [0.98 0.34]
    >>> Activity.decode(model.encode()).encode() == model.encode()
    True
    >>> Activity().of(quiet) is None
    True
    """

    def __init__(
        self,
        weights: list[float] | None = None,
        precision: Reals | None = None,
        seen: float = 0.0,
        active: float = 0.0,
    ) -> None:
        self.weights = [0.0] * WIDTH if weights is None else weights
        self.precision = np.zeros((WIDTH, WIDTH)) if precision is None else precision
        self.seen, self.active = seen, active

    def learnt(self, columns: Integers, active: NDArray[np.bool_], *, days: float) -> Activity:
        """Return the model after landmarks whose outcome is known, in any order.

        Args:
            columns: (k, 4) columns of the landmarks, 1/1,024.
            active: (k,) True for those that a purchase followed within 90 days.
            days: Days since landmarks were last learnt.
        """
        faded = 0.5 ** (days / _HALF_LIFE_DAYS)
        precision, seen, known = self.precision * faded, self.seen * faded, self.active * faded
        if not len(columns):
            return Activity(self.weights, precision, seen, known)
        rows = _rows(columns)
        chances = np.rint(self._chances(rows) * _CHANCES).astype(np.int64)
        # Sums of whole numbers. A row's numbers are below 2^15 and a bend's below 2^13, so that a million
        # rows fit 63 bits.
        slope = (rows * (active * _CHANCES - chances)[:, None]).sum(axis=0) / (SCALE * _CHANCES)
        bend = chances * (_CHANCES - chances) // (_CHANCES // _FINER)
        told = np.stack([(rows * (rows[:, place] * bend)[:, None]).sum(axis=0) for place in range(WIDTH)])
        precision = precision + told / (SCALE * SCALE * _CHANCES * _FINER)
        step = _solved((precision + _RIDGE * np.eye(WIDTH)).tolist(), slope.tolist())
        weights = [round((old + each) * SCALE) / SCALE for old, each in zip(self.weights, step, strict=True)]
        return Activity(weights, precision, seen + len(active), known + int(active.sum()))

    def of(self, columns: Integers) -> Reals | None:
        """Return the (k,) chances of a purchase within 90 days; None while too little is known.

        Args:
            columns: (k, 4) columns, 1/1,024.
        """
        if self.seen < LEAST_SEEN or min(self.active, self.seen - self.active) < LEAST_OF_EACH:
            return None
        return self._chances(_rows(columns))

    def _chances(self, rows: Integers) -> Reals:
        """Return the chances of (k, 5) rows, added column by column in whole numbers."""
        weights = [round(each * SCALE) for each in self.weights]
        score = sum(rows[:, place] * weight for place, weight in enumerate(weights)) / (SCALE * SCALE)
        chances: Reals = 1 / (1 + np.exp(-np.clip(score, -30, 30)))
        return chances

    def encode(self) -> bytes:
        """Encode the model, 256 bytes."""
        return _PACK.pack(*self.weights, *self.precision.ravel().tolist(), self.seen, self.active)

    @classmethod
    def decode(cls, data: bytes) -> Activity:
        """Decode what `encode` wrote.

        Raises:
            ValueError: The bytes are of another length, or hold impossible numbers.
        """
        if len(data) != _PACK.size:
            raise ValueError(f"a model of activity of {len(data)} bytes instead of {_PACK.size}")
        numbers = list(_PACK.unpack(data))
        seen, active = numbers[-2:]
        if not all(map(isfinite, numbers)) or not 0 <= active <= seen:
            raise ValueError("a model of activity holds numbers that no landmarks give")
        return cls(numbers[:WIDTH], np.array(numbers[WIDTH:-2]).reshape(WIDTH, WIDTH), seen, active)


def _rows(columns: Integers) -> Integers:
    """Return (k, 5) rows: 1 for the intercept, then the columns around their centres, 1/1,024."""
    centres = np.array([round(each * SCALE) for each in _CENTRES])
    return np.column_stack([np.full(len(columns), SCALE), columns.astype(np.int64) - centres])


def _solved(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Solve a positive definite system by Cholesky's method, in an order of its own, unlike a BLAS.

    >>> _solved([[4.0, 2.0], [2.0, 5.0]], [8.0, 8.0])
    [1.5, 1.0]
    """
    size = len(right)
    lower = [[0.0] * size for _ in range(size)]
    for row in range(size):
        for column in range(row + 1):
            rest = matrix[row][column] - sum(lower[row][k] * lower[column][k] for k in range(column))
            lower[row][column] = sqrt(rest) if row == column else rest / lower[column][column]
    forward: list[float] = []
    for row in range(size):
        forward.append((right[row] - sum(lower[row][k] * forward[k] for k in range(row))) / lower[row][row])
    found = [0.0] * size
    for row in reversed(range(size)):
        rest = forward[row] - sum(lower[k][row] * found[k] for k in range(row + 1, size))
        found[row] = rest / lower[row][row]
    return found
