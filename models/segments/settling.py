"""Settled minimum of history: with less, ranks say more about the log than about the customer.

On a young log, and for a customer of a few days, recency, frequency and money rank what chance has brought so
far. A single basket of last week is in the lowest fifth by recency, and somebody is always last. Four rules
follow:

- Of a customer who is first seen `new_customer_days` or more after the log began, it is known that there were
  no purchases before. Such a customer is one of the `New Customers` for as many days, whatever the label.
- Of all others it is not known since when they buy. Such a customer is young for `SETTLED_DAYS`: the segment
  may rise and never falls, and it is `New Customers` if the label is worse, or while there are fewer than
  `SETTLED_PURCHASE_DAYS` purchase days.
- Nobody else is one of the `New Customers`: a settled customer whose label says so is `Promising`.
- No customer with fewer purchase days is ever `At Risk`, because there is no habit yet to lose. Such a
  customer is `Hibernating`.

The label, which is exact RFM at the moment asked, ignores these rules.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from models.learning.rfm import DAY_MS, SEGMENTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.learning.rfm import Scores
    from models.state.state import State

SETTLED_DAYS: Final = 28
"""Days since the first purchase after which a customer is settled: four times the commonest rhythm, a week.

With fewer days, a pause of a fortnight between two trips counts as a loss. With more, a real loss is reported
later.
"""
SETTLED_PURCHASE_DAYS: Final = 3
"""Purchase days after which a customer has a habit: two intervals, as many as an alert needs by default.

With fewer days, a first large basket makes a champion. With more, a good customer stays a new one for longer.
"""
NEW = SEGMENTS.index("New Customers")
_PROMISING, _AT_RISK, _HIBERNATING = map(SEGMENTS.index, ("Promising", "At Risk", "Hibernating"))


class Tenure(IntEnum):
    """Knowledge of how long somebody has been a customer."""

    SETTLED = 0
    YOUNG = 1
    """First seen a short while ago, on a log that does not tell whether there were purchases before."""
    NEW = 2


def tenure_of(state: State, rows: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the (k,) `Tenure` of customers as of the boundary begun last.

    Args:
        state: State of the partition.
        rows: (k,) rows of customers who have bought.
    """
    first, opened = state.customers["first_purchase"][rows], state.calendar.start(state.clock.begun + 1)
    days = state.settings.new_customer_days * DAY_MS
    young = first > opened - SETTLED_DAYS * DAY_MS
    tenure = np.where(young, Tenure.YOUNG, Tenure.SETTLED).astype(np.int8)
    if state.limits is not None:
        known = first >= state.calendar.start(state.limits.began) + days
        tenure[known] = Tenure.SETTLED
        tenure[known & (first > opened - days)] = Tenure.NEW
    return tenure


def reportable(labels: Scores, purchase_days: NDArray[np.int64], tenure: NDArray[np.int8]) -> Scores:
    """Turn (k,) labels into the segments that may be reported of their customers.

    >>> found = reportable(
    ...     np.array([0, 0, 6, 6, 6, 0, 3], np.int8),
    ...     np.array([1, 3, 3, 2, 3, 9, 9]),
    ...     np.array([1, 1, 1, 0, 0, 2, 0], np.int8),
    ... )
    >>> [SEGMENTS[segment] for segment in found]  # doctest: +NORMALIZE_WHITESPACE
    ['New Customers', 'Champions', 'New Customers', 'Hibernating', 'At Risk', 'New Customers', 'Promising']
    """
    few = purchase_days < SETTLED_PURCHASE_DAYS
    found = np.where(few & (labels == _AT_RISK), _HIBERNATING, labels)
    found = np.where((found == NEW) & (tenure == Tenure.SETTLED), _PROMISING, found)
    found = np.where((tenure == Tenure.YOUNG) & (few | (found > NEW)), NEW, found)
    segments: Scores = np.where(tenure == Tenure.NEW, NEW, found).astype(np.int8)
    return segments
