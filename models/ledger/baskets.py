"""Immediate effects of a basket: changes of its customer's row and of the histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from models.alerts import lifecycle as alerts
from models.contracts.changes import Refusal
from models.ledger.day_end import catch_up
from models.memory import structured
from models.memory.groups import rank_within
from models.recommendations import recommend as recommendations
from models.records.columns import UNKNOWN_TIME, Kind
from models.segments import changes as segment_changes
from models.state import open_days, visits
from models.state.event_time import is_late
from models.state.ring import Ring, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.contracts.changes import Counted
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
_REFUSALS: Final[dict[Verdict, tuple[Counted, Refusal]]] = {
    Verdict.CHANGED: ("changed", CHANGED),
    Verdict.REUSED_ID: ("reused_id", REUSED_ID),
    Verdict.TOO_OLD: ("too_old", TOO_OLD),
}
"""Verdicts that refuse an event, with the counter and the reason of each."""


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
    places = visits.numbered(state, records, indexes)
    # Stage 3: one turn applies at most one record per customer, so that every turn can work on whole columns.
    turn = rank_within(rows)
    turns = int(turn.max()) + 1
    answered: recommendations.Answered = {}
    for number in range(turns):
        at = np.flatnonzero(turn == number)
        new = at[_apply_turn(step, records, which[at], rows[at], places[at])]
        open_days.add(state, lines, new, rows)
        recommendations.answer(step, records, which[new], rows[new], answered=answered if turns > 1 else None)
    # Before the first boundary there are no histograms: that boundary counts all customers.
    if state.clock.begun:
        state.histograms.move(before, state.standing(touched))


def _apply_turn(
    step: Step,
    records: Records,
    which: NDArray[np.int64],
    rows: NDArray[np.int64],
    places: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Apply at most one record per customer.

    Args:
        step: Step being computed.
        records: Run of records.
        which: (k,) indexes of records.
        rows: (k,) rows of their customers, each once.
        places: (k, 2) numbers of store and channel, as `visits.numbered` returns them.

    Returns:
        (k,) True for new records; the others are duplicates or refused.
    """
    # Stage 1: leave out duplicates and refused records; the arguments become (j,).
    state = step.state
    occurred = records.occurred_at[which]
    new = _remember(step, records, which, rows)
    which, rows, places, occurred = which[new], rows[new], places[new], occurred[new]
    if not len(which):
        return new
    # Stage 2: change whole (j,) records in a copy, which costs less than writing field by field into the
    # columns.
    before = structured.take(state.customers, rows)
    after = structured.copy(before)
    purchase = records.kinds[which] == Kind.PURCHASE
    days = state.calendar.days(occurred)
    late = is_late(state, days)
    after["offset"] = records.offsets[which]
    spend = _of_baskets(records, records.spends, which)
    after["spend"] += spend
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
    visits.count(after, np.where(purchase[:, None], places, -1), after["last_purchase"] == occurred)
    after["late"] += late & (before["late"] < MOST_COUNTED)
    # Stage 3: open the day of records that are not late. The slot is the parity of the day, because at most
    # two consecutive days are open at once.
    at = np.flatnonzero(~late)
    slot = days[at] & 1
    after["open_day"][at, slot] = days[at]
    after["open_purchase"][at, slot] |= purchase[at]
    after["open_spend"][at, slot] += spend[at]
    after["open_discount"][at, slot] += _of_baskets(records, records.discounts, which[at]) * purchase[at]
    items = records.line_starts[which[at] + 1] - records.line_starts[which[at]]
    after["open_items"][at, slot] += (items * purchase[at]).astype(np.uint32)
    structured.put(state.customers, rows, after)
    step.counts["late"] += int(late.sum())
    step.counts["applied"] += len(which)
    # Stage 4: outputs. Alerts see records of open days; segments see every purchase, late ones included.
    alerts.fulfil(step, records, which[at], rows[at], days[at])
    segment_changes.introduce(step, records, which[purchase], rows[purchase])
    return new


def _of_baskets(records: Records, amounts: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the (k,) sums over the lines of baskets, in the unit of the (m,) amounts of lines."""
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(amounts)])
    sums: NDArray[np.int64] = total[records.line_starts[which + 1]] - total[records.line_starts[which]]
    return sums


def _remember(
    step: Step, records: Records, which: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Enter events into their customers' rings of recent events; count duplicates, and refuse the doubtful.

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
    customers = step.state.customers
    verdicts = Ring(customers).enter(
        rows, records.occurred_at[which], records.event_hashes[which], records.content_hashes[which]
    )
    # The counts stop at MOST_COUNTED, because they are 16 bits.
    duplicate = verdicts == Verdict.DUPLICATE
    twice = rows[duplicate]
    customers["offset"][twice] = records.offsets[which[duplicate]]
    customers["duplicates"][twice] += customers["duplicates"][twice] < MOST_COUNTED
    step.counts["duplicates"] += len(twice)
    for verdict, (name, refusal) in _REFUSALS.items():
        refused = which[verdicts == verdict]
        step.counts[name] += len(refused)
        step.refusals.extend(refusal._replace(offset=offset) for offset in records.offsets[refused].tolist())
    new: NDArray[np.bool_] = verdicts == Verdict.NEW
    return new
