"""Next boundary at which something is due for a customer: an alert, a list, or a lapsed habit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.alerts import lapses, lifecycle, lists
from models.state.columns import NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.state import State


def next_due(state: State, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the (k,) next boundary (day) at which something of customers is due; `NEVER` without one."""
    due = np.stack([of.next_due(state, rows) for of in (lifecycle, lists, lapses)])
    soonest = np.where(due == NEVER, np.iinfo(np.int64).max, due).min(axis=0)
    return np.where((due == NEVER).all(axis=0), NEVER, soonest)
