"""Catalogue updates: product listings of a record, taken into a partition's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.learning.catalogue import STATUSES, Entry

if TYPE_CHECKING:
    from models.records.columns import Records
    from models.state.step import Step


def update(step: Step, records: Records) -> int:
    """Take the product listings of a run's first record into the catalogue.

    Args:
        step: A step of its own, because earlier recommendations rest on the catalogue before the record.
        records: Run of records.

    Returns:
        Count of the records accounted for, always 1.
    """
    state, listings = step.state, records.listings[0]
    products = state.product_names.numbers([listing.product_id for listing in listings])
    categories = state.category_names.numbers([listing.category for listing in listings])
    entries = [
        Entry(category, STATUSES.index(listing.status), (listing.name or "").encode())
        for category, listing in zip(categories, listings, strict=True)
    ]
    state.catalogue, left_out = state.catalogue.updated(
        zip(products, entries, strict=True), int(records.offsets[0])
    )
    step.counts["listed"] += len(listings) - left_out
    step.counts["not_listed"] += left_out
    return 1
