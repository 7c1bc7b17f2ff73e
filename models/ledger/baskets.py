"""What a basket changes at once: its customer's row and the histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.alerts import lifecycle as alerts
from models.contracts.changes import Refusal
from models.ledger.day_end import catch_up
from models.memory import structured
from models.memory.ranking import rank_within
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
"""Late events and duplicates of a customer that are counted."""

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
    """Apply purchases and returns between which no boundary is crossed, each customer's in their order.

    Args:
        step: The step being computed.
        records: A run of records.
        indexes: Which of them to apply, ascending.
    """
    if not indexes:
        return
    state = step.state
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
    which = np.array(indexes, np.int64)
    step.counts["timeless"] += int((records.appended_at[which] == UNKNOWN_TIME).sum())
    lines = open_days.consumed_lines(state, records, which)
    turn = rank_within(rows)
    turns = int(turn.max()) + 1
    answered: recommendations.Answered = {}
    for number in range(turns):
        at = np.flatnonzero(turn == number)
        new = at[_apply_turn(step, records, which[at], rows[at])]
        open_days.add(state, lines, new, rows)
        recommendations.answer(step, records, which[new], rows[new], answered=answered if turns > 1 else None)
    if state.clock.begun:  # the first boundary counts those who came before it
        state.histograms.move(before, state.standing(touched))


def _apply_turn(
    step: Step, records: Records, which: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Apply at most one record per customer; tells which were new."""
    state = step.state
    occurred = records.occurred_at[which]
    new = _remember(step, records, which, rows)
    which, rows, occurred = which[new], rows[new], occurred[new]
    if not len(which):
        return new
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
    at = np.flatnonzero(~late)
    slot = days[at] & 1
    after["open_day"][at, slot] = days[at]
    after["open_purchase"][at, slot] |= purchase[at]
    structured.put(state.customers, rows, after)
    step.counts["late"] += int(late.sum())
    step.counts["applied"] += len(which)
    alerts.fulfil(step, records, which[at], rows[at], days[at])
    segment_changes.promote(step, records, which[purchase], rows[purchase])
    return new


def _basket_spend(records: Records, which: NDArray[np.int64]) -> NDArray[np.int64]:
    """(k,) spend of whole baskets, 1/10,000 of the currency."""
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(records.spends)])
    spend: NDArray[np.int64] = total[records.line_starts[which + 1]] - total[records.line_starts[which]]
    return spend


def _remember(
    step: Step, records: Records, which: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Enter events into their customers' rings; tells which were new and not too old to know.

    A ring keeps the greatest (time, hash of the event id). An event not in a full ring and smaller than the
    least of it may have been counted before and forgotten: it is refused, never guessed. So is one with
    the id of another: the ids of what it causes would be those of what that one caused. One of the same id
    and time is a duplicate if it says the same; else it was edited, and is refused: what was counted stands.

    A duplicate is counted in the customer's row, which is then of its offset: else nothing would say
    which of two rows with one offset had counted it.
    """
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
    least_at = ring_at.min(axis=1)
    among_least = np.where(ring_at == least_at[:, None], ring_hash, np.iinfo(np.uint64).max)
    slot = among_least.argmin(axis=1)
    least_hash = among_least[np.arange(len(rows)), slot]
    full = least_at != NO_EVENT
    too_old = full & ~again & ~reused & ((at < least_at) | ((at == least_at) & (event < least_hash)))
    new: NDArray[np.bool_] = ~again & ~reused & ~too_old
    customers["ring_at"][rows[new], slot[new]] = at[new]
    customers["ring_hash"][rows[new], slot[new]] = event[new]
    customers["ring_content"][rows[new], slot[new]] = content[new]
    twice = rows[duplicate]
    customers["offset"][twice] = records.offsets[which[duplicate]]
    customers["duplicates"][twice] += customers["duplicates"][twice] < MOST_COUNTED
    step.counts["duplicates"] += len(twice)
    for kind, refused in ((CHANGED, changed), (REUSED_ID, reused), (TOO_OLD, too_old)):
        step.counts[kind.error.replace("-", "_")] += int(refused.sum())
        step.refusals.extend(
            kind._replace(offset=offset) for offset in records.offsets[which[refused]].tolist()
        )
    return new
