"""Erasure: removal from the ledger of a customer and all of the customer's state, in the order of the log.

Statistics over many customers stay: the priors of categories are sums over all customers. Names in the
dictionaries stay too, because they are the shop's names. Records that topics hold of the past are outside the
ledger's reach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.alerts import lifecycle as alerts
from models.alerts import lists
from models.learning.rfm import RfmScores
from models.ledger.day_end import catch_up

if TYPE_CHECKING:
    from models.records.columns import Records
    from models.state.step import Step


def erase(step: Step, records: Records) -> int:
    """Erase the customer whom a run's first record names, after withdrawing the open alerts and list.

    An erasing record is written to every partition. In a partition without the customer, the record does
    nothing.

    Args:
        step: A step of its own, because other customers' rows change their places.
        records: Run of records.

    Returns:
        Count of the records accounted for, always 1.
    """
    state = step.state
    row = state.rows.get(records.customers[0])
    if row is None:
        return 1
    rows = np.array([row])
    step.touch(rows)
    catch_up(step, rows)
    cause, at = records.event_ids[0], int(records.occurred_at[0])
    alerts.withdraw_all(step, rows, cause=cause, occurred_at=at)
    lists.withdraw_all(step, rows, cause=cause, occurred_at=at)
    # Before the first boundary no histogram holds the customer; the first boundary counts those who remain.
    if state.clock.begun:
        nobody = np.zeros(1, np.int64)
        state.histograms.move(state.standing(rows), RfmScores(nobody, nobody, nobody))
    step.erase(row, int(records.offsets[0]))
    step.counts["erased"] += 1
    return 1
