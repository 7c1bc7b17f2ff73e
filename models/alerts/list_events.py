"""Events of lists: what is listed with its evidence, and later what of it was bought."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from models.alerts.evidence import evidence_of, usual_products
from models.contracts.encoding import (
    LIST,
    LIST_CLOSING,
    block_of,
    numbers_as_json,
    quoted,
    text_as_json,
)
from models.contracts.events import event_ids
from models.contracts.timestamps import time_text
from models.memory.dictionary import UNTRACKED
from models.state.calendar import boundary_cause, date_text
from models.state.columns import LIST_DAYS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.step import Step

    Integers = NDArray[np.int64]

ListEnd = Literal["closed", "withdrawn"]
MODEL_VERSION = "list-1"
"""Version of the model, which changes with every formula or constant that a list depends on."""


class Listed(NamedTuple):
    """Categories of the lists of k customers."""

    owners: Integers
    """(n,) index of each category's customer, ascending; the likeliest category of a customer first."""
    cells: NDArray[Any]
    """(n,) cells."""
    chances: NDArray[np.float64]
    """(n,) chances of a purchase within `LIST_DAYS`."""


def emit_raised(step: Step, rows: Integers, listed: Listed, boundary: int) -> None:
    """Emit the list of each of k customers.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers.
        listed: Their categories; every customer has one at least.
        boundary: Boundary (day) that makes the lists.
    """
    # Stage 1: n items as JSON.
    state, (owners, cells, chances) = step.state, listed
    items = [
        f'{{"category":{quoted(name)},"probability_7_days":{chance},"products":[{products}],'
        f'"evidence":{evidence}}}'
        for name, chance, products, evidence in zip(
            state.category_names.names(cells["category"].tolist()),
            numbers_as_json(np.round(chances, 4).tolist()),
            usual_products(state, rows[owners], cells["category"]),
            evidence_of(cells),
            strict=True,
        )
    ]
    # Stage 2: k ids, each of which is the list's id as well, and k texts.
    customers = [state.ids[row] for row in rows.tolist()]
    identities = _list_ids(customers, [boundary] * len(customers))
    cause, at = boundary_cause(boundary), state.calendar.boundary(boundary)
    over = state.calendar.boundary_text(boundary + LIST_DAYS)
    end = (
        f'"shopping_day":"{date_text(boundary + 1)}","valid_until":"{over}",'
        f'"cause":{text_as_json(cause)},"occurred_at":"{time_text(at)}","model_version":"{MODEL_VERSION}"}}'
    )
    ends = np.cumsum(np.bincount(owners, minlength=len(rows))).tolist()
    values = [
        (
            f'{{"list_id":"{identity}","customer_id":{text_as_json(customer.decode())},"state":"raised",'
            f'"items":[{",".join(items[first:last])}],{end}'
        ).encode()
        for identity, customer, (first, last) in zip(identities, customers, pairwise([0, *ends]), strict=True)
    ]
    source = state.settings.event_source
    step.emit(block_of(LIST, customers, identities, values, times=[at] * len(values), source=source))


def emit_closings(
    step: Step,
    rows: Integers,
    listed: Integers,
    bought: NDArray[np.bool_],
    how: ListEnd,
    *,
    cause: str,
    occurred_at: int,
) -> None:
    """Emit the end of the lists of k customers, whose rows still tell of them.

    Args:
        step: Step being computed.
        rows: (k,) rows of customers.
        listed: (k, 5) category numbers, 0 behind the last one.
        bought: (k, 5) True for categories that were bought while the list held.
        how: State that the lists enter.
        cause: Id of the record, or name of the boundary, that ends the lists.
        occurred_at: Event time of the cause, ms since 1970 UTC.
    """
    state = step.state
    customers = [state.ids[row] for row in rows.tolist()]
    raising = state.customers["list_day"][rows].tolist()
    lists = _list_ids(customers, raising)
    count = len(customers)
    identities = event_ids(LIST_CLOSING.type_, customers, [""] * count, [cause] * count, how)
    end = (
        f'"cause":{text_as_json(cause)},"occurred_at":"{time_text(occurred_at)}",'
        f'"model_version":"{MODEL_VERSION}"}}'
    )
    there = listed != UNTRACKED
    values = [
        (
            f'{{"list_id":"{identity}","customer_id":{text_as_json(customer.decode())},"state":"{how}",'
            f'"bought":[{",".join(had)}],"not_bought":[{",".join(lacked)}],{end}'
        ).encode()
        for identity, customer, had, lacked in zip(
            lists,
            customers,
            _names(step, listed, there & bought),
            _names(step, listed, there & ~bought),
            strict=True,
        )
    ]
    source = state.settings.event_source
    step.emit(
        block_of(LIST_CLOSING, customers, identities, values, times=[occurred_at] * count, source=source)
    )


def list_id(customer: bytes, boundary: int) -> str:
    """Return the id of the list that a boundary (day) made for a customer."""
    return _list_ids([customer], [boundary])[0]


def _list_ids(customers: list[bytes], boundaries: list[int]) -> list[str]:
    causes = [boundary_cause(boundary) for boundary in boundaries]
    return event_ids(LIST.type_, customers, [""] * len(customers), causes, "raised")


def _names(step: Step, listed: Integers, chosen: NDArray[np.bool_]) -> list[list[str]]:
    """Return the quoted names of the chosen categories of each customer."""
    names = [quoted(name) for name in step.state.category_names.names(listed[chosen].tolist())]
    ends = np.cumsum(chosen.sum(axis=1)).tolist()
    return [names[first:last] for first, last in pairwise([0, *ends])]
