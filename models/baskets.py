"""What a basket changes at once: its customer's row and the histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models import alerts, open_days, segment_changes
from models.changes import Refusal
from models.columns import NO_EVENT
from models.days import catch_up
from models.partitioner import partition_of
from models.records import Kind, Records
from models.state import distinct, purchase_days

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.step import Step


def admit(step: Step, records: Records, indexes: list[int], partition: int) -> tuple[list[int], NDArray[np.int64]]:
    """Find the customers of purchase records, making rows for new ones and turning strangers away.

    Args:
        step: The step being computed.
        records: A run of records.
        indexes: Which of them are purchases or returns to apply.
        partition: The partition of this ledger.

    Returns:
        The indexes that belong here, and (k,) the row of each one's customer.
    """
    state = step.state
    partitions, partitioner = state.clock.partitions, state.settings.partitioner
    known = state.rows
    kept, rows = [], []
    for index in indexes:
        customer = records.customers[index]
        row = known.get(customer)
        if row is None:
            if partitions > 1 and partition_of(customer, partitions, partitioner) != partition:
                step.strangers.append(int(records.offsets[index]))
                step.counts["strangers"] += 1
                continue
            row = state.add(customer)
            step.counts["new_customers"] += 1
        kept.append(index)
        rows.append(row)
    return kept, np.array(rows, np.int64)


def apply(step: Step, records: Records, indexes: list[int], rows: NDArray[np.int64]) -> None:
    """Apply purchases and returns between which no boundary is crossed, in their order per customer.

    Args:
        step: The step being computed.
        records: A run of records.
        indexes: k of them, ascending, as `admit` returned them.
        rows: (k,) rows of their customers.
    """
    touched = distinct(rows.tolist())
    step.touch(touched)
    catch_up(step, touched)
    which = np.array(indexes, np.int64)
    accepted = np.zeros(len(which), bool)
    for turn in _turns(rows):
        accepted[turn] = _apply_turn(step, records, which[turn], rows[turn])
    open_days.add(step, records, which[accepted], rows[accepted])


def _turns(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Positions grouped so that each group holds every customer once at most, earlier records first."""
    order = np.argsort(rows, kind="stable")
    grouped = rows[order]
    first = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
    lengths = np.diff(np.r_[first, len(rows)])
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - np.repeat(first, lengths)
    by_rank = np.argsort(rank, kind="stable")
    ends = np.cumsum(np.bincount(rank))
    return np.split(by_rank, ends[:-1])


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
    before = state.customers[rows]
    after = before.copy()
    purchase = records.kinds[which] == Kind.PURCHASE
    days = state.calendar.days(occurred)
    late = days <= state.clock.begun
    after["offset"] = records.offsets[which]
    after["spend"] += _basket_spend(records, which)
    first = before["baskets"] == 0
    after["first_purchase"] = np.where(
        purchase, np.where(first, occurred, np.minimum(before["first_purchase"], occurred)), before["first_purchase"]
    )
    after["last_purchase"] = np.where(
        purchase, np.where(first, occurred, np.maximum(before["last_purchase"], occurred)), before["last_purchase"]
    )
    after["baskets"] += purchase
    at = np.flatnonzero(~late)
    slot = days[at] & 1
    after["open_day"][at, slot] = days[at]
    after["open_purchase"][at, slot] |= purchase[at]
    state.customers[rows] = after
    state.histograms.move(*_measures(before), *_measures(after), had=before["baskets"] > 0, has=after["baskets"] > 0)
    step.counts["late"] += int(late.sum())
    step.counts["applied"] += len(which)
    alerts.fulfil(step, records, which[at], rows[at], days[at])
    segment_changes.promote(step, records, which[purchase], rows[purchase])
    return new


def _measures(customers: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    return customers["last_purchase"], purchase_days(customers), customers["spend"]


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
    least of it may have been counted before and forgotten: it is refused, never guessed.
    """
    customers = step.state.customers
    at, event = records.occurred_at[which], records.event_hashes[which]
    ring_at, ring_hash = customers["ring_at"][rows], customers["ring_hash"][rows]
    duplicate = ((ring_at == at[:, None]) & (ring_hash == event[:, None])).any(axis=1)
    least_at = ring_at.min(axis=1)
    among_least = np.where(ring_at == least_at[:, None], ring_hash, np.iinfo(np.uint64).max)
    slot = among_least.argmin(axis=1)
    least_hash = among_least[np.arange(len(rows)), slot]
    full = least_at != NO_EVENT
    too_old = full & ~duplicate & ((at < least_at) | ((at == least_at) & (event < least_hash)))
    new = ~duplicate & ~too_old
    customers["ring_at"][rows[new], slot[new]] = at[new]
    customers["ring_hash"][rows[new], slot[new]] = event[new]
    step.counts["duplicates"] += int(duplicate.sum())
    step.counts["too_old"] += int(too_old.sum())
    for index in which[too_old].tolist():
        step.refusals.append(
            Refusal(
                offset=int(records.offsets[index]),
                stage="duplicate",
                error="too-old",
                field="occurred_at",
                reason="the event is older than the customer's last 32 events, so whether it was counted before "
                "can no longer be known",
            )
        )
    return new
