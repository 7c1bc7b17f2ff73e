"""Evidence of alerts and lists: what a cell tells a person who asks why, and the products usually bought."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from models.contracts.encoding import numbers_as_json, quoted
from models.learning.intervals import LOG_STEPS
from models.memory.groups import first_within
from models.state.calendar import date_text
from models.state.usual_products import Asked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.state.state import State

SHOWN_PRODUCTS = 3
"""Products that are named of a category: as many as fit one line of a message."""


def evidence_of(cells: NDArray[Any]) -> list[str]:
    """Write `AlertEvidence` of each cell as JSON, rounded as the contract says."""
    typical = np.round(np.exp(cells["mean_log"] / LOG_STEPS), 2).tolist()
    quantities = np.round(cells["quantity"].astype(np.float64), 3).tolist()
    return [
        f'{{"purchases_seen":{purchases},"typical_interval_days":{interval},'
        f'"last_purchase":"{date_text(last)}","usual_quantity":{quantity}}}'
        for purchases, interval, last, quantity in zip(
            cells["purchases"].tolist(),
            numbers_as_json(typical),
            cells["last_day"].tolist(),
            numbers_as_json(quantities),
            strict=True,
        )
    ]


def usual_products(state: State, rows: NDArray[np.int64], categories: NDArray[np.uint16]) -> list[str]:
    """Write the products that each customer usually buys of a category as JSON, most bought first."""
    bought = Asked(state, rows, categories).bought(state)
    shown = first_within(
        bought.asked, SHOWN_PRODUCTS, -bought.counts, state.product_names.hashes[bought.products]
    )
    said = [
        f'{{"product_id":{quoted(product)},"trips":{trips},"last_bought":"{date_text(last)}"}}'
        for product, trips, last in zip(
            state.product_names.names(bought.products[shown].tolist()),
            numbers_as_json(np.round(bought.counts[shown], 2).tolist()),
            bought.last_days[shown].tolist(),
            strict=True,
        )
    ]
    ends = np.cumsum(np.bincount(bought.asked[shown], minlength=len(rows))).tolist()
    return [",".join(said[first:end]) for first, end in pairwise([0, *ends])]
