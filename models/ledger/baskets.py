"""Immediate effects of a basket: changes of its customer's row and of the histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.alerts import lifecycle as alerts
from models.contracts.changes import Refusal
from models.ledger.day_end import catch_up
from models.memory import structured
from models.memory.groups import rank_within
from models.recommendations import recommend as recommendations
from models.records.columns import UNKNOWN_TIME, Kind
from models.segments import changes as segment_changes
from models.state import open_days
from models.state.columns import NO_EVENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.records.columns import Records
    from models.state.step import Step


MOST_COUNTED = np.iinfo(np.uint16).max
"""Late events and duplicates counted per customer; further ones leave the count as it is."""

TOO_OLD = Refusal(
    offset=-1,
    stage="duplicate",
    error="too-old",
    field="occurred_at",
    reason="the event is older than the customer's last 32 events, so whether it was counted before can no "
    "longer be known",
)
CHANGED = Refusal(
    offset=-1,
    stage="duplicate",
    error="changed",
    field="",
    reason="an event of this id and time was counted before with other content, which stands: to correct it, "
    "send a return of what was taken back and a purchase of what was bought instead, under new event ids",
)
REUSED_ID = Refusal(
    offset=-1,
    stage="duplicate",
    error="reused-id",
    field="event_id",
    reason="another event of this customer had the same id and another time; the ids of outputs rest on it",
)


def apply(step: Step, records: Records, indexes: list[int]) -> None:
    """Apply purchases and returns between which no boundary is crossed. Each customer's stay in their order.

    Args:
        step: Step being computed.
        records: Run of records.
        indexes: Indexes of the records to apply, ascending.
    """
    if not indexes:
        return
    state = step.state
    # Stage 1: (n,) row of each record's customer. New customers get a row; known ones are brought up to date.
    known = state.rows
    rows = np.empty(len(indexes), np.int64)
    for place, index in enumerate(indexes):
        customer = records.customers[index]
        row = known.get(customer)
        rows[place] = state.add(customer) if row is None else row
    touched = np.unique(rows)
    step.touch(touched)
    catch_up(step, touched)
    before = state.standing(touched)
    # Stage 2: (m,) consumed lines of all records at once. New names are numbered here in the order of the
    # log, so that their numbers do not depend on the turns below.
    which = np.array(indexes, np.int64)
    step.counts["timeless"] += int((records.appended_at[which] == UNKNOWN_TIME).sum())
    lines = open_days.consumed_lines(state, records, which)
    # Stage 3: one turn applies at most one record per customer, so that every turn can work on whole columns.
    turn = rank_within(rows)
    turns = int(turn.max()) + 1
    answered: recommendations.Answered = {}
    for number in range(turns):
        at = np.flatnonzero(turn == number)
        new = at[_apply_turn(step, records, which[at], rows[at])]
        open_days.add(state, lines, new, rows)
        recommendations.answer(step, records, which[new], rows[new], answered=answered if turns > 1 else None)
    # Before the first boundary there are no histograms: that boundary counts all customers.
    if state.clock.begun:
        state.histograms.move(before, state.standing(touched))


def _apply_turn(
    step: Step, records: Records, which: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Apply at most one record per customer.

    Args:
        step: Step being computed.
        records: Run of records.
        which: (k,) indexes of records.
        rows: (k,) rows of their customers, each once.

    Returns:
        (k,) True for new records; the others are duplicates or refused.
    """
    # Stage 1: leave out duplicates and refused records; `which`, `rows` and `occurred` become (j,).
    state = step.state
    occurred = records.occurred_at[which]
    new = _remember(step, records, which, rows)
    which, rows, occurred = which[new], rows[new], occurred[new]
    if not len(which):
        return new
    # Stage 2: change whole (j,) records in a copy, which costs less than writing field by field into the
    # columns.
    before = structured.take(state.customers, rows)
    after = structured.copy(before)
    purchase = records.kinds[which] == Kind.PURCHASE
    days = state.calendar.days(occurred)
    late = days <= state.clock.begun
    after["offset"] = records.offsets[which]
    after["spend"] += _basket_spend(records, which)
    first = before["baskets"] == 0
    after["first_purchase"] = np.where(
        purchase,
        np.where(first, occurred, np.minimum(before["first_purchase"], occurred)),
        before["first_purchase"],
    )
    after["last_purchase"] = np.where(
        purchase,
        np.where(first, occurred, np.maximum(before["last_purchase"], occurred)),
        before["last_purchase"],
    )
    after["baskets"] += purchase
    after["late"] += late & (before["late"] < MOST_COUNTED)
    # Stage 3: open the day of records that are not late. The slot is the parity of the day, because at most
    # two consecutive days are open at once.
    at = np.flatnonzero(~late)
    slot = days[at] & 1
    after["open_day"][at, slot] = days[at]
    after["open_purchase"][at, slot] |= purchase[at]
    structured.put(state.customers, rows, after)
    step.counts["late"] += int(late.sum())
    step.counts["applied"] += len(which)
    # Stage 4: outputs. Alerts see records of open days; segments see every purchase, late ones included.
    alerts.fulfil(step, records, which[at], rows[at], days[at])
    segment_changes.promote(step, records, which[purchase], rows[purchase])
    return new


def _basket_spend(records: Records, which: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the (k,) spend of whole baskets, 1/10,000 of the currency."""
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(records.spends)])
    spend: NDArray[np.int64] = total[records.line_starts[which + 1]] - total[records.line_starts[which]]
    return spend


def _remember(
    step: Step, records: Records, which: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Enter events into their customers' rings of recent events.

    A ring keeps the greatest 32 pairs of (time, hash of the event id). The ring decides between four cases:

    - An event of the same id, time and content is a duplicate: it is counted and otherwise ignored.
    - An event of the same id and time but other content was edited. The edited event is refused, and the
      event counted before stands.
    - An event of the same id at another time is refused, because the ids of outputs derive from the event's
      id.
    - An event below the least of a full ring may have been counted before and forgotten. Such an event is
      refused, never guessed.

    A duplicate raises its customer's row to the duplicate's offset. Without that, two rows of one offset
    could differ in whether they count the duplicate, and nothing would order them.

    Args:
        step: Step being computed.
        records: Run of records.
        which: (k,) indexes of records.
        rows: (k,) rows of their customers, each once.

    Returns:
        (k,) True for events that are new and entered.
    """
    # Stage 1: compare the (k,) events with the (k, 32) places of the rings. Leaves (k,) masks.
    customers = step.state.customers
    at, event, content = (
        column[which] for column in (records.occurred_at, records.event_hashes, records.content_hashes)
    )
    ring_at, ring_hash = customers["ring_at"][rows], customers["ring_hash"][rows]
    same_id = (ring_hash == event[:, None]) & (ring_at != NO_EVENT)
    same = same_id & (ring_at == at[:, None])
    again: NDArray[np.bool_] = same.any(axis=1)
    known = customers["ring_content"][rows[again], same[again].argmax(axis=1)]
    duplicate = again.copy()
    duplicate[again] = known == content[again]
    changed = again & ~duplicate
    reused: NDArray[np.bool_] = same_id.any(axis=1) & ~again
    # Stage 2: find the (k,) least place of each ring, by time and then by hash. An empty place is least of
    # all. Only there a new event may enter, and below it nothing is remembered.
    least_at = ring_at.min(axis=1)
    among_least = np.where(ring_at == least_at[:, None], ring_hash, np.iinfo(np.uint64).max)
    slot = among_least.argmin(axis=1)
    least_hash = among_least[np.arange(len(rows)), slot]
    full = least_at != NO_EVENT
    too_old = full & ~again & ~reused & ((at < least_at) | ((at == least_at) & (event < least_hash)))
    new: NDArray[np.bool_] = ~again & ~reused & ~too_old
    # Stage 3: enter the new events in place of the least ones.
    customers["ring_at"][rows[new], slot[new]] = at[new]
    customers["ring_hash"][rows[new], slot[new]] = event[new]
    customers["ring_content"][rows[new], slot[new]] = content[new]
    # Stage 4: count duplicates and refuse the rest. The counts stop at MOST_COUNTED, because they are 16
    # bits.
    twice = rows[duplicate]
    customers["offset"][twice] = records.offsets[which[duplicate]]
    customers["duplicates"][twice] += customers["duplicates"][twice] < MOST_COUNTED
    step.counts["duplicates"] += len(twice)
    step.counts["changed"] += int(changed.sum())
    step.counts["reused_id"] += int(reused.sum())
    step.counts["too_old"] += int(too_old.sum())
    for kind, refused in ((CHANGED, changed), (REUSED_ID, reused), (TOO_OLD, too_old)):
        step.refusals.extend(
            kind._replace(offset=offset) for offset in records.offsets[which[refused]].tolist()
        )
    return new
