"""Settled minimum of history: with less, ranks say more about the log than about the customer.

On a young log, and for a customer of a few days, recency, frequency and money rank what chance has brought so
far. A single basket of last week is in the lowest fifth by recency, and somebody is always last. Three rules
follow:

- A customer is new whose first purchase is less than `SETTLED_DAYS` ago. A new customer's segment may rise
  and never falls. If the label is worse than `New Customers`, the segment is `New Customers`.
- A new customer with fewer than `SETTLED_PURCHASE_DAYS` purchase days is one of the `New Customers`, whatever
  the label.
- No customer with fewer purchase days is ever `At Risk`, because there is no habit yet to lose. Such a
  customer is `Hibernating`.

The label, which is exact RFM at the moment asked, ignores these rules.
"""

from __future__ import annotations

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
_NEW, _AT_RISK, _HIBERNATING = map(SEGMENTS.index, ("New Customers", "At Risk", "Hibernating"))


def is_new(state: State, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (k,) True for customers whose first purchase is too recent, as of the boundary begun last.

    Args:
        state: State of the partition.
        rows: (k,) rows of customers who have bought.
    """
    since = state.calendar.start(state.clock.begun + 1) - SETTLED_DAYS * DAY_MS
    new: NDArray[np.bool_] = state.customers["first_purchase"][rows] > since
    return new


def reportable(labels: Scores, purchase_days: NDArray[np.int64], new: NDArray[np.bool_]) -> Scores:
    """Turn (k,) labels into the segments that may be reported of their customers.

    >>> found = reportable(
    ...     np.array([0, 0, 6, 6, 6], np.int8),
    ...     np.array([1, 3, 3, 2, 3]),
    ...     np.array([True, True, True, False, False]),
    ... )
    >>> [SEGMENTS[segment] for segment in found]
    ['New Customers', 'Champions', 'New Customers', 'Hibernating', 'At Risk']
    """
    few = purchase_days < SETTLED_PURCHASE_DAYS
    found = np.where(few & (labels == _AT_RISK), _HIBERNATING, labels)
    found = np.where(new & (few | (found > _NEW)), _NEW, found)
    segments: Scores = found.astype(np.int8)
    return segments
