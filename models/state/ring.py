"""Ring of a customer's recent events, by which an event that comes again is recognised."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from models.state.columns import NO_EVENT

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Verdict(IntEnum):
    """Decision of a ring on an event."""

    NEW = 0
    """Event never seen; it is entered."""
    DUPLICATE = 1
    """Event with the id, time and content of a remembered event."""
    CHANGED = 2
    """Event with the id and time of a remembered event and other content: it was edited."""
    REUSED_ID = 3
    """Event with the id of a remembered event at another time. Ids of outputs derive from the event's id."""
    TOO_OLD = 4
    """Event below the least of a full ring: it may have been counted before and forgotten."""


class Ring:
    """Rings of recent events, one per customer: the greatest `RING` pairs of (time, hash of the event id).

    The pairs kept do not depend on the order in which the events come.

    Args:
        customers: (n,) records of `CUSTOMER`, changed in place by `enter`.

    >>> from models.state.columns import CUSTOMER, NO_EVENT
    >>> customers = np.zeros(1, CUSTOMER)
    >>> customers["ring_at"] = NO_EVENT
    >>> def enter(at, event, content):
    ...     one = np.array([at]), np.array([event], np.uint64), np.array([content], np.uint32)
    ...     return Verdict(Ring(customers).enter(np.array([0]), *one)[0]).name
    >>> enter(at=1000, event=7, content=1), enter(at=1000, event=7, content=1)
    ('NEW', 'DUPLICATE')
    >>> enter(at=1000, event=7, content=2), enter(at=2000, event=7, content=1)
    ('CHANGED', 'REUSED_ID')
    >>> {enter(at=number, event=number, content=0) for number in range(3000, 3031)}
    {'NEW'}
    >>> enter(at=999, event=8, content=0), enter(at=1000, event=6, content=0)
    ('TOO_OLD', 'TOO_OLD')
    >>> enter(at=1000, event=8, content=0), enter(at=1000, event=7, content=1)
    ('NEW', 'TOO_OLD')
    """

    def __init__(self, customers: NDArray[Any]) -> None:
        self._customers = customers

    def enter(
        self,
        rows: NDArray[np.int64],
        at: NDArray[np.int64],
        event: NDArray[np.uint64],
        content: NDArray[np.uint32],
    ) -> NDArray[np.uint8]:
        """Decide on an event of each of k customers, and enter the new ones in place of the least.

        Args:
            rows: (k,) rows of the customers, each once.
            at: (k,) event times, ms since 1970 UTC.
            event: (k,) hashes of the event ids.
            content: (k,) hashes of the contents.

        Returns:
            (k,) `Verdict` of each event.
        """
        # Stage 1: compare the (k,) events with the (k, 32) places. Leaves (k,) verdicts on the known ones.
        customers = self._customers
        ring_at, ring_hash = customers["ring_at"][rows], customers["ring_hash"][rows]
        same_id = (ring_hash == event[:, None]) & (ring_at != NO_EVENT)
        same = same_id & (ring_at == at[:, None])
        again = np.flatnonzero(same.any(axis=1))
        verdicts = np.where(same_id.any(axis=1), np.uint8(Verdict.REUSED_ID), np.uint8(Verdict.NEW))
        known = customers["ring_content"][rows[again], same[again].argmax(axis=1)]
        verdicts[again] = np.where(known == content[again], Verdict.DUPLICATE, Verdict.CHANGED)
        # Stage 2: find the (k,) least place of each ring, by time and then by hash. An empty place is least
        # of all. Only there a new event may enter, and below it nothing is remembered.
        least_at = ring_at.min(axis=1)
        among_least = np.where(ring_at == least_at[:, None], ring_hash, np.iinfo(np.uint64).max)
        slot = among_least.argmin(axis=1)
        least_hash = among_least[np.arange(len(rows)), slot]
        below = (at < least_at) | ((at == least_at) & (event < least_hash))
        verdicts[(verdicts == Verdict.NEW) & below & (least_at != NO_EVENT)] = Verdict.TOO_OLD
        # Stage 3: enter the new events.
        new = np.flatnonzero(verdicts == Verdict.NEW)
        customers["ring_at"][rows[new], slot[new]] = at[new]
        customers["ring_hash"][rows[new], slot[new]] = event[new]
        customers["ring_content"][rows[new], slot[new]] = content[new]
        return verdicts
