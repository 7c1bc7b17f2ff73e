"""Erasure: a customer leaves the ledger in the order of the log, and with them all that was theirs.

What was learnt from many stays: the priors of categories are sums over all customers, and names in the
dictionaries are the shop's. What the topics keep of the past is not the ledger's to take back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.alerts import lifecycle as alerts
from models.learning.rfm import Standing
from models.ledger.day_end import catch_up

if TYPE_CHECKING:
    from models.records.columns import Records
    from models.state.step import Step


def erase(step: Step, records: Records) -> int:
    """Erase the customer whom a run's first record names, if there is one; open alerts are withdrawn first.

    A record that names nobody whom the partition knows does nothing: it goes to every partition.

    Args:
        step: A step of its own: other customers' rows change their places.
        records: A run of records.

    Returns:
        How many of them are accounted for: that one.
    """
    state = step.state
    row = state.rows.get(records.customers[0])
    if row is None:
        return 1
    rows = np.array([row])
    step.touch(rows)
    catch_up(step, rows)
    alerts.withdraw_all(step, rows, cause=records.event_ids[0], occurred_at=int(records.occurred_at[0]))
    if state.clock.begun:  # the first boundary counts those who are there then
        nobody = np.zeros(1, np.int64)
        state.histograms.move(state.standing(rows), Standing(nobody, nobody, nobody))
    step.erase(row, int(records.offsets[0]))
    step.counts["erased"] += 1
    return 1
